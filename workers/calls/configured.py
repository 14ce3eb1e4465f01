"""An operation with options for its calls: `op.options(lane="wasm", expires=30)`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar

from wasmfleet.workers.calls.aio import Aio
from wasmfleet.workers.calls.batch import Batch
from wasmfleet.workers.calls.options import Options
from wasmfleet.workers.calls.result import Result
from wasmfleet.workers.calls.signature import OperationSignature
from wasmfleet.workers.errors import InvalidArguments

P = ParamSpec("P")
R = TypeVar("R")
_OF_BATCHES = frozenset(["lane", "expires"])


@dataclass(frozen=True, slots=True)
class Configured(Generic[P, R]):
    """An operation whose calls are published with these options; its arguments stay typed.

    `task` is the operation's.
    """

    task: Any
    chosen: Options

    def delay(self, /, *args: P.args, **kwargs: P.kwargs) -> Result[R]:
        """Publish a call; see `op.delay`."""
        result: Result[R] = self.task.apply_async(args, kwargs, **self.chosen)
        return result

    @property
    def aio(self) -> Aio[P, R]:
        """The operation as coroutines; see `op.aio`."""
        return Aio(self.task, self.chosen)

    def many(self, calls: Iterable[Mapping[str, Any]]) -> Batch[R]:
        """Publish many calls; see `op.many`. Of the options a batch has `lane` and `expires` only."""
        if others := self.chosen.keys() - _OF_BATCHES:
            raise InvalidArguments(f"{self.task.name}: a batch has no option {min(others)!r}")
        batch: Batch[R] = self.task.many(calls, **self.chosen)
        return batch

    def s(self, *args: Any, **kwargs: Any) -> OperationSignature[R]:
        """Make a signature; see `op.s`."""
        made: OperationSignature[R] = self.task.s(*args, **kwargs).set(**self.chosen)
        return made

    def si(self, *args: Any, **kwargs: Any) -> OperationSignature[R]:
        """Make a signature that takes nothing of the call before it; see `op.si`."""
        made: OperationSignature[R] = self.task.si(*args, **kwargs).set(**self.chosen)
        return made
