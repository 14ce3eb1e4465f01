"""The quarantine's entry of a message: of a call that kills its process, or of what is no call."""

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
    """Make the entry of a call that killed its process again and again."""
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
    """Make the entry of a message that is no call; of one without an id, under an id made of its delivery tag."""
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
    """Return the typed error of a message of which the broker's script left only a stub, or None for any other.

    The script (workers/transport/fetch.lua) cuts off a message that is too large, and one that ends main processes.
    """
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
    """Make an id of a delivery tag.

    For malformed messages and stubs the broker's script makes the tag of a hash of the content, which is hashed again
    with this node's key: who knows the content must not recognise it.
    """
    kind = tag.partition("-")[0]
    if kind not in ("malformed", "stub"):
        return tag
    return f"{kind}-{digests.of(tag.encode()) or uuid.uuid4().hex}"


def module_sha256(task: Any) -> str | None:
    """Return the digest of the module that serves this task on this node, or None where none does."""
    operation: Operation | None = getattr(task, "operation", None)
    path = modules.files(settings()).get(operation.module) if operation else None
    try:
        return modules.read(operation.module, path).sha256 if operation and path else None
    except (WasmfleetError, modules.NotReady, OSError):
        return None


def _plain(headers: dict[str, Any]) -> dict[str, Any]:
    """Return the headers with which the message can be sent again; not its expiry, which would be over by then."""
    own = ("lang", "task", "id", "root_id", "parent_id", "timelimit", "wasmfleet", "retries", "compression")
    return {name: _storable(headers[name]) for name in own if name in headers}


def _storable(value: Any) -> Any:
    """Return a header's value, or its text where MessagePack cannot carry it."""
    try:
        msgspec.msgpack.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return storable(value)
    return value
