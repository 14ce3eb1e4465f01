"""`wasmfleet up --sample`: put the JavaScript files of the installed Python packages through the running fleet."""

import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wasmfleet.config.settings import MIB, Settings
from wasmfleet.workers.cli import fleet, lines, program, sources, tables, tallies
from wasmfleet.workers.errors import InputError, NotSupportedInLane, UnknownOperation, WasmfleetError

if TYPE_CHECKING:
    from rich.progress import Progress

    from wasmfleet.workers.calls.batch import Item

_MOST_BYTES: Final = 12 * MIB
_LARGEST_BYTES: Final = MIB
_SHOWN_ERRORS: Final = 3
_NEXT_WITHOUT_FLEET: Final = (
    ("check .", "validate the JavaScript and TypeScript files below a folder"),
    ("ops", "what there is to call"),
    ("results --stats", "what was done"),
)
_NEXT: Final = (*_NEXT_WITHOUT_FLEET, ("doctor", "whether all is well, and what to mend"))


@dataclass(frozen=True, slots=True)
class _File:
    package: str
    name: str
    text: str
    data: bytes


@dataclass(frozen=True, slots=True)
class _Step:
    """One operation that is called for every file."""

    title: str
    operation: str
    call: Callable[[_File], dict[str, Any]]


@dataclass(slots=True)
class _Done:
    """The results of one step."""

    step: _Step
    items: "list[Item[Any]]" = field(default_factory=list)
    task_ids: list[str] = field(default_factory=list)
    spent_s: float = 0.0
    refused: WasmfleetError | None = None


def _source(file: _File) -> dict[str, Any]:
    return {"source": file.text, "filename": file.name}


_STEPS: Final = (
    _Step("validate", "ast.validate", _source),
    _Step("optimise", "ast.optimize", _source),
    _Step("gzip", "compression.compress", lambda file: {"data": file.data, "codec": "gzip"}),
    _Step("brotli", "compression.compress", lambda file: {"data": file.data, "codec": "brotli"}),
    _Step("digest", "digest.digest", lambda file: {"data": file.data, "algorithm": "sha256"}),
)


def run(settings: Settings, *, stays: bool) -> int:
    """Run the job and print its summary; `stays` says that the fleet goes on afterwards.

    Returns the exit code: 0 when every step got an answer for every file, and a sandbox served or the reason why none
    did was printed; else 1.
    """
    files = _files()
    lines.say(f"the sample: {_described(files)}")
    for step in _STEPS:
        fleet.settle(settings, step.operation.partition(".")[0])
    done = _work(files)
    summary, aggregated = _aggregated(settings, done)
    tables.echo([_cells(settings, files, one, summary) for one in done])
    complete = _tell_errors(done) and aggregated
    in_lanes = _tell_lanes(settings, done)
    _tell_next(settings, stays)
    return 0 if complete and in_lanes else 1


def _files() -> list[_File]:
    """Collect Flower's files first, then those of other packages, up to a total size."""
    site = Path(sysconfig.get_path("purelib"))
    flower = sources.find([site / "flower" / "static"])
    found = sources.find([site / "flower" / "static", *sorted(p for p in site.iterdir() if p.is_dir())])
    files: list[_File] = []
    total = 0
    for path, size_bytes in (flower.files | found.files).items():
        if size_bytes <= _LARGEST_BYTES and total + size_bytes <= _MOST_BYTES:
            total += size_bytes
            files += _read(site, path)
    return files


def _read(site: Path, path: Path) -> list[_File]:
    try:
        text = sources.read(path, _LARGEST_BYTES)
    except sources.Unreadable:
        return []
    inside = path.relative_to(site)
    return [_File(inside.parts[0], inside.as_posix(), text, text.encode())]


def _described(files: Sequence[_File]) -> str:
    packages = Counter(file.package for file in files)
    named = ", ".join(f"{name} {count}" for name, count in packages.items())
    return f"{len(files)} JavaScript and TypeScript files, {_megabytes(files):.1f} MB, of installed packages ({named})"


def _megabytes(files: Sequence[_File]) -> float:
    return sum(len(file.data) for file in files) / 1e6


def _work(files: Sequence[_File]) -> list[_Done]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description:10}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        return [_do(step, files, progress) for step in _STEPS]


