"""A Celery app as its users have it: it imports Celery alone, and configures nothing but where its broker is.

It is copied into a folder of its own and run from there, so nothing of this project is on its path.
"""

import hashlib
import os
import sys
import time
from pathlib import Path

from celery import Celery

app = Celery("stock_app", broker=os.environ["STOCK_BROKER"], backend=os.environ["STOCK_BACKEND"])


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def echo(value, *more):
    return [value, *more] if more else value


@app.task
def count(value):
    return len(value)


@app.task
def hashed(text):
    return hashlib.sha256(text.encode()).hexdigest()


@app.task
def joined(parts):
    return "|".join(parts)


@app.task
def failing():
    raise ValueError("it was asked to")


@app.task
def fail(why="it was asked to"):
    raise ValueError(why)


@app.task
def nap(seconds):
    time.sleep(seconds)
    return seconds


@app.task(bind=True)
def note(self, *args):
    """Append a line to a file that the test reads: what an errback or a link was called with."""
    with Path(os.environ["STOCK_NOTES"]).open("a") as notes:
        print(self.request.id, *map(repr, args), file=notes)


@app.on_after_finalize.connect
def schedule(sender, **_):
    """What `celery beat` sends."""
    sender.add_periodic_task(1.0, note.s("beat").set(queue="stock"))


@app.task
def foreign_modules():
    """Name the modules of Wasmfleet that this worker has loaded: there must be none."""
    return [name for name in sys.modules if name.partition(".")[0] == "wasmfleet"]
