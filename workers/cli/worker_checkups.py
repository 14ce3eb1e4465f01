"""The checks of `wasmfleet doctor` on workers, by what they report with their heartbeats."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from wasmfleet.config.settings import Settings
from wasmfleet.workers.cli.checkup import Checkup, ok, problem, warning
from wasmfleet.workers.counting import counted

_MEND: Final = "start both with the same WASMFLEET_ variables, unless this is meant"

if TYPE_CHECKING:
    from wasmfleet.workers.fleet_state.heartbeats import Presence


def examine(settings: Settings, seen: "Sequence[Presence]", *, whole: bool) -> Iterator[Checkup]:
    """Check each worker, and compare its settings with those of this process or, with `whole`, of the others."""
    ordered = sorted(seen, key=lambda one: one.worker)
    yield from _workers(ordered)
    yield from _told(ordered) if whole else _compared_with_here(settings, ordered)


def _told(seen: "Sequence[Presence]") -> Iterator[Checkup]:
    """Tell what each worker reports, and where it differs from the first one."""
    from wasmfleet.workers.fleet_state import reported

    for worker in seen:
        what, first = f"settings of {worker.worker}", seen[0]
        differs = reported.differences(
            worker.settings, first.settings, same_node=worker.node == first.node, both_workers=True
        )
        if found := "; ".join(sorted(differs)):
            yield warning(what, f"differ from those of {first.worker}: {found}", _MEND)
        told = ", ".join(f"{name} {text or 'not set'}" for name, text in sorted(worker.settings.items()))
        yield ok(what, told or "not reported: the worker is of an older version")


def _compared_with_here(settings: Settings, seen: "Sequence[Presence]") -> Iterator[Checkup]:
    from wasmfleet.workers.fleet_state import reported
    from wasmfleet.workers.node import host

    ours = reported.of(settings)
    for worker in seen:
        same_node = worker.node == host.name()
        differs = reported.differences(worker.settings, ours, same_node=same_node, both_workers=False)
        if found := "; ".join(sorted(differs)):
            yield warning(f"settings of {worker.worker}", f"differ from those of this shell: {found}", _MEND)


def _workers(seen: "Sequence[Presence]") -> Iterator[Checkup]:
    if not seen:
        yield problem(
            "workers", "none is running", "start the fleet with `wasmfleet up`, or `wasmfleet worker`"
        )
    elif not any(worker.accelerated for worker in seen):
        yield warning(
            "workers",
            "no accelerated worker is running; plain Python serves, and calls of lane wasm wait",
            "start `wasmfleet worker wasm`",
        )
    elif all(worker.accelerated for worker in seen):
        yield warning(
            "workers",
            "no plain-Python worker is running; calls of lane python, and calls that are handed over, wait",
            "start `wasmfleet worker python`",
        )
    for worker in seen:
        yield _worker(worker)
        if worker.unregistered:
            names = ", ".join(worker.unregistered)
            yield problem(
                f"operations of {worker.worker}",
                f"it does not know {names}: the files of these came or changed after its start",
                "restart it; calls are served as the files say from then on",
            )


def _worker(worker: "Presence") -> Checkup:
    what = f"worker {worker.worker}"
    unready = [
        f"{name} {state} ({reason})" for name, (state, reason) in worker.modules.items() if state != "ready"
    ]
    if unready:
        return problem(what, f"{worker.role}; {'; '.join(unready)}", "see the modules above on its node")
    if worker.idle_because:
        idle = f"{worker.role}; it takes no messages: {worker.idle_because}"
        return problem(what, idle, "run `wasmfleet drain --resume`, or mend the result log")
    if worker.troubles:
        from wasmfleet.workers.fleet_state import reported

        return warning(what, f"{worker.role}; {'; '.join(worker.troubles)}", reported.MEND_TROUBLES)
    if worker.obeys_all:
        risk = (
            f"{worker.role}; anybody who can use the broker may stop it, change its limits or end its calls"
        )
        return warning(what, risk, "set WASMFLEET_REMOTE_CONTROL=safe in its environment")
    ready = f", {counted(len(worker.modules), 'module', 'modules')} ready" if worker.accelerated else ""
    return ok(what, f"{worker.role}, pid {worker.pid} on {worker.node}{ready}")
