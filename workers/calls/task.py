"""The Celery task of an operation: called in this process, published one by one, or published many at once."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, Generic, ParamSpec, TypeVar, Unpack, cast

from wasmfleet.config.celery import SERIALIZER
from wasmfleet.config.settings import Lane
from wasmfleet.workers import extras
from wasmfleet.workers.app import REQUEST, in_a_call
from wasmfleet.workers.calls import batch
from wasmfleet.workers.calls import options as call_options
from wasmfleet.workers.calls.aio import Aio
from wasmfleet.workers.calls.batch import Batch
from wasmfleet.workers.calls.configured import Configured
from wasmfleet.workers.calls.options import HEADER, Options
from wasmfleet.workers.calls.publishing import lane_of_eager, publish, stamp
from wasmfleet.workers.calls.result import AwaitedTask, Result
from wasmfleet.workers.calls.signature import OperationSignature
from wasmfleet.workers.contracts.operation import Operation, check_size
from wasmfleet.workers.errors import InvalidArguments, RuntimeUnavailable, WasmfleetError
from wasmfleet.workers.secrecy import sealed_calls
from wasmfleet.workers.untrusted.undecoded import Unreadable

P = ParamSpec("P")
R = TypeVar("R")
#: What Celery's `apply_async` takes after the arguments, by place (celery/app/task.py, 5.7).
_BY_PLACE: Final = ("task_id", "producer", "link", "link_error", "shadow")
#: What Celery's `apply` takes and `apply_async` does not.
_OF_APPLY: Final = frozenset(["throw", "logfile", "loglevel"])


class OperationTask(AwaitedTask, Generic[P, R]):
    """An operation as a Celery task with two lanes.

    `operation(...)`, `.wasm(...)` and `.python(...)` run in this process, which needs the packages of a fleet
    (its extra `fleet`); `.delay`, `.apply_async`, `.many`, `.aio` and Celery's canvas publish. The arguments are those
    of the operation's signature. Whatever goes wrong is a WasmfleetError.
    """

    abstract = True
    Request = REQUEST
    throws = (WasmfleetError,)
    max_retries = None
    serializer = SERIALIZER
    typing = False  # the contract checks more than Celery's signature check

    operation: ClassVar[Operation]

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run in this process: in the sandbox where it is ready, else as plain Python.

        Raises the operation's error, and RuntimeUnavailable where the packages of a fleet are not installed. A worker's
        child calls this too, with the request of a message.
        """
        request = self.request
        # A twin that calls its own operation finds the request of the message that is under way.
        if request.called_directly or request.is_eager or request is _under_way.request:
            return _here(self.operation, lane_of_eager(request), args, kwargs)  # type: ignore[no-any-return]
        from wasmfleet.workers.execution import execute

        if args and isinstance(args[0], Unreadable):
            execute.refuse(self.name, request, args[0].error)
        _under_way.request = request
        try:
            return execute.message(self, request, args, kwargs)  # type: ignore[no-any-return]
        finally:
            _under_way.request = None

    def wasm(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run in this process in the sandbox.

        Raises the operation's error, and RuntimeUnavailable where no sandbox can be had.
        """
        return _here(self.operation, "wasm", args, kwargs)  # type: ignore[no-any-return]

    def python(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run in this process as plain Python, outside any sandbox.

        Raises the operation's error, and RuntimeUnavailable where it has no twin or the packages of a fleet are not
        installed.
        """
        return _here(self.operation, "python", args, kwargs)  # type: ignore[no-any-return]

    def delay(self, /, *args: P.args, **kwargs: P.kwargs) -> Result[R]:
        """Publish a call, and give its handle, whose `.get()` waits for the value. Raises what `apply_async` raises."""
        return self.apply_async(args, kwargs)

    @property
    def aio(self) -> Aio[P, R]:
        """The operation for programs with an event loop: `await op.aio(...)` publishes a call and gives its value."""
        return Aio(self, {})

    def options(self, **options: Unpack[Options]) -> Configured[P, R]:
        """Give the operation with options for its calls: `op.options(lane="wasm", expires=30).delay(...)`.

        Raises InvalidArguments for an option that there is not, or that cannot have this value.
        """
        call_options.check(self.name, options)
        return Configured(self, options)

    def item(self, /, *args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        """Give the arguments of a call by name, as `many` takes them; type checkers know their types here.

        Raises InvalidArguments where one is given twice, or too many are. `many` checks their types.
        """
        return self.operation.contract.named(args, kwargs)

    def many(
        self, calls: Iterable[Mapping[str, Any]], *, lane: Lane | None = None, expires: float | None = None
    ) -> Batch[R]:
        """Publish any number of calls as few messages. Iterate over the result; see Batch.

        `calls` are the arguments by name, a mapping a call, such as `item` gives; `lane` says who may serve them, by
        default WASMFLEET_LANE; a message that no worker takes within `expires` seconds is withdrawn. Raises what
        `apply_async` raises; what was published by then is withdrawn.
        """
        return batch.publish(self.operation, calls, lane=lane, expires=expires)

    def signature(self, args: Any = None, *by_place: Any, **options: Any) -> OperationSignature[R]:
        """Make a signature, as Celery does, with the queue of the call's lane; see OperationSignature."""
        options.setdefault("app", self.app)
        made: OperationSignature[R] = OperationSignature(self, args, *by_place, **options)
        if in_a_call():  # a message that is sent on keeps what it has
            return made
        return made.set(**made.options)

    def s(self, *args: Any, **kwargs: Any) -> OperationSignature[R]:
        """Make a signature of a call with these arguments; a call before it in a chain gives the first one."""
        return self.signature(args, kwargs)

    def si(self, *args: Any, **kwargs: Any) -> OperationSignature[R]:
        """Make a signature of a call that takes nothing of the call before it."""
        return self.signature(args, kwargs, immutable=True)

    def AsyncResult(self, task_id: str, **options: Any) -> Result[R]:  # noqa: N802 - Celery's name
        """Give the handle of a call by its id, as another process may have it."""
        return super().AsyncResult(task_id, **options)

    def run(self, /, *args: Any, **kwargs: Any) -> Any:
        return self(*args, **kwargs)

    def map(self, it: Any) -> Any:
        """Raise InvalidArguments: Celery's `map`, `starmap` and `chunks` would go past the contract and the log."""
        raise InvalidArguments(f"{self.name}: Celery's map, starmap and chunks are not served; use `.many`")

    def starmap(self, it: Any) -> Any:
        """Raise InvalidArguments, as `map` does."""
        return self.map(it)

    def chunks(self, it: Any, n: int) -> Any:
        """Raise InvalidArguments, as `map` does."""
        return self.map(it)

    def apply(self, args: Any = None, kwargs: Any = None, *positional: Any, **options: Any) -> Any:
        """Run the call at once in this process, as Celery does; options are checked, and `lane` counts."""
        call_options.check(self.name, {name: options[name] for name in options.keys() - _OF_APPLY})
        if self.name not in self.app.tasks:
            raise RuntimeUnavailable(f"{self.name} cannot run in this process: its module is not here")
        return super().apply(args, kwargs, *positional, **call_options.routed(options))

    def apply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        *positional: Any,
        **options: Any,
    ) -> Result[R]:
        """Publish a call as Celery does (`Task.apply_async`, 5.7), after its arguments and options were checked.

        Celery's options are there, and `lane`, which says who may serve the call, by default WASMFLEET_LANE: `any`,
        `wasm` (a sandbox or nothing) or `python`. Times are in seconds, and those that limit a call can only shorten
        the worker's limit.

        Raises InvalidArguments (also for an option that there is not) and InputTooLarge, with nothing sent; UnknownKey
        where the call is to be sealed and its key is not there; BrokerUnavailable and FleetBusy.

        What follows a call (a link, the next of a chain) is checked where it arrives: there its failure has a row
        and a result, here it would be an error of the call before it.
        """
        options = _by_name(self.name, positional, options)
        args, kwargs = args or (), kwargs or {}
        if not in_a_call():
            call_options.check(self.name, options)
            call_options.check_following(options)
        if self.app.conf.task_always_eager:  # Celery runs the call at once, which checks its arguments
            routed = call_options.routed(options)
            return cast(Result[R], super().apply_async(tuple(args), dict(kwargs), **routed))
        if not in_a_call():
            args, kwargs = _sendable(self.operation, args, kwargs)
        options |= sealed_calls.following(options)
        options.setdefault("argsrepr", _short(args))
        options.setdefault("kwargsrepr", _short(kwargs))
        args, kwargs = sealed_calls.sealed(self.name, args, kwargs)
        options = call_options.routed(options)
        header = options["headers"][HEADER]
        options["headers"][HEADER] = stamp(header["lane"], options) | header
        result: Result[R] = publish(super().apply_async, args, kwargs, **options)
        return result


def _by_name(name: str, positional: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Give the options by name that were given by place. Raises InvalidArguments where there are too many."""
    if len(positional) > len(_BY_PLACE):
        raise InvalidArguments(
            f"{name}: apply_async takes the arguments and {len(_BY_PLACE)} options by place"
        )
    return dict(zip(_BY_PLACE, positional, strict=False)) | dict(options)


def _sendable(
    operation: Operation, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Check arguments, and return them as plain values, by place and by name as they were given."""
    if not isinstance(args, list | tuple) or not isinstance(kwargs, Mapping):
        raise InvalidArguments(f"{operation.name}: give `args` as a list or tuple, and `kwargs` as a mapping")
    by_place, by_name, checked = operation.contract.sendable(args, kwargs)
    check_size(operation.name, len(operation.contract.encode(checked)))
    return by_place, by_name


class _UnderWay(threading.local):
    """The request of the message that this thread answers."""

    request: Any = None


_under_way: Final = _UnderWay()


def _here(operation: Operation, lane: Lane, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Run a call in this process. What runs calls is imported here, for a client's install has not got its packages."""
    with extras.needed("fleet", f"{operation.name} in this process"):
        from wasmfleet.workers.execution import execute
    return execute.here(operation, lane, args, kwargs)


def _short(values: Sequence[Any] | Mapping[str, Any]) -> str:
    """Describe arguments by their types and sizes, for Flower: it must never show their content."""
    if isinstance(values, Mapping):
        return "{" + ", ".join(f"{name}: {_shape(value)}" for name, value in values.items()) + "}"
    return "(" + ", ".join(_shape(value) for value in values) + ")"


def _shape(value: Any) -> str:
    sized = isinstance(value, str | bytes | list | tuple | dict)
    return f"<{type(value).__name__} of {len(value)}>" if sized else f"<{type(value).__name__}>"