def _do(step: _Step, files: Sequence[_File], progress: "Progress") -> _Done:
    done, started = _Done(step), time.monotonic()
    bar = progress.add_task(step.title, total=len(files))
    try:
        for item in _items(step, files, done):
            done.items.append(item)
            progress.advance(bar)
    except WasmfleetError as error:
        done.refused = error
    done.spent_s = time.monotonic() - started
    return done


def _items(step: _Step, files: Sequence[_File], done: _Done) -> "Iterator[Item[Any]]":
    from wasmfleet.config.settings import settings
    from wasmfleet.workers.cli import catalogue

    known, _ = catalogue.operations(settings())
    operation = catalogue.named(known, step.operation)
    batch = operation.many([step.call(file) for file in files])
    done.task_ids += batch.task_ids
    return fleet.each(batch, lambda: fleet.demand(settings(), settings().lane, operation.operation.module))


def _aggregated(settings: Settings, done: Sequence[_Done]) -> tuple[dict[str, Any], bool]:
    """Aggregate each step's times with metrics.aggregate, which is part of the job, and tell whether that worked."""
    from wasmfleet.workers.cli import catalogue

    known, _ = catalogue.operations(settings)
    series = {one.step.title: tallies.runs_ms(settings, one.task_ids) for one in done}
    try:
        operation = catalogue.named(known, "metrics.aggregate")
        batch = operation.many([{"series": series}])
        [item] = fleet.answers(batch, lambda: fleet.demand(settings, settings.lane, "metrics"))
        if item.error:
            raise item.error
    except WasmfleetError as error:
        lines.say(f"metrics.aggregate: {error}", err=True)
        return {}, False
    return item.value, True


def _cells(
    settings: Settings, files: Sequence[_File], done: _Done, summary: dict[str, Any]
) -> dict[str, str]:
    errors = sum(item.error is not None for item in done.items)
    lanes = tallies.engines(settings, done.task_ids)
    measured = summary.get(done.step.title) or {}
    return {
        "step": done.step.title,
        "operation": done.step.operation,
        "files": f"{len(done.items)}",
        "ok": f"{len(done.items) - errors}",
        "errors": f"{errors}",
        "MB/s": f"{_megabytes(files) / done.spent_s:.1f}" if done.items else "-",
        "p50 ms": _ms(measured.get("p50")),
        "p95 ms": _ms(measured.get("p95")),
        "lanes": ", ".join(f"{engine} {count}" for engine, count in lanes.most_common()) or "not run",
    }


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _tell_errors(done: Sequence[_Done]) -> bool:
    """Print what failed, and tell whether every step gave an answer for every file; that a file is bad is an answer."""
    complete = True
    for one in done:
        errors = [item.error for item in one.items if item.error is not None]
        for error in ([one.refused] if one.refused else []) + errors[:_SHOWN_ERRORS]:
            lines.say(f"{one.step.title}: {error.code}: {error}", err=True)
        complete &= one.refused is None and all(_is_an_answer(error) for error in errors)
    return complete


def _is_an_answer(error: WasmfleetError) -> bool:
    return isinstance(error, InputError | NotSupportedInLane) and not isinstance(error, UnknownOperation)


def _tell_lanes(settings: Settings, done: Sequence[_Done]) -> bool:
    """Tell whether a sandbox served, or else the reason why none did is known; print such reasons."""
    task_ids = [task_id for one in done for task_id in one.task_ids]
    if tallies.engines(settings, task_ids)["wasm"]:
        return True
    reasons = tallies.reasons(settings, task_ids)
    if not any(worker.accelerated for worker in fleet.workers(settings)):
        reasons.append("no accelerated worker is running")
    for reason in reasons:
        lines.say(f"plain Python served: {reason}; `wasmfleet doctor` says how to mend it")
    return bool(reasons)


def _tell_next(settings: Settings, stays: bool) -> None:
    """Say what can be typed next; of a fleet that is about to stop no address is told."""
    from wasmfleet.workers.node import addresses

    called = program.name()
    lines.say("", *([f"Flower: {addresses.flower(settings)}"] if stays else []))
    lines.say(f"next, {'in another terminal' if stays else 'with or without a running fleet'}:")
    for words, what in _NEXT if stays else _NEXT_WITHOUT_FLEET:
        lines.say(f"  {called} {words:<17}{what}")
