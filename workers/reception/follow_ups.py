"""The calls that follow a call (links, errbacks, chains, chords), checked before Celery builds anything of them.

Celery trusts their shape. What is checked here is what `celery/canvas.py` (5.7) reads of a signature's mapping.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec

from wasmfleet.workers.reception.wire_types import Count, Id, Limit, Name

_Never = Annotated[str, msgspec.Meta(pattern=r"(?!)")] | msgspec.UnsetType


class _Options(msgspec.Struct):
    """The options with which a call is sent.

    Those marked `_Never` Celery passes to `apply_async` by itself, so a second value would be a TypeError.
    """

    args: _Never = msgspec.UNSET
    kwargs: _Never = msgspec.UNSET
    producer: _Never = msgspec.UNSET
    publisher: _Never = msgspec.UNSET
    connection: _Never = msgspec.UNSET
    router: _Never = msgspec.UNSET
    app: _Never = msgspec.UNSET
    task_id: Id | None = None
    root_id: Id | None = None
    parent_id: Id | None = None
    group_id: Id | None = None
    reply_to: Id | None = None
    queue: Name | None = None
    routing_key: Name | None = None
    exchange: Name | None = None
    serializer: Literal["json", "msgpack"] | None = None
    priority: Count | None = None
    countdown: Limit | None = None
    time_limit: Limit | None = None
    soft_time_limit: Limit | None = None
    headers: dict[str, Any] | None = None
    link: "list[Signature] | None" = None
    link_error: "list[Signature] | None" = None
    chord: "Signature | None" = None


class Signature(msgspec.Struct):
    """A call, or a chain, a group or a chord of calls."""

    task: Name
    args: list[Any]
    kwargs: dict[str, Any]
    options: _Options
    subtask_type: Literal["chain", "group", "chord"] | None = None
    immutable: bool | None = None
    chord_size: Count | None = None


class _Tasks(msgspec.Struct):
    tasks: list[Signature]


class _Chord(msgspec.Struct):
    header: list[Signature] | Signature
    body: Signature | None = None


_PARTS: Final[dict[str, Any]] = {"chain": _Tasks, "group": _Tasks, "chord": _Chord}


def check(signatures: Sequence[Signature]) -> None:
    """Check calls and all calls within them. Raises ValueError where one has not the shape that Celery expects."""
    level: list[Signature] = list(signatures)
    while level:
        level = [inner for outer in level for inner in _inner(outer)]


def _inner(signature: Signature) -> Iterable[Signature]:
    """Yield the calls that a call holds. Raises ValueError."""
    options = signature.options
    yield from options.link or ()
    yield from options.link_error or ()
    if options.chord:
        yield options.chord
    if signature.task.startswith("celery.") and not signature.subtask_type:
        raise ValueError(f"{signature.task} is not served, neither alone nor after a call")
    if signature.subtask_type:
        yield from _parts(msgspec.convert(signature.kwargs, _PARTS[signature.subtask_type]))


def _parts(found: Any) -> Iterable[Signature]:
    if isinstance(found, _Tasks):
        yield from found.tasks
        return
    yield from found.header if isinstance(found.header, list) else [found.header]
    if found.body:
        yield found.body
