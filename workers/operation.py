"""An operation: a pure function that is a Celery task, served by a sandbox or by its plain-Python body.

    @operation(parity="exact")
    def digest(data: bytes, *, algorithm: Algorithm = "sha256") -> str:
        '''What it does. ...'''
        ...the twin...

The signature is the wire contract, the body is the twin, the module and the file have the family's name.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Literal, ParamSpec, TypeVar

from celery import Task, current_task
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from wasmfleet.config import celery as queues
from wasmfleet.config.settings import MIB, Lane, settings
from wasmfleet.workers import backpressure, sealed_calls
from wasmfleet.workers.again import Again
from wasmfleet.workers.app import app, in_a_call
from wasmfleet.workers.contract import Arguments, Contract
from wasmfleet.workers.errors import BrokerUnavailable, InputTooLarge, InvalidArguments, WasmfleetError
from wasmfleet.workers.undecoded import Unreadable

if TYPE_CHECKING:
    from celery.result import AsyncResult

    from wasmfleet.workers.batch import Batch

P = ParamSpec("P")
R = TypeVar("R")
Parity = Literal["exact", "equivalent", "reduced"]
PREFIX: Final = "wasmfleet."
#: What Celery's `apply_async` takes after the arguments, by place (celery/app/task.py, 5.7).
_BY_PLACE: Final = ("task_id", "producer", "link", "link_error", "shadow")
QUEUES: Final[dict[Lane, str]] = {"any": queues.ANY, "wasm": queues.WASM, "python": queues.PYTHON}


class Operation(Task, Generic[P, R]):  # type: ignore[type-arg]
    """A Celery task with two lanes. Called, it runs here; `.delay()` and the like publish it."""

    abstract = True
    Request = "wasmfleet.workers.request:LoggedRequest"
    throws = (WasmfleetError,)
    max_retries = None
    typing = False  # the contract checks more than Celery's signature check

    contract: ClassVar[Contract]
    twin: ClassVar[Callable[..., Any] | None]
    parity: ClassVar[Parity | None]
    module: ClassVar[str]
    function: ClassVar[str]
    alias_of: ClassVar["Operation[..., Any] | None"] = None

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs in this process: in the sandbox where it is ready, else as plain Python."""
        from wasmfleet.workers import execute

        if self.request.called_directly:
            return execute.here(self, "any", args, kwargs)  # type: ignore[no-any-return]
        if args and isinstance(args[0], Unreadable):
            execute.refuse(self, self.request, args[0].error)
        return execute.message(self, self.request, args, kwargs)  # type: ignore[no-any-return]

    def wasm(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs in this process in the sandbox, or raises RuntimeUnavailable."""
        from wasmfleet.workers import execute

        return execute.here(self, "wasm", args, kwargs)  # type: ignore[no-any-return]

    def python(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs in this process as plain Python."""
        from wasmfleet.workers import execute

        return execute.here(self, "python", args, kwargs)  # type: ignore[no-any-return]

    def many(
        self, calls: Iterable[Mapping[str, Any]], *, lane: Lane | None = None, expires: float | None = None
    ) -> "Batch[R]":
        """Publishes any number of calls as few messages, each withdrawn when no worker took it within `expires`
        seconds. Iterate over the result; see Batch."""
        from wasmfleet.workers import batch

        return batch.publish(self, calls, lane=lane, expires=expires)

    def run(self, /, *args: Any, **kwargs: Any) -> Any:
        return self(*args, **kwargs)

    def map(self, it: Any) -> Any:
        """Refused: Celery's `map`, `starmap` and `chunks` would call the operation past its contract and its log."""
        raise InvalidArguments(f"{self.name}: Celery's map, starmap and chunks are not served; use `.many`")

    def starmap(self, it: Any) -> Any:
        """Refused, as `map` is."""
        return self.map(it)

    def chunks(self, it: Any, n: int) -> Any:
        """Refused, as `map` is."""
        return self.map(it)

    def apply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        *positional: Any,
        lane: Lane | None = None,
        **options: Any,
    ) -> "AsyncResult[R]":
        """Celery's own, with the arguments checked first and a `lane`. Raises InvalidArguments, InputTooLarge,
        BrokerUnavailable, FleetBusy.

        What follows a call (a link, the next of a chain) is checked where it arrives: there its failure has a row
        and a result, here it would be an error of the call before it."""
        options |= zip(_BY_PLACE, positional, strict=False)
        options.setdefault("argsrepr", _short(args or ()))
        options.setdefault("kwargsrepr", _short(kwargs or {}))
        if not in_a_call():
            check_size(self.name, len(self.contract.encode(self.contract.check(args or (), kwargs or {}))))
            options |= sealed_calls.following(options)
            args, kwargs = sealed_calls.sealed(self.name, args or (), kwargs or {})
        chosen = lane or settings().lane
        options.setdefault("queue", queues.of_call(QUEUES[chosen], options.get("priority"), settings()))
        given = options.get("headers") or {}
        options["headers"] = given | {"wasmfleet": stamp(chosen, options) | given.get("wasmfleet", {})}
        result: AsyncResult[R] = publish(super().apply_async, args, kwargs, **options)
        return result


