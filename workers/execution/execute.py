"""The execution of one message: check its calls, choose the lane, run them, log the outcomes, return the values."""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

from celery.exceptions import Ignore, Reject
from redis.exceptions import RedisError

from wasmfleet.config.settings import Lane, settings
from wasmfleet.workers.again import Again, Unlogged
from wasmfleet.workers.contracts.contract import Arguments
from wasmfleet.workers.contracts.operation import Operation, check_size
from wasmfleet.workers.errors import Cancelled, InvalidArguments, RuntimeUnavailable, WasmfleetError, typed
from wasmfleet.workers.execution import item_by_item, lanes, sandbox, twin, twin_process
from wasmfleet.workers.execution.call import Item, Outcome
from wasmfleet.workers.fleet_state import cancelled, poison
from wasmfleet.workers.node import digests
from wasmfleet.workers.records import outcomes
from wasmfleet.workers.runtime.modules import HostLacks, Loaded
from wasmfleet.workers.safe_text import storable
from wasmfleet.workers.secrecy import sealed_calls, sealing
from wasmfleet.workers.secrecy.sealing import Seal
from wasmfleet.workers.untrusted.undecoded import was_json

if TYPE_CHECKING:
    from wasmfleet.workers.runtime.invoke import Reply

_MESSAGE_ERROR_CHARACTERS = 500
_CANCELLED: Final = Cancelled("the call was cancelled")


