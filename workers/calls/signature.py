"""The signature of an operation (`op.s(...)`): Celery's, with the queue of its lane, so that any app can send it."""

from typing import Any, Generic, Self, TypeVar

from celery.canvas import Signature

from wasmfleet.workers.calls import options as call_options
from wasmfleet.workers.calls.result import Result

R = TypeVar("R")


class OperationSignature(Signature[Any], Generic[R]):
    """A call that is not published yet, to be part of a chain, group or chord, or published by itself.

    It carries its queue and its lane. In a canvas of another Celery app it may be sent by that app, which knows neither
    the operation nor its queue.
    """

    def set(self, immutable: bool | None = None, **options: Any) -> Self:
        """Set options of the call, as Celery's does; `lane` also sets its queue. Raises InvalidArguments."""
        call_options.check(str(self["task"]), options)
        super().set(immutable)
        self["options"] = call_options.routed(self["options"] | options)
        return self

    def delay(self, *args: Any, **kwargs: Any) -> Result[R]:
        """Publish the call with these arguments before and beside its own."""
        return self.apply_async(args, kwargs)

    def apply_async(
        self, args: Any = None, kwargs: Any = None, route_name: str | None = None, **options: Any
    ) -> Result[R]:
        """Publish the call with these arguments before and beside its own, and with these options."""
        publish: Any = super().apply_async
        result: Result[R] = publish(args, kwargs, route_name, **options)
        return result
