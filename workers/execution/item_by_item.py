"""Item by item: how a batch runs that killed its process twice, so that only the item that kills is set aside."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from wasmfleet.workers.contracts.operation import Operation
from wasmfleet.workers.errors import Quarantined, from_code
from wasmfleet.workers.execution import call
from wasmfleet.workers.execution.call import Item, Outcome
from wasmfleet.workers.fleet_state import poison, quarantine
from wasmfleet.workers.secrecy import confidential
from wasmfleet.workers.untrusted import redis_reads


def evaluate(operation: Operation, request: Any, items: Sequence[Item], run: Callable[[Item], None]) -> None:
    """Run each item that has no outcome yet, and store its beginning and its outcome in the state store.

    An outcome that an earlier execution stored is used again. An item that killed its process three times is set
    aside. Raises redis.RedisError.
    """
    died = poison.deaths(request.id, range(len(items)))
    for index, item in enumerate(items):
        if item.outcome.error is not None:
            continue
        if (ended := _ended(request.id, index)) is not None:
            item.outcome = ended
        elif died[index] >= poison.MOST_DEATHS:
            item.outcome.error = _set_aside(operation, request, index, item)
        else:
            poison.begin(request.id, index)
            run(item)
            poison.end(request.id, index, _packed(item.outcome))


def _set_aside(operation: Operation, request: Any, index: int, item: Item) -> Quarantined:
    reason = f"it killed its process {poison.MOST_DEATHS} times"
    quarantine.keep(
        quarantine.entry(
            f"{request.id}.{index}",
            "killed",
            reason,
            operation=operation.name,
            queue=str(request.delivery_info.get("routing_key") or ""),
            worker=request.hostname,
            message=_message(operation, request, item),
            secret=item.seal is not None
            or confidential.is_named(
                operation.name, str(call.of_batch(request.args, request.kwargs)["operation"])
            ),
            input_digest=item.outcome.input_digest,
            module_sha256=item.outcome.module_sha256,
        )
    )
    return Quarantined(f"{reason} and is set aside; `wasmfleet quarantine show {request.id}.{index}`")


def _message(operation: Operation, request: Any, item: Item) -> quarantine.Message:
    """Make a message that calls the operation with this item alone."""
    return quarantine.Message(
        body=msgspec.msgpack.encode([[], item.arguments, {}]),
        content_type="application/x-msgpack",
        content_encoding="binary",
        headers={
            "lang": "py",
            "task": operation.name,
            "wasmfleet": getattr(request, "wasmfleet", None) or {},
        },
    )


def _packed(outcome: Outcome) -> bytes:
    error = outcome.error and (outcome.error.code, outcome.error.message, outcome.error.details)
    fields = {name: getattr(outcome, name) for name in Outcome.__slots__}
    return msgspec.msgpack.encode(fields | {"error": error})


def _ended(task_id: str, index: int) -> Outcome | None:
    """Read the outcome of an earlier execution; None where there is none or it is unreadable, so that the item runs."""
    packed = poison.outcome(task_id, index)
    try:
        return None if packed is None else _unpacked(packed)
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        redis_reads.skip("the stored outcome of", f"{task_id}, item {index}", error)
        return None


def _unpacked(packed: bytes) -> Outcome:
    fields = msgspec.msgpack.decode(packed)
    error = fields.pop("error")
    return msgspec.convert(fields | {"error": error and from_code(*error)}, Outcome)
