"""A user's own Celery app whose tasks call operations of Wasmfleet; its broker need not be the fleet's."""

import os
import threading

from celery import Celery, chain, chord, group, signature

from wasmfleet.tasks import digest

app = Celery("caller_app", broker=os.environ["STOCK_BROKER"], backend=os.environ["STOCK_BACKEND"])


def delay():
    return digest.digest.delay(b"abc")


def many():
    return digest.digest.many([{"data": b"abc"}] * 3)


def by_options():
    return digest.digest.apply_async((b"abc",), link=digest.digest.s(), countdown=1)


def chained():
    return chain(digest.digest.si(b"abc"), digest.digest.si(b"abc")).delay()


def grouped():
    return group(digest.digest.si(b"abc") for _ in range(2)).delay()


def a_chord():
    return chord([digest.digest.si(b"abc")] * 2, digest.digest.si(b"abc")).delay()


def by_name():
    return signature("wasmfleet.digest.digest", (b"abc",), app=digest.digest.app).delay()


def in_a_thread():
    """Publish in a thread of a task, where no task is current."""
    ended = []
    thread = threading.Thread(target=lambda: ended.append(told("delay")))
    thread.start()
    thread.join()
    return ended[0]


def directly():
    return digest.digest(b"abc")


def at_once():
    return digest.digest.apply((b"abc",)).result


WAYS = (delay, many, by_options, chained, grouped, a_chord, by_name, in_a_thread, directly, at_once)


def told(way):
    """Call one of WAYS, and return what its caller sees: the class of an error, or the value."""
    try:
        answer = {one.__name__: one for one in WAYS}[way]()
    except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
        return f"{type(error).__module__}.{type(error).__name__}"
    return answer if isinstance(answer, str) else type(answer).__name__


@app.task
def echo(value):
    return value


@app.task
def called(way):
    return told(way)


@app.task(acks_late=True)
def called_late(way):
    return told(way)


@app.task
def uncaught(way):
    return {one.__name__: one for one in WAYS}[way]() and None


@app.task(acks_late=True, reject_on_worker_lost=True)
def uncaught_late(way):
    return {one.__name__: one for one in WAYS}[way]() and None
