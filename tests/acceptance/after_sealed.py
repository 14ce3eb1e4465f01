"""Operations of no family that holds secrets, put into an installation under test: they get what others had sealed."""

import os
import signal
from typing import Any

from wasmfleet.workers.calls.catalogue import operation
from wasmfleet.workers.errors import InvalidSource


@operation(parity="exact")
def same(data: Any) -> Any:
    """What it gets."""
    return data


@operation(parity="exact")
def quote(data: bytes) -> None:
    """Fails with what it gets in its message."""
    raise InvalidSource(f"unexpected {data.decode()}", {"line": 1, "column": 2, "near": data.decode()})


@operation(parity="exact")
def die(data: Any) -> None:
    """Kills its own process, unless it gets nothing."""
    if data:
        os.kill(os.getpid(), signal.SIGKILL)