def here(operation: Operation, lane: Lane, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Run one call in this process, without a row in the log, and return its value. Raises the call's error."""
    target, arguments = operation.resolve(operation.contract.check(args, kwargs))
    item = _item(target, arguments)
    try:
        module = lanes.choose(target, lane)
        _evaluate(target, [item], module, twin.Limits.from_now(settings().time_limit), lane)
    except (lanes.Wait, lanes.HandOver) as reason:
        raise RuntimeUnavailable(f"{operation.name} cannot run in a sandbox here: {reason}") from None
    return _value(item.outcome)


def message(task: Any, request: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Run the one call of a message and return its value. Raises the call's error, and what `batch` raises.

    The outcome is in the log before this returns or raises.
    """
    [outcome] = batch(task, task.operation, request, [(args, kwargs)])
    return _value(outcome)


def refuse(name: str, request: Any, error: WasmfleetError) -> NoReturn:
    """Log and raise the error of a message whose arguments cannot be read."""
    _write(name, request, lanes.of(request), [Outcome(error=error)], time.time())
    raise error


def batch(
    task: Any,
    operation: Operation,
    request: Any,
    calls: Sequence[tuple[Sequence[Any], Mapping[str, Any]]],
) -> list[Outcome]:
    """Run the calls of one message, log their outcomes in one transaction, and return these in order.

    Raises Ignore where the message was sent on to another worker, or was cancelled while it waited for this child, and
    Again where it must be delivered again because the state store or the log failed.
    """
    started_at, lane = time.time(), lanes.of(request)
    if _is_cancelled(request.id):
        _write(operation.name, request, lane, [Outcome(error=_CANCELLED)] * len(calls), started_at)
        raise _withdrawn(task, request)
    is_json = was_json(request)
    items = [_checked(operation, args, kwargs, is_json) for args, kwargs in calls]
    target = operation.target
    waiting = [item for item in items if item.outcome.error is None]
    try:
        if waiting:
            _evaluate_message(target, request, items, waiting, lanes.choose(target, lane))
    except lanes.HandOver as reason:
        _send_on_or_fail(lanes.hand_over, task, request, str(reason), waiting)
    except lanes.Wait as reason:
        _send_on_or_fail(lanes.wait, task, request, str(reason), waiting)
    except RedisError as error:
        raise Again(f"the state store does not answer: {error}") from error
    except (Reject, Ignore):
        raise
    except Exception as error:  # noqa: BLE001 - even a defect must end each call with a row
        _fail(waiting, typed(error))
    result = [item.outcome for item in items]
    _write(operation.name, request, lane, result, started_at)
    with contextlib.suppress(RedisError):  # the counts expire by themselves
        poison.forget(request)
    return result


def _is_cancelled(task_id: str) -> bool:
    try:
        return cancelled.is_noted(task_id)
    except RedisError:
        return False  # the worker knew of none when it handed the call over


def _withdrawn(task: Any, request: Any) -> Ignore:
    """Store that a call is revoked, as a worker's main process does. The caller raises what this returns."""
    try:
        task.backend.mark_as_revoked(request.id, "revoked", request=request)
    except RedisError as error:
        raise Again(f"its end cannot be stored: {error}") from error
    return Ignore()


def _evaluate_message(
    target: Operation,
    request: Any,
    items: Sequence[Item],
    waiting: Sequence[Item],
    module: Loaded | None,
) -> None:
    limits, lane = twin.Limits.from_now(_time_limit(request)), lanes.of(request)

    def evaluate(some: Sequence[Item]) -> None:
        _evaluate(target, some, module, limits, lane)

    if len(items) > 1 and poison.demands_care(request):
        item_by_item.evaluate(target, request, items, lambda item: evaluate([item]))
    else:
        evaluate(waiting)


def _checked(operation: Operation, args: Sequence[Any], kwargs: Mapping[str, Any], is_json: bool) -> Item:
    seal = None
    try:
        args, kwargs, seal = sealed_calls.opened(operation.name, args, kwargs)
        arguments = operation.contract.received(args, kwargs, is_json=is_json and seal is None)
        return _item(*operation.resolve(arguments), seal)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong with one item is that item's error
        return Item({}, b"", Outcome(error=sealed_calls.told(typed(error), seal)))


def _item(target: Operation, arguments: Arguments, seal: Seal | None = None) -> Item:
    wire = target.contract.encode(arguments)
    check_size(target.name, len(wire))
    digest = digests.of(wire)
    complete = target.contract.complete(arguments)
    request = wire if complete is arguments else target.contract.encode(complete)
    return Item(complete, request, Outcome(input_bytes=len(wire), input_digest=digest), seal)


def _evaluate(
    target: Operation, items: Sequence[Item], module: Loaded | None, limits: twin.Limits, lane: Lane
) -> None:
    """Run items in the sandbox, or by the twin where there is no module.

    Raises HandOver or Wait where the host cannot give a guest what it needs.
    """
    if module is not None:
        try:
            _run_sandbox(target, items, module, limits.time_s)
        except HostLacks as error:
            lanes.refuse_unless_twin_may(target, lane, str(error))
            module = None
    if module is None:
        for item in items:
            _run_twin(target, item, limits)
    for item in items:
        _seal(item)


def _seal(item: Item) -> None:
    """Seal the outcome of sealed arguments, before anything of it is stored or sent."""
    outcome = item.outcome
    if item.seal is None:
        return
    if outcome.error is not None:
        outcome.error = sealed_calls.told(outcome.error, item.seal)
        return
    try:
        outcome.value = sealing.sealed(outcome.value, item.seal, "result")
    except Exception as error:  # noqa: BLE001 - a value that cannot be sealed is not given
        outcome.value, outcome.error = None, sealed_calls.told(typed(error), item.seal)


def _run_sandbox(target: Operation, items: Sequence[Item], module: Loaded, time_s: float) -> None:
    started = time.perf_counter_ns()
    replies = sandbox.run(module, target.function, [item.request for item in items], time_s)
    each_us = (time.perf_counter_ns() - started) // 1000 // len(items)
    for item, reply in zip(items, replies, strict=True):
        _take(item.outcome, reply, module, each_us)


def _take(outcome: Outcome, reply: "Reply", module: Loaded, run_us: int) -> None:
    outcome.value, outcome.error, outcome.output_bytes = reply.value, reply.error, reply.size_bytes
    outcome.engine, outcome.module_sha256, outcome.run_us = "wasm", module.binary.sha256, run_us


def _run_twin(target: Operation, item: Item, limits: twin.Limits) -> None:
    started, outcome = time.perf_counter_ns(), item.outcome
    outcome.engine = "python"
    run = twin_process.run if lanes.process.has_own_twin_process else twin_process.run_here
    try:
        outcome.value, outcome.output_bytes = run(target, item, limits)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong while one item is answered is that item's error
        outcome.error = typed(error)
    outcome.run_us = (time.perf_counter_ns() - started) // 1000


def _send_on_or_fail(
    send: Callable[[Any, Any, str], Ignore], task: Any, request: Any, reason: str, items: Sequence[Item]
) -> None:
    """Send the message on with `lanes.hand_over` or `lanes.wait`; where that fails, its calls end with the reason."""
    try:
        raise send(task, request, reason)
    except (Ignore, Reject):
        raise
    except RuntimeUnavailable as error:
        _fail(items, error)
    except Exception as error:  # noqa: BLE001 - Celery trusts a message's headers, which may hold anything
        why = storable(f"{type(error).__name__}: {error}")
        _fail(
            items, InvalidArguments(f"the call must run elsewhere, and its message cannot be sent on: {why}")
        )


def _fail(items: Sequence[Item], error: WasmfleetError) -> None:
    """Gives the error to those that no lane has answered."""
    for item in items:
        if not item.outcome.engine and item.outcome.error is None:
            item.outcome.error = sealed_calls.told(error, item.seal)


def _time_limit(request: Any) -> float:
    """A call's own, at most this worker's: ours is in our header, that of a client without this package in Celery's,
    beside the hard one."""
    header = getattr(request, "wasmfleet", None) or {}
    _, soft_s = request.timelimit or (None, None)
    most_s = settings().time_limit
    return min(float(header.get("limit_s") or soft_s or most_s), most_s)


def _value(outcome: Outcome) -> Any:
    if outcome.error is not None:
        raise outcome.error
    return outcome.value


def _write(name: str, request: Any, lane: Lane, results: Sequence[Outcome], started_at: float) -> None:
    rows = [_row(name, request, lane, item, outcome, started_at) for item, outcome in enumerate(results)]
    try:
        outcomes.log().write(rows)
    except sqlite3.OperationalError as error:
        raise Unlogged(f"the result log cannot be written: {error}") from error


def _row(name: str, request: Any, lane: Lane, item: int, outcome: Outcome, started_at: float) -> outcomes.Row:
    header = getattr(request, "wasmfleet", None) or {}
    queued_at, error = header.get("queued_at"), outcome.error
    return outcomes.Row(
        task_id=request.id,
        item=item,
        operation=name,
        lane=lane,
        engine=outcome.engine,
        outcome="ok" if error is None else "revoked" if error is _CANCELLED else "error",
        error_code=error.code if error else None,
        error_message=str(error)[:_MESSAGE_ERROR_CHARACTERS] if error else None,
        attempt=request.retries + 1,
        worker=request.hostname or "",
        handed_over=header.get("handed_over"),
        module_sha256=outcome.module_sha256,
        input_digest=outcome.input_digest,
        input_bytes=outcome.input_bytes,
        output_bytes=outcome.output_bytes,
        wait_us=max(0, int((started_at - queued_at) * 1e6)) if queued_at else None,
        run_us=outcome.run_us,
        queued_at=queued_at,
        started_at=started_at,
        finished_at=time.time(),
    )
