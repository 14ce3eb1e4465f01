"""An operation that waits for another call of its own fleet, which a test copies into an installation's catalogue."""

from wasmfleet.tasks import text
from wasmfleet.workers.calls.catalogue import operation
from wasmfleet.workers.errors import InvalidArguments


@operation(parity="exact")
def inside(*, way: str) -> str:
    """Wait for another call inside this one."""
    try:
        if way == "many":
            return next(iter(text.hash.many([{"text": "abc"}]))).value
        return text.hash.delay("abc").get(timeout=5)
    except RuntimeError as error:
        raise InvalidArguments(f"refused: {error}") from None
