"""Operations for a test installation: not sealed themselves, but given what sealed operations return."""

import os
import signal
from typing import Any

from wasmfleet.workers.calls.catalogue import operation
from wasmfleet.workers.errors import InvalidSource


@operation(parity="exact")
def same(data: Any) -> Any:
    """Return the argument unchanged."""
    return data


@operation(parity="exact")
def quote(data: bytes) -> None:
    """Fail with an error whose message quotes the argument."""
    raise InvalidSource(f"unexpected {data.decode()}", {"line": 1, "column": 2, "near": data.decode()})


@operation(parity="exact")
def die(data: Any) -> None:
    """Kill the process that runs this call, unless the argument is empty."""
    if data:
        os.kill(os.getpid(), signal.SIGKILL)
