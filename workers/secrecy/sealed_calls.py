"""Which calls travel sealed: what a client seals of them, what a worker opens, and how it answers.

A client with WASMFLEET_SEAL_KEY seals the arguments of `crypto.*`, also where such a call follows another one. Whatever
a worker makes of something sealed it seals with the same key, whichever operation made it: no header asks for that, so
none can prevent it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from wasmfleet.config.settings import settings
from wasmfleet.workers.app import app
from wasmfleet.workers.errors import InternalError, InvalidArguments, WasmfleetError
from wasmfleet.workers.secrecy import confidential, sealing
from wasmfleet.workers.secrecy.sealing import Seal

Args = Sequence[Any]
Kwargs = Mapping[str, Any]
#: Celery's options that hold calls which follow; in them, in a group and in a chord lie others (celery/canvas.py, 5.7).
_FOLLOWING: Final = ("link", "link_error", "chain", "chord")
_CANVAS: Final = "celery."
#: Levels of lists in which results are looked for: a chord has one for each group within a group.
_LEVELS: Final = 16
_NESTING: Final = frozenset((dict, list))


def sealed(operation: str, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs]:
    """What a client sends as a call's arguments: a box, where they are to be sealed. Raises UnknownKey.

    A box is the only argument by name. Arguments by place may stand before those in it: what a chain hands on.
    """
    key_id = settings().seal_key
    if not key_id or not _is_secret(operation) or sealing.is_box(kwargs):
        return args, kwargs
    return (), sealing.sealed([list(args), dict(kwargs)], Seal(key_id, operation), "arguments")


def following(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a call that hold what follows it, with its arguments sealed as well. Raises UnknownKey.

    Sealed or not, they become plain mappings and lists: of the list that a group has in a chain (celery/utils/
    functional.py, `_regen`, 5.7) msgpack 1.2 writes the length wrong, and no worker can read the message.
    """
    return {name: _each(options[name]) for name in _FOLLOWING if options.get(name)}


def _each(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _signature(value)
    return [_each(element) for element in value] if isinstance(value, list | tuple) else value


def _signature(signature: Mapping[str, Any]) -> Mapping[str, Any]:
    name = signature.get("task")
    if not isinstance(name, str):
        return signature
    args, kwargs = signature.get("args") or (), signature.get("kwargs") or {}
    if name.startswith(_CANVAS):  # a group's tasks, a chord's header and body
        kwargs = {key: _each(value) for key, value in kwargs.items()}
    else:
        args, kwargs = sealed(name, args, kwargs)
    options = dict(signature.get("options") or {})
    return {**signature, "args": args, "kwargs": kwargs, "options": options | following(options)}


def _is_secret(name: str) -> bool:
    """Whether an operation, or the one that it is an alias of, is one of `crypto.*`."""
    operation: Any = getattr(app.tasks.get(name), "operation", None)
    names = [name, operation.target.name] if operation else [name]
    return confidential.is_named(*names)


def opened(operation: str, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs, Seal | None]:
    """A call's arguments as they were given, whatever of them is sealed; and how to seal what comes of them.

    Raises UnknownKey, AuthenticationFailed, InvalidArguments.
    """
    keys: list[str] = []
    if sealing.MARK in kwargs:
        args, kwargs = _with_opened(operation, args, kwargs, keys)
    args = [_value(value, keys) for value in args]
    kwargs = {name: _value(value, keys) for name, value in kwargs.items()}
    return args, kwargs, Seal(keys[0], operation) if keys else None


def _with_opened(operation: str, args: Args, kwargs: Kwargs, keys: list[str]) -> tuple[Args, Kwargs]:
    if len(kwargs) > 1:
        raise InvalidArguments(f"{operation}: there are arguments by name beside the sealed ones")
    content, seal = sealing.opened(kwargs, "arguments", operation)
    match content:
        case [list() as by_place, dict() as by_name] if all(isinstance(name, str) for name in by_name):
            keys.append(seal.key_id)
            return [*args, *by_place], by_name
    raise InvalidArguments(f"{operation}: what is sealed are no arguments")


def _value(value: Any, keys: list[str], levels: int = _LEVELS) -> Any:
    """An argument; where it is the result of a sealed call, or lists of results such as a chord hands on, opened."""
    if type(value) is list and levels and not _NESTING.isdisjoint(map(type, value)):
        return [_value(element, keys, levels - 1) for element in value]
    if not sealing.is_box(value):
        return value
    content, seal = sealing.opened(value, "result")
    keys.append(seal.key_id)
    return content


def told(error: WasmfleetError, seal: Seal | None) -> WasmfleetError:
    """The error that a call ends with. Errors are not sealed: of one that may quote what was sealed, its code and its
    place are told, which the operations of `crypto.*` never do."""
    if seal is None or (confidential.is_named(seal.operation) and not isinstance(error, InternalError)):
        return error
    return type(error)(f"{seal.operation}: its arguments were sealed, so that no more is told", error.place)


def result(value: Any, operation: str | None = None) -> Any:
    """A result as its reader sees it: opened where it is a box. Raises UnknownKey, AuthenticationFailed,
    InvalidArguments."""
    return sealing.opened(value, "result", operation)[0] if sealing.is_box(value) else value
