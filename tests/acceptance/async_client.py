"""Programs of asynchronous callers; a test runs one in a process of its own: `async_client.py NAME [ARGUMENT]`.

Each function below is a program. What it returns is printed as JSON.
"""

import asyncio
import contextlib
import gc
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from redis import Redis

from wasmfleet.config.settings import settings
from wasmfleet.tasks import compression, crypto, digest
from wasmfleet.workers.app import app
from wasmfleet.workers.calls.result import Result
from wasmfleet.workers.errors import WasmfleetError
from wasmfleet.workers.node import broker

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#: Of this lane the tests start no worker, so that such a call waits for ever.
NOBODY = digest.digest.options(lane="python")


def store() -> Redis:
    return Redis.from_url(broker.address(settings()))


def connections() -> int:
    """Return how many TCP connections this process has to the broker."""
    port = urlsplit(broker.address(settings())).port or 0
    sockets = set()
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            sockets.add(str(link.readlink()))
    lines = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return sum(line[2].endswith(f":{port:04X}") and f"socket:[{line[9]}]" in sockets for line in lines)


def key_of(task_id: str) -> bytes:
    backend: Any = app.backend
    key: bytes = backend.get_key_for_task(task_id)
    return key


async def code_of(call: Coroutine[Any, Any, Any]) -> str:
    try:
        return f"gave {await call!r}"
    except WasmfleetError as error:
        return error.code


async def values_and_errors() -> Any:
    key = {"key_id": "data"}
    return [
        await digest.digest.aio(b"abc") == ABC,
        await digest.digest.options(lane="wasm", expires=30, priority=5).aio(b"abc") == ABC,
        await compression.decompress.aio(await compression.compress.aio(b"abc")) == b"abc",
        await crypto.decrypt.aio(await crypto.encrypt.aio(b"secret", **key), **key) == b"secret",
        await digest.digest.delay(b"abc").aio() == ABC,
        await code_of(compression.decompress.aio(b"not gzip")),
        await code_of(digest.digest.aio("text")),  # type: ignore[arg-type]
        await code_of(digest.digest.options(ignore_result=True).aio(b"")),
    ]


async def a_batch() -> Any:
    calls = [digest.digest.item(str(n).encode()) for n in range(2500)]
    calls[1234] = digest.digest.item(b"", algorithm="md5")
    batch = await digest.digest.aio.many(calls)
    items = [item async for item in batch]
    return [len(batch.task_ids), [item.index for item in items] == list(range(2500)), items[1234].value]


async def given_up() -> Any:
    """Give up waiting in every way that a program has; return how it ended, and what is left afterwards."""
    ended = []
    for wait in (_one, _items, _published_item):
        try:
            async with asyncio.timeout(0.5):
                await wait()
        except TimeoutError:
            ended.append("timeout")
    tasks = [asyncio.create_task(wait()) for wait in (_one, _items, _one) for _ in range(20)]
    await asyncio.sleep(0.5)
    for task in tasks:
        task.cancel()
    cancelled = await asyncio.gather(*tasks, return_exceptions=True)
    ended.append(sum(isinstance(one, asyncio.CancelledError) for one in cancelled))
    value = await digest.digest.aio(b"abc")
    for _ in range(100):
        if not _channels():
            break
        await asyncio.sleep(0.1)
    return [ended, value == ABC, threading.active_count(), _channels()]


async def _one() -> None:
    await NOBODY.aio(b"abc")


async def _items() -> None:
    async for _ in NOBODY.many([{"data": b"abc"}]):
        pass


async def _published_item() -> None:
    async for _ in await NOBODY.aio.many([{"data": b"abc"}]):
        pass


def _channels() -> int:
    """Return for how many results the clients of this broker are subscribed."""
    with store() as client:
        return len(client.pubsub_channels("celery-task-meta-*"))


