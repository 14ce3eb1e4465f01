"""A stock Celery app whose tasks also call operations of Wasmfleet; it has a queue of its own."""

import asyncio
import os

from celery import Celery, group

app = Celery("pipeline_app", broker=os.environ["BROKER"], backend=os.environ["BROKER"])
app.conf.task_default_queue = "pipeline"


@app.task
def greeting(name):
    return f"hello, {name}"


@app.task
def waits(way):
    """Wait for calls of the fleet within this task, in one of the ways there are."""
    from wasmfleet.tasks import digest, text

    if way == "get":
        return text.hash.delay("abc").get(timeout=30)
    if way == "many":
        return [item.value for item in text.hash.many([{"text": "abc"}] * 2)]
    if way == "aio":
        return asyncio.run(text.hash.aio("abc"))
    if way == "chain":
        return (text.hash.s("abc") | text.hash.s()).apply_async().get(timeout=30)
    if way == "group":
        return [one.get(timeout=30) for one in group(text.hash.s("abc"), text.hash.s("abc"))().results]
    if way == "after a task of this app":  # which may never run, for this task has its worker
        return (greeting.s("abc") | digest.digest.s()).apply_async().get(timeout=30)
    raise ValueError(way)
