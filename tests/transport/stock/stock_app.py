"""A Celery app that knows nothing of Wasmfleet: the URL of its broker is all that it is given."""

import json
import os
import sys
import time
from pathlib import Path

from celery import Celery
from kombu.common import Broadcast

app = Celery("stock", broker=os.environ["STOCK_BROKER"], backend=os.environ.get("STOCK_BACKEND"))
app.conf.broker_connection_retry_on_startup = True
app.conf.update(json.loads(os.environ.get("STOCK_OPTIONS", "{}")))
if "STOCK_BROADCAST" in os.environ:
    app.conf.task_queues = [Broadcast(os.environ["STOCK_BROADCAST"])]


def mark(name, word):
    """Append a line, which is whole or not there, however this process ends."""
    with Path(os.environ["STOCK_MARKS"]).open("ab", buffering=0) as marks:
        marks.write(f"{name} {word} {os.getpid()}\n".encode())


@app.task
def work(number, seconds=0.0):
    time.sleep(seconds)
    mark("ran", number)
    return number


@app.task
def slow(number, seconds):
    mark("begun", number)
    time.sleep(seconds)
    mark("ran", number)


@app.task
def add(x, y):
    return x + y


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def size_of(data):
    return len(data)


@app.task
def modules():
    return sorted(sys.modules)


@app.task
def end_worker(parent):
    """Kill the process that runs this task, or its parent."""
    mark("begun", "end_worker")
    os.kill(os.getppid() if parent else os.getpid(), 9)
    time.sleep(60)


@app.task(rate_limit="600/m")
def limited(number):
    mark("ran", number)


@app.task
def fail(number):
    mark("begun", number)
    raise ValueError(number)