def loop_after_loop() -> Any:
    """Use loops one after another, closed in every way, and some in threads at the same time."""
    values = [asyncio.run(digest.digest.aio(b"abc")) for _ in range(3)]
    for _ in range(3):
        loop = asyncio.new_event_loop()
        values.append(loop.run_until_complete(digest.digest.aio(b"abc")))
        waiting = loop.create_task(_one())
        loop.run_until_complete(asyncio.sleep(0.2))
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(waiting)
        loop.close()
    with ThreadPoolExecutor(8) as pool:
        values += pool.map(lambda _: asyncio.run(_several(10)), range(8))
    gc.collect()
    return [values == [ABC] * 14, connections() <= 10]


async def _several(count: int) -> str:
    values = await asyncio.gather(*[digest.digest.aio(b"abc") for _ in range(count)])
    return values[0] if len(set(values)) == 1 else "different values"


def forked() -> Any:
    """Fork while calls are under way, wait in both processes, and do so in children of children."""

    async def waiting_while_forking() -> Any:
        first = asyncio.create_task(_several(50))
        await digest.digest.aio(b"abc")
        statuses = [await asyncio.to_thread(_in_child, 20) for _ in range(4)]
        return [await first == ABC, statuses, await _several(50) == ABC]

    return asyncio.run(waiting_while_forking())


def _in_child(count: int) -> int:
    if not (pid := os.fork()):
        os._exit(0 if asyncio.run(_several(count)) == ABC else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


async def hostile_results() -> Any:
    """Wait while somebody publishes and stores what is no result."""
    with store() as client:
        client.set(key_of("junk"), b"\xc1junk")
        client.rpush(key_of("list"), b"x")
        client.set(
            key_of("order"),
            json.dumps(
                {
                    "status": "FAILURE",
                    "result": {"exc_type": "SystemExit", "exc_module": "builtins", "exc_message": ["0"]},
                }
            ),
        )
        stored = [await code_of(Result(name, app=app).aio()) for name in ("junk", "list", "order")]
        call = asyncio.create_task(digest.digest.options(task_id="noise", countdown=1).aio(b"abc"))
        while not client.pubsub_numsub(key_of("noise"))[0][1]:
            await asyncio.sleep(0.01)
        for noise in (b"", b"\xc1", b"{}", b"[]", b'{"status": "PENDING", "result": null}', b"\x80" * 1000):
            client.publish(key_of("noise"), noise)
        return [stored, await call == ABC]


async def large_results() -> Any:
    """Wait for results that are far larger than a server lets a slow subscriber fall behind."""
    data = os.urandom(1 << 20) * 12
    packed = compression.compress(data, codec="lz4")
    unpacked = await asyncio.gather(*[compression.decompress.aio(packed, codec="lz4") for _ in range(3)])
    return [value == data for value in unpacked]


async def crowd(count: str) -> Any:
    """Await so many calls at once; return what that took."""
    await digest.digest.aio(b"abc")
    gc.collect()
    before, started = _resident_bytes(), time.perf_counter()
    seen: dict[str, int] = {"threads": 0, "connections": 0, "resident": 0}
    watching = asyncio.create_task(_watch(seen))
    values = await asyncio.gather(*[digest.digest.aio(str(n).encode()) for n in range(int(count))])
    watching.cancel()
    return {
        "calls": len(set(values)),
        "seconds": round(time.perf_counter() - started, 1),
        "kib_each": round((seen["resident"] - before) / 1024 / int(count), 1),
        "mib_in_all": round(seen["resident"] / 2**20),
        "threads": seen["threads"],
        "connections": seen["connections"],
    }


async def _watch(seen: dict[str, int]) -> None:
    while True:
        seen["threads"] = max(seen["threads"], threading.active_count())
        seen["connections"] = max(seen["connections"], connections())
        seen["resident"] = max(seen["resident"], _resident_bytes())
        await asyncio.sleep(0.2)


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main(name: str, *arguments: str) -> None:
    program: Callable[..., Any] = globals()[name]
    answer = program(*arguments)
    print(json.dumps(asyncio.run(answer) if asyncio.iscoroutine(answer) else answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
