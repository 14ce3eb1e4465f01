"""A stock Celery app, which imports nothing of Wasmfleet: the broker's URL alone chooses the transport."""

import os
import signal

from celery import Celery

from bench.delivery import marks

app = Celery("bench", broker=os.environ["BENCH_BROKER"], set_as_current=False)
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={"socket_timeout": 5, "socket_connect_timeout": 5, "socket_keepalive": True},
)


@app.task(name="work")
def work(number: int, seconds: float) -> None:
    marks.begun(number, os.getpid())
    marks.run(number, seconds)


@app.task(name="nothing")
def nothing(_number: int, _seconds: float) -> None:
    """Do nothing: such a task counts as done once the broker does not hold it any more."""


@app.task(name="die")
def die(number: int) -> None:
    marks.run(number, 0)
    os.kill(os.getpid(), signal.SIGKILL)


send, send_nothing, send_deadly = work.delay, nothing.delay, die.delay