def publish(send: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Sends a message. Raises BrokerUnavailable where the broker, or the store of results, does not answer, and
    FleetBusy where too much is queued."""
    return backpressure.patiently(lambda: _publish_once(send, *args, **options))


def _publish_once(send: Callable[..., Any], *args: Any, **options: Any) -> Any:
    try:
        backpressure.check_age(options["queue"])
        options.setdefault("retry_policy", queues.jittered(queues.CLIENT_PATIENCE))
        return send(*args, confirm_timeout=queues.BROKER_TIMEOUT_S, **options)
    except (OperationalError, RedisError) as error:
        raise _unsent(error) from error
    except RuntimeError as error:
        if error.__cause__ is None or not isinstance(error.__cause__, RedisError):
            raise
        raise _unsent(error.__cause__) from error


def _unsent(error: BaseException) -> Exception:
    """A call in a worker that could not send another one, or send itself on, goes back to its queue."""
    reason = f"the broker does not answer: {error}; nothing was queued"
    return Again(reason) if in_a_call() else BrokerUnavailable(reason)


def stamp(lane: Lane, options: dict[str, Any]) -> dict[str, Any]:
    """What a message says of itself. The caller's soft limit becomes ours: Celery's would strike inside a log write."""
    header: dict[str, Any] = {"lane": lane, "queued_at": time.time(), "reply": _reply()}
    limit_s = options.pop("soft_time_limit", None)
    if limit_s:
        header["limit_s"] = float(limit_s)
        options["time_limit"] = options.get("time_limit") or limit_s + 5  # handed over, it is there and None
    return header


def _reply() -> str:
    """What the reader of the result reads: ours MessagePack; of a chain or a chord, whatever its first call asked."""
    if not in_a_call():
        return "msgpack"
    header = getattr(current_task.request, "wasmfleet", None) or {}
    return str(header.get("reply", "json"))


def check_size(name: str, size_bytes: int) -> None:
    limit = settings().max_input * MIB
    if size_bytes > limit:
        raise InputTooLarge(
            f"{name}: the arguments are {size_bytes:,} bytes; WASMFLEET_MAX_INPUT allows {settings().max_input} MiB"
        )


def operation(*, parity: Parity) -> Callable[[Callable[P, R]], Operation[P, R]]:
    """Makes a function of `tasks/<family>.py` the operation `wasmfleet.<family>.<name>`."""

    def register(function: Callable[P, R]) -> Operation[P, R]:
        family = function.__module__.rpartition(".")[2]
        made: Operation[P, R] = _registered(
            family, function.__name__, function, parity=parity, twin=staticmethod(function)
        )
        return made

    return register


def alias(target: Operation[..., Any]) -> Callable[[Callable[P, R]], Operation[P, R]]:
    """Makes a function that only maps its arguments to another operation's an operation of its own name.

    Its body returns the target's arguments by name; it runs wherever the target runs.
    """

    def register(function: Callable[P, R]) -> Operation[P, Any]:
        family = function.__module__.rpartition(".")[2]
        made: Operation[P, Any] = _registered(
            family,
            function.__name__,
            function,
            parity=target.parity,
            twin=staticmethod(function),
            alias_of=target,
        )
        return made

    return register


def _registered(family: str, name: str, function: Callable[..., Any], **attributes: Any) -> Any:
    full_name = f"{PREFIX}{family}.{name}"
    body = {
        "name": full_name,
        "contract": Contract.of(f"{family}.{name}", function),
        "module": family,
        "function": name,
        "__doc__": function.__doc__,
        "__module__": function.__module__,
        "__wrapped__": staticmethod(function),
    }
    return app.register_task(type(name, (Operation,), body | attributes)())


def resolve(target: Operation[..., Any], arguments: Arguments) -> tuple[Operation[..., Any], Arguments]:
    """The operation that does the work, and its arguments: an alias stands for another."""
    while target.alias_of is not None and target.twin is not None:
        arguments = target.alias_of.contract.check((), target.twin(**arguments))
        target = target.alias_of
    return target, arguments


def _short(values: Sequence[Any] | Mapping[str, Any]) -> str:
    """What Flower shows: the shape of the arguments, never their content."""
    if isinstance(values, Mapping):
        return "{" + ", ".join(f"{name}: {_shape(value)}" for name, value in values.items()) + "}"
    return "(" + ", ".join(_shape(value) for value in values) + ")"


def _shape(value: Any) -> str:
    sized = isinstance(value, str | bytes | list | tuple | dict)
    return f"<{type(value).__name__} of {len(value)}>" if sized else f"<{type(value).__name__}>"
