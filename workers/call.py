"""One call on its way through a worker, and what came of it."""

from dataclasses import dataclass
from typing import Any, Literal

from wasmfleet.workers.contract import Arguments
from wasmfleet.workers.errors import WasmfleetError


@dataclass(slots=True)
class Outcome:
    """What came of one item."""

    value: Any = None
    error: WasmfleetError | None = None
    engine: Literal["wasm", "python", ""] = ""
    run_us: int = 0
    input_bytes: int = 0
    output_bytes: int = 0
    input_digest: str | None = None
    module_sha256: str | None = None


@dataclass(slots=True)
class Item:
    """One call on its way: its arguments and their encoding, or already an outcome."""

    arguments: Arguments
    request: bytes
    outcome: Outcome


def of_batch(request: Any) -> tuple[Any, Any]:
    """The operation and the calls of a batch's message, given by place or by name."""
    named = dict(zip(("operation", "calls"), request.args, strict=False)) | request.kwargs
    return named.get("operation"), named.get("calls")
