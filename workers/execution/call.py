"""One item of a message while it runs (its arguments, then its outcome), and the arguments of a batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from wasmfleet.workers.contracts.contract import Arguments
from wasmfleet.workers.counting import counted
from wasmfleet.workers.errors import WasmfleetError
from wasmfleet.workers.secrecy.sealing import Seal


@dataclass(slots=True)
class Outcome:
    """What came of one item: a value or an error, and what the log records. Times are microseconds."""

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
    """One call: its arguments, their encoding for a guest (`request`), and its outcome, which may already be an error.

    `seal` is set where the arguments were sealed, so that the outcome must be sealed too.
    """

    arguments: Arguments
    request: bytes
    outcome: Outcome
    seal: Seal | None = None


def of_batch(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `operation` and the `calls` of a batch, which clients give by position or by name."""
    return dict(zip(("operation", "calls"), args, strict=False)) | dict(kwargs)


def shape_of_batch(operation: str, calls: Sequence[Any]) -> str:
    """Describe a batch's arguments for headers and Flower, where Celery would otherwise write them out in full."""
    return f"({operation}, {counted(len(calls), 'call', 'calls')})"
