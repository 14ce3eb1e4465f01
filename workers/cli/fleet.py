"""A command's dealings with the fleet: whether any worker can serve, and waiting for results only while one can."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from wasmfleet.config.settings import Lane, Settings
from wasmfleet.workers.cli import running
from wasmfleet.workers.errors import BrokerUnavailable, RuntimeUnavailable, Unavailable

if TYPE_CHECKING:
    from wasmfleet.workers.calls.batch import Batch, Item
    from wasmfleet.workers.fleet_state.heartbeats import Presence

R = TypeVar("R")
_LOOK_S: Final = 5.0
_POLL_S: Final = 0.1
_BROKER_S: Final = 3.0
_SETTLE_S: Final = 60.0
_DRAIN_S: Final = 5.0
_REGAIN_S: Final = 15.0


@contextmanager
def joined(settings: Settings, lane: Lane, module: str, say: Callable[[str], None]) -> Iterator[None]:
    """Make sure that a fleet serves this lane and module: the running one, or one started for the body of the `with`.

    Raises RuntimeUnavailable, BrokerUnavailable.
    """
    if _is_running(settings):
        starting: AbstractContextManager[None] = nullcontext()
    else:
        say("no fleet is running here; starting one for this job")
        starting = running.temporary(settings)
    with starting:
        settle(settings, module)
        demand(settings, lane, module)
        yield


def workers(settings: Settings) -> "list[Presence]":
    """List the workers that have sent a heartbeat lately. Raises BrokerUnavailable."""
    from redis import RedisError

    from wasmfleet.workers.fleet_state import heartbeats, state
    from wasmfleet.workers.node import broker

    broker.wait(settings, _BROKER_S)
    try:
        with state.client(settings) as connection:
            return heartbeats.present(connection)
    except RedisError as error:
        raise BrokerUnavailable(f"the heartbeats cannot be read: {error}") from None


def demand(settings: Settings, lane: Lane, module: str) -> None:
    """Raise RuntimeUnavailable where no worker can serve calls of this lane and module."""
    seen = workers(settings)
    if not seen:
        raise RuntimeUnavailable("no worker is running; start the fleet with `wasmfleet up`")
    idle = {worker.worker: worker.idle_because for worker in seen if worker.idle_because}
    seen = [worker for worker in seen if not worker.idle_because]
    if not seen:
        name, reason = min(idle.items())
        raise RuntimeUnavailable(
            f"no worker takes messages; {name}: {reason}; `wasmfleet doctor` says how to mend it"
        )
    roles = {worker.role for worker in seen}
    if lane == "python" and "python" not in roles:
        raise RuntimeUnavailable(
            "no plain-Python worker is running; start one with `wasmfleet worker python`"
        )
    if lane == "wasm" and not _ready(seen, module):
        raise RuntimeUnavailable(f"no sandbox can serve {module}: {_why(seen, module)}")


def settle(settings: Settings, module: str, timeout_s: float = _SETTLE_S) -> None:
    """Wait while workers still compile the module, because calls that arrive sooner would go to plain Python."""
    deadline = time.monotonic() + timeout_s
    while _compiling(workers(settings), module) and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def answers(batch: "Batch[R]", still_served: Callable[[], None]) -> "list[Item[R]]":
    """Wait for the whole batch and return its items in order. Raises as `each`."""
    return list(each(batch, still_served))


def each(batch: "Batch[R]", still_served: Callable[[], None]) -> "Iterator[Item[R]]":
    """Yield the items of a batch in order, each as soon as its chunk is done.

    Every few seconds without a result, it calls `still_served`, which raises where no worker is left that could serve.
    Raises BrokerUnavailable.
    """
    from celery.exceptions import TimeoutError as NotYet
    from redis import RedisError

    given = 0
    while given < len(batch):
        try:
            for item in islice(batch.results(timeout=_LOOK_S), given, None):
                given += 1
                yield item
        except NotYet:
            still_served()
        except (RedisError, RuntimeError) as error:
            raise BrokerUnavailable(f"the broker was lost while results were awaited: {error}") from None


def regain(still_served: Callable[[], None]) -> None:
    """Wait until a broker that is being restarted and its workers are back. Raises Unavailable after 15 seconds."""
    deadline = time.monotonic() + _REGAIN_S
    while True:
        try:
            return still_served()
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)


def withdraw(batches: "list[Batch[Any]]") -> None:
    """Cancel the batches, and wait up to 5 seconds for the workers to drop what is queued."""
    from redis import RedisError

    deadline = time.monotonic() + _DRAIN_S
    with suppress(RedisError, RuntimeError):
        for batch in batches:
            batch.cancel()
        while time.monotonic() < deadline and any(batch.done < len(batch) for batch in batches):
            time.sleep(_POLL_S)


def _is_running(settings: Settings) -> bool:
    """Tell whether a worker is running; where a fleet of this data folder is just starting, wait for its workers."""
    from wasmfleet.workers.node import broker, supervisor

    deadline = time.monotonic() + _SETTLE_S
    not_yet = (BrokerUnavailable,) if settings.embedded else ()
    while supervisor.running(settings) and time.monotonic() < deadline:
        with suppress(*not_yet):
            if workers(settings):
                return True
        time.sleep(_POLL_S)
    return (broker.embedded(settings) is not None or not settings.embedded) and bool(workers(settings))


def _ready(seen: "list[Presence]", module: str) -> bool:
    return any(worker.modules.get(module, ("absent", ""))[0] in ("ready", "compiling") for worker in seen)


def _compiling(seen: "list[Presence]", module: str) -> bool:
    states = [worker.modules.get(module, ("absent", ""))[0] for worker in seen if worker.accelerated]
    return "compiling" in states and "ready" not in states


def _why(seen: "list[Presence]", module: str) -> str:
    reasons = [
        worker.modules.get(module, ("absent", "it does not have the module"))[1]
        for worker in seen
        if worker.accelerated
    ]
    return reasons[0] if reasons else "no accelerated worker is running"
