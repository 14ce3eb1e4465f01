"""One call on its way through a worker, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from wasmfleet.workers.contracts.contract import Arguments
from wasmfleet.workers.errors import WasmfleetError
from wasmfleet.workers.secrecy.sealing import Seal


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
    """One call on its way: its arguments and their encoding, or already an outcome; `seal` where they were sealed."""

    arguments: Arguments
    request: bytes
    outcome: Outcome
    seal: Seal | None = None


def of_batch(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The `operation` and the `calls` of a batch, which clients give by place or by name."""
    return dict(zip(("operation", "calls"), args, strict=False)) | dict(kwargs)


def shape_of_batch(operation: str, calls: Sequence[Any]) -> str:
    """What headers and Flower show of a batch's arguments; without it, Celery writes them out."""
    return f"({operation}, {len(calls)} calls)"
