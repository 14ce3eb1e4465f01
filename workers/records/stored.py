"""Stored results and errors, checked before they are used: whoever reaches the store may have written them."""

import builtins
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from billiard import exceptions as billiard
from celery import exceptions as celery
from celery import states
from celery.result import result_from_tuple
from kombu import exceptions as kombu
from redis.exceptions import ResponseError

from wasmfleet.workers import errors
from wasmfleet.workers.errors import UnreadableResult, WasmfleetError
from wasmfleet.workers.safe_text import storable

_SHOWN_CHARACTERS: Final = 200

#: The classes of errors that are made of stored ones. Left out is what a reader would take for its own trouble or for
#: an order: exceptions that end a process or an iteration, time-outs, and those by which a task tells Celery to retry.
_MADE: Final[dict[str, tuple[Any, str]]] = {
    "builtins": (
        builtins,
        "Exception ArithmeticError AssertionError AttributeError BufferError EOFError FloatingPointError IndexError "
        "KeyError LookupError NameError NotImplementedError OverflowError RecursionError ReferenceError RuntimeError "
        "TypeError UnicodeError UnicodeDecodeError UnicodeEncodeError ValueError ZeroDivisionError",
    ),
    "celery.exceptions": (
        celery,
        "ChordError InvalidTaskError MaxRetriesExceededError NotRegistered TaskError TaskRevokedError "
        "TimeLimitExceeded WorkerLostError",
    ),
    "billiard.exceptions": (billiard, "TimeLimitExceeded WorkerLostError"),
    "kombu.exceptions": (
        kombu,
        "ContentDisallowed DecodeError EncodeError KombuError SerializationError SerializerNotInstalled",
    ),
}
_CLASSES: Final[dict[tuple[str, str], type[Exception]]] = {
    (module, name): getattr(found, name) for module, (found, names) in _MADE.items() for name in names.split()
} | {(errors.__name__, code): error for code, error in errors.BY_CODE.items()}

_Status = Annotated[str, msgspec.Meta(max_length=20)]


class _Meta(msgspec.Struct):
    """The mapping that Celery stores as a task's result, with what is read of it (5.7, backends/base.py, result.py)."""

    status: _Status
    result: Any
    task_id: str = ""
    traceback: str | None = None
    children: list[Any] | None = None
    date_done: str | None = None
    parent_id: str | None = None
    group_id: str | None = None


class _Error(msgspec.Struct):
    """The mapping that Celery stores as an error."""

    exc_type: str
    exc_module: str
    exc_message: list[Any] | str = ""
    code: str | None = None
    message: str | None = None
    details: dict[str, Any] | None = None


def checked(meta: Any, app: Any) -> dict[str, Any]:
    """Return a stored mapping that Celery can read without surprise. Raises UnreadableResult for any other."""
    try:
        found = msgspec.convert(meta, _Meta)
        if not _are_ids(found.children or []):
            raise ValueError("a child has no id")
        for child in found.children or []:
            result_from_tuple(child, app)
    except Exception as error:  # noqa: BLE001 - Celery raises what it likes for a strange child
        raise UnreadableResult(f"what is stored as the call's result is no result: {_told(error)}") from None
    if found.status not in states.ALL_STATES:
        raise UnreadableResult(f"what is stored as the call's result has the unknown status {found.status!r}")
    return dict(meta)


def _are_ids(children: list[Any]) -> bool:
    """Whether these nested lists hold nothing but ids.

    Of any other value Celery makes a result object that fails when it is freed, where nobody can catch that.
    """
    level: list[Any] = [children]
    while level:
        inner = [value for outer in level for value in outer]
        level = [value for value in inner if isinstance(value, list | tuple)]
        if not all(
            isinstance(value, list | tuple | None) or (value and isinstance(value, str)) for value in inner
        ):
            return False
    return True


def error_of(told: Any) -> Exception:
    """Make the error that is stored; an UnreadableResult of what is no error, or of a class not listed here."""
    try:
        found = msgspec.convert(told, _Error)
    except (ValueError, RecursionError) as error:
        return UnreadableResult(
            f"the call failed, and what is stored as its error is no error: {_told(error)}"
        )
    if found.code in errors.BY_CODE and found.message is not None:
        return errors.from_code(found.code, found.message, found.details)
    kind = _CLASSES.get((found.exc_module, found.exc_type))
    said = found.exc_message if isinstance(found.exc_message, list) else [found.exc_message]
    if kind is None:
        return _unknown(found, said)
    try:
        return _own(kind, *said) if issubclass(kind, WasmfleetError) else kind(*said)
    except Exception:  # noqa: BLE001 - constructors raise what they like for strange arguments
        return _unknown(found, said)


def written(error: WasmfleetError) -> dict[str, Any]:
    """Return an error of the fleet as it is stored for clients of any kind; `error_of` makes the same error of it.

    A Celery client without this package cannot have the error's class: Celery (5.7, backends/base.py) would make one up
    that cannot be pickled, and show its arguments as a tuple. It finds Celery's own TaskError here, with one text. What
    Celery does not read (`code`, `message`, `details`) is for clients that read the result by themselves.
    """
    return {
        "exc_type": celery.TaskError.__qualname__,
        "exc_module": celery.TaskError.__module__,
        "exc_message": [f"{error.code}: {error}"],
        "code": error.code,
        "message": error.message,
        "details": error.details,
    }


def no_text(answer: Any) -> UnreadableResult | None:
    """Return the error of a result where the store answers that its key holds another type than text, else None."""
    if isinstance(answer, ResponseError) and str(answer).startswith("WRONGTYPE"):
        return UnreadableResult("what is stored as the call's result is no result: it is no text")
    return None


def item(index: int, answer: Any) -> tuple[Any, WasmfleetError | None]:
    """Return the value or the error of a batch's item; UnreadableResult, with its index, where it has neither."""
    match answer:
        case [0, value]:
            return value, None
        case [1, str(code), str(message), None | dict() as details]:
            if code in errors.BY_CODE and all(isinstance(name, str) for name in details or ()):
                return None, errors.from_code(code, message, details)
    return None, UnreadableResult(f"item {index} has no readable result")


def of_failed_batch(error: BaseException) -> WasmfleetError:
    """Return the error of each item of a batch that failed as a whole."""
    if isinstance(error, WasmfleetError):
        return error
    if isinstance(error, celery.TaskRevokedError):
        return errors.Cancelled("the batch was cancelled before this item ran")
    if isinstance(error, billiard.WorkerLostError):
        return errors.SandboxTrap("the batch's process died; the items were not finished")
    return UnreadableResult(f"the batch failed: {type(error).__name__}: {_told(error)}")


def _own(kind: type[WasmfleetError], message: Any, details: Any = None) -> WasmfleetError:
    if not isinstance(message, str) or not isinstance(details, Mapping | None):
        raise TypeError
    return kind(message, details)


def _unknown(found: _Error, said: list[Any]) -> UnreadableResult:
    name = f"{_told(found.exc_module)}.{_told(found.exc_type)}"
    return UnreadableResult(
        f"the call failed with {name}, a class that is not made of stored results: {_told(said)}"
    )


def _told(value: Any) -> str:
    return storable(value, _SHOWN_CHARACTERS)
