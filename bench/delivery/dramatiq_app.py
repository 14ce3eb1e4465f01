"""The Dramatiq app under test, on its Redis broker."""

import os
import signal

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.delivery import marks

dramatiq.set_broker(RedisBroker(url=os.environ["BENCH_BROKER"]))


@dramatiq.actor(max_retries=100, min_backoff=100)
def work(number: int, seconds: float) -> None:
    marks.begun(number, os.getpid())
    marks.run(number, seconds)


@dramatiq.actor(max_retries=100, min_backoff=100)
def die(number: int) -> None:
    marks.run(number, 0)
    os.kill(os.getpid(), signal.SIGKILL)


@dramatiq.actor(max_retries=100, min_backoff=100)
def nothing(_number: int, _seconds: float) -> None:
    """Do nothing: such a task counts as done once the broker does not hold it any more."""


send, send_nothing, send_deadly = work.send, nothing.send, die.send
