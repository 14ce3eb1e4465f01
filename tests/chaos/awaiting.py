"""Programs of asynchronous callers that a test disturbs: `awaiting.py NAME`. Each says on stdout when it is ready."""

import asyncio
import json
import sys
import time
from typing import Any

from wasmfleet.tasks import chaos, digest
from wasmfleet.workers.errors import WasmfleetError

_CALLS = 200


async def waiting() -> Any:
    """Wait for many calls, singly and in a batch, that all run while the test breaks something."""
    naps = chaos.nap.options(lane="python")
    sent = [naps.delay(seconds=0.02) for _ in range(_CALLS)]
    batch = naps.many([chaos.nap.item(seconds=0.02) for _ in range(_CALLS)])
    waits = [asyncio.create_task(one.aio()) for one in sent] + [asyncio.create_task(_all_of(batch))]
    print("ready", flush=True)
    async with asyncio.timeout(100):
        values = await asyncio.gather(*waits)
    return [values[:-1] == [0.02] * _CALLS, values[-1]]


async def _all_of(batch: Any) -> int:
    return len([item async for item in batch if item.value == 0.02])


async def beside_a_clock() -> Any:
    """Make calls for some seconds beside a task that must wake up often; return its longest pause."""
    await digest.digest.aio(b"abc")
    ticking = asyncio.create_task(_longest_pause())
    print("ready", flush=True)
    until, ended = time.monotonic() + 12, {"value": 0, "BrokerUnavailable": 0}
    while time.monotonic() < until:
        some = await asyncio.gather(*[_code_of(digest.digest.aio(b"abc")) for _ in range(8)])
        for code in some:
            ended[code] += 1
    ticking.cancel()
    return [await ticking, ended]


async def _code_of(call: Any) -> str:
    try:
        async with asyncio.timeout(30):
            await call
    except WasmfleetError as error:
        return error.code
    return "value"


async def _longest_pause() -> float:
    longest, before = 0.0, time.monotonic()
    try:
        while True:
            await asyncio.sleep(0.01)
            longest, before = max(longest, time.monotonic() - before), time.monotonic()
    except asyncio.CancelledError:
        return longest


if __name__ == "__main__":
    print(json.dumps(asyncio.run(globals()[sys.argv[1]]())))
