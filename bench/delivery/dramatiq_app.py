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


send, send_deadly = work.send, die.send
