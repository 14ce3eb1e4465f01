"""How a message becomes an entry of the quarantine."""

import uuid
from typing import Any

import msgspec

from wasmfleet.config.celery import BATCH
from wasmfleet.config.settings import settings
from wasmfleet.workers.contracts.operation import Operation
from wasmfleet.workers.errors import InputTooLarge, Quarantined, WasmfleetError
from wasmfleet.workers.fleet_state import quarantine
from wasmfleet.workers.node import digests
from wasmfleet.workers.reception import envelope
from wasmfleet.workers.runtime import modules
from wasmfleet.workers.safe_text import storable
from wasmfleet.workers.secrecy import confidential
from wasmfleet.workers.untrusted import message_body


def killed(request: Any, reason: str) -> quarantine.Entry:
    """The entry of a call that goes on killing its process."""
    return quarantine.entry(
        request.id,
        "killed",
        reason,
        operation=request.task.name,
        queue=str(request.delivery_info.get("routing_key") or ""),
        worker=request.hostname or "",
        message=quarantine.Message(
            body=request.body.body,
            content_type=request.body.content_type,
            content_encoding=storable(request.message.content_encoding or ""),
            headers=_plain(request.request_dict),
        ),
        secret=_may_hold_secrets(request),
        module_sha256=module_sha256(request.task),
    )


def _may_hold_secrets(request: Any) -> bool:
    """Whether the call, what a batch calls, or what follows it is `crypto.*`."""
    name, found = request.task.name, request.body.outline()
    called = message_body.of_batch(found).operation if name == BATCH else ""
    return confidential.is_named(name, called) or confidential.is_mentioned(found.embed)


def refused(message: Any, name: str, worker: str, error: WasmfleetError) -> quarantine.Entry:
    """The entry of a message that is no call."""
    body = (
        message.body
        if isinstance(message.body, bytes)
        else str(message.body).encode("utf-8", "surrogatepass")
    )
    headers = message.headers if isinstance(message.headers, dict) else {}
    why = headers.get("wasmfleet_refused")
    return quarantine.entry(
        envelope.task_id(message) or _from_tag(str(message.delivery_tag)),
        "killed" if isinstance(error, Quarantined) else "refused",
        f"{error.code}: {error}",
        operation=name,
        queue=str((message.delivery_info or {}).get("routing_key", "")),
        worker=worker,
        message=quarantine.Message(
            body=body,
            content_type=storable(message.content_type or ""),
            content_encoding=storable(message.content_encoding or ""),
            headers=_plain(headers),
        ),
        secret=len(body) <= quarantine.KEPT_BYTES
        and (confidential.is_named(name) or confidential.is_in_message(message, body, quarantine.KEPT_BYTES)),
        whole=str(message.delivery_tag) if why == "deadly" else None,
    )


def stub_error(message: Any) -> WasmfleetError | None:
    """Why the broker's script left only a stub of a message (workers/transport/fetch.lua), if it did."""
    headers = message.headers or {}
    why, size = headers.get("wasmfleet_refused"), headers.get("wasmfleet_bytes")
    if why == "too large":
        return InputTooLarge(
            f"the message has {size} bytes; WASMFLEET_MAX_INPUT allows {settings().max_input} MiB"
        )
    if why in ("deadly", "deadly, not kept"):
        return Quarantined("it ended five workers, three of them with nothing else to do, and is set aside")
    return None


def _from_tag(tag: str) -> str:
    """An id for what has none. Some tags the broker's script makes from the hash of the content (fetch.lua)."""
    kind = tag.partition("-")[0]
    if kind not in ("malformed", "stub"):
        return tag
    return f"{kind}-{digests.of(tag.encode()) or uuid.uuid4().hex}"


def module_sha256(task: Any) -> str | None:
    """The digest of the module that serves this task here, if one does."""
    operation: Operation | None = getattr(task, "operation", None)
    path = modules.files(settings()).get(operation.module) if operation else None
    try:
        return modules.read(operation.module, path).sha256 if operation and path else None
    except (WasmfleetError, modules.NotReady, OSError):
        return None


def _plain(headers: dict[str, Any]) -> dict[str, Any]:
    """What of the headers the message has when it is sent again; by then it would have expired."""
    own = ("lang", "task", "id", "root_id", "parent_id", "timelimit", "wasmfleet", "retries", "compression")
    return {name: _storable(headers[name]) for name in own if name in headers}


def _storable(value: Any) -> Any:
    try:
        msgspec.msgpack.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return storable(value)
    return value
