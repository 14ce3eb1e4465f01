"""Sealed calls: what a client seals before it publishes, what a worker opens, and how the result is sealed.

A client with WASMFLEET_SEAL_KEY seals the arguments of `crypto.*`, also where such a call follows another one. A
worker seals every result of sealed arguments with the same key, whatever the operation. No header asks for that, so
no header can prevent it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from wasmfleet.config.settings import settings
from wasmfleet.workers.app import app, in_a_call
from wasmfleet.workers.errors import InternalError, InvalidArguments, WasmfleetError
from wasmfleet.workers.secrecy import confidential, sealing
from wasmfleet.workers.secrecy.sealing import Seal

Args = Sequence[Any]
Kwargs = Mapping[str, Any]
#: Celery's options that hold the calls that follow this one, and these may hold more of them (celery/canvas.py, 5.7).
FOLLOWING: Final = ("link", "link_error", "chain", "chord")
#: How the names of Celery's own tasks begin; a group and a chord in a canvas are such.
CANVAS: Final = "celery."
#: Levels of lists in which results are looked for: a chord has one for each group within a group.
_LEVELS: Final = 16
_NESTING: Final = frozenset((dict, list))


def sealed(operation: str, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs]:
    """Seal a call's arguments where its operation asks for that and this client has a seal key. Raises UnknownKey.

    Inside a call nothing is sealed: what follows it is as its client made it.

    The sealed box becomes the only keyword argument. A chain may later add the result of the previous call as a
    positional argument, which comes before those in the box.
    """
    key_id = settings().seal_key
    if not key_id or in_a_call() or not _is_secret(operation) or sealing.is_box(kwargs):
        return args, kwargs
    return (), sealing.sealed([list(args), dict(kwargs)], Seal(key_id, operation), "arguments")


def following(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those options of a call that hold the calls after it, with their arguments sealed. Raises UnknownKey.

    All of them become plain mappings and lists, sealed or not, in clients and in workers. Without that, msgpack 1.2
    writes a wrong length: for a group, whose `len` counts its calls (celery/canvas.py, 5.7), and for the list that it
    has in a chain (celery/utils/functional.py, `_regen`). No worker can read such a message.
    """
    return {name: _with_sealed(options[name]) for name in FOLLOWING if options.get(name)}


def _with_sealed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _sealed_signature(value)
    return [_with_sealed(element) for element in value] if isinstance(value, list | tuple) else value


def _sealed_signature(signature: Mapping[str, Any]) -> Mapping[str, Any]:
    name = signature.get("task")
    if not isinstance(name, str):
        return signature
    args, kwargs = signature.get("args") or (), signature.get("kwargs") or {}
    if name.startswith(CANVAS):  # a group's tasks, a chord's header and body
        kwargs = {key: _with_sealed(value) for key, value in kwargs.items()}
    else:
        args, kwargs = sealed(name, args, kwargs)
    options = dict(signature.get("options") or {})
    return {**signature, "args": args, "kwargs": kwargs, "options": options | following(options)}


def _is_secret(name: str) -> bool:
    """Tell whether an operation, or the one that it is an alias of, is one of `crypto.*`."""
    operation: Any = getattr(app.tasks.get(name), "operation", None)
    names = [name, operation.target.name] if operation else [name]
    return confidential.is_named(*names)


def opened(operation: str, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs, Seal | None]:
    """Open whatever is sealed in a call's arguments, and return them with the seal for the result (None for no seal).

    Raises UnknownKey, AuthenticationFailed, InvalidArguments.
    """
    keys: list[str] = []
    if sealing.MARK in kwargs:
        args, kwargs = _opened_box(operation, args, kwargs, keys)
    args = [_opened_value(value, keys) for value in args]
    kwargs = {name: _opened_value(value, keys) for name, value in kwargs.items()}
    return args, kwargs, Seal(keys[0], operation) if keys else None


def _opened_box(operation: str, args: Args, kwargs: Kwargs, keys: list[str]) -> tuple[Args, Kwargs]:
    if len(kwargs) > 1:
        raise InvalidArguments(f"{operation}: there are keyword arguments beside the sealed ones")
    content, seal = sealing.opened(kwargs, "arguments", operation)
    match content:
        case [list() as by_place, dict() as by_name] if all(isinstance(name, str) for name in by_name):
            keys.append(seal.key_id)
            return [*args, *by_place], by_name
    raise InvalidArguments(f"{operation}: the sealed box does not hold arguments")


def _opened_value(value: Any, keys: list[str], levels: int = _LEVELS) -> Any:
    """Open an argument that is the sealed result of an earlier call, or a list of such results, as a chord makes."""
    if type(value) is list and levels and not _NESTING.isdisjoint(map(type, value)):
        return [_opened_value(element, keys, levels - 1) for element in value]
    if not sealing.is_box(value):
        return value
    content, seal = sealing.opened(value, "result")
    keys.append(seal.key_id)
    return content


def told(error: WasmfleetError, seal: Seal | None) -> WasmfleetError:
    """Return the error to report for a call. Errors are not sealed, so their messages must not quote sealed arguments.

    The operations of `crypto.*` never quote theirs. Of any other error of a sealed call, only its code and its place
    are reported.
    """
    if seal is None or (confidential.is_named(seal.operation) and not isinstance(error, InternalError)):
        return error
    return type(error)(
        f"{seal.operation}: the details are withheld, because the arguments were sealed", error.place
    )


def result(value: Any, operation: str | None = None) -> Any:
    """Return a result as its reader sees it: opened where it is a box.

    Raises UnknownKey, AuthenticationFailed, InvalidArguments.
    """
    return sealing.opened(value, "result", operation)[0] if sealing.is_box(value) else value
