"""`wasmfleet check`: validate the source files of whole folders as tasks of the fleet."""

import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from wasmfleet.config.settings import Lane, Settings, settings
from wasmfleet.workers.cli import findings, lines, sources
from wasmfleet.workers.cli.findings import Finding
from wasmfleet.workers.cli.version import version
from wasmfleet.workers.counting import counted

if TYPE_CHECKING:
    from rich.progress import Progress

    from wasmfleet.workers.cli.stream import Stream

Format = Literal["text", "json", "sarif"]


@dataclass(slots=True)
class _Run:
    """The result of a run so far."""

    files: int = 0
    size_bytes: int = 0
    spent_s: float = 0.0
    findings: list[Finding] = field(default_factory=list)
    by_unchecked: dict[str, int] = field(default_factory=dict)


def check(
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders of them.", show_default=False)],
    format: Annotated[Format, typer.Option(help="How findings are written to stdout.")] = "text",
    lane: Annotated[
        Lane | None, typer.Option(help="Which lane may serve; default: WASMFLEET_LANE.", show_default=False)
    ] = None,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="No progress bar.")] = False,
) -> None:
    """Validate JavaScript and TypeScript, JSX and TSX.

    It checks every .js .mjs .cjs .jsx .ts .mts .cts .tsx file below the paths, except those that a .gitignore names
    and those in .git and node_modules. It uses the running fleet, or starts one for the job. Exits with 0 when nothing
    was found, 1 when something was, 2 when it could not run.
    """
    chosen = lane or settings().lane
    found, run = _found(paths), _Run()
    for folder, reason in found.unlisted.items():
        run.findings.append(Finding(path=sources.shown(folder), code="unreadable", message=reason))
    lanes = _validate(found, run, chosen, no_progress) if found.files else ""
    _write(run, format)
    notes = [note.message for note in _notes(run)]
    lines.say(_summary(run, found, lanes), *notes, err=format != "text")
    raise typer.Exit(1 if run.findings else 0)


def _found(paths: list[Path]) -> sources.Found:
    for path in paths:
        path.lstat()
    return sources.find(paths)


def _validate(found: sources.Found, run: _Run, lane: Lane, no_progress: bool) -> str:
    """Check the files, add what is found to the run, and return the lanes that served, in words."""
    from wasmfleet.workers.cli import fleet
    from wasmfleet.workers.cli.stream import Stream

    with fleet.joined(settings(), lane, "ast", _say):
        stream, started = Stream(settings(), lane), time.monotonic()
        _follow(stream, found, run, no_progress)
        run.spent_s = time.monotonic() - started
        return _lanes(settings(), stream)


def _say(text: str) -> None:
    lines.say(text, err=True)


def _follow(stream: "Stream", found: sources.Found, run: _Run, no_progress: bool) -> None:
    with _progress(no_progress) as progress, closing(stream.check(found.files.items())) as answers:
        bar = progress.add_task("checking", total=found.size_bytes)
        for checked in answers:
            run.files += 1
            run.size_bytes += checked.served_bytes
            run.findings += checked.findings
            for what in checked.unchecked:
                run.by_unchecked[what] = run.by_unchecked.get(what, 0) + 1
            progress.advance(bar, checked.size_bytes)


@contextmanager
def _progress(hidden: bool) -> "Iterator[Progress]":
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    off = hidden or not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=off) as progress:
        yield progress


def _lanes(settings: Settings, stream: "Stream") -> str:
    from wasmfleet.workers.cli import tallies

    return ", ".join(
        f"{engine} {count:,}" for engine, count in tallies.engines(settings, stream.task_ids).most_common()
    )


def _write(run: _Run, format: Format) -> None:
    told = run.findings + _notes(run)
    if format == "json":
        lines.write(lines.json_of(told))
    elif format == "sarif":
        lines.write(lines.json_of(findings.as_sarif(told, version())))
    else:
        for finding in run.findings:
            lines.say(*findings.as_text(finding).split("\n"))


def _notes(run: _Run) -> list[Finding]:
    return [
        Finding(path="", severity="note", code="unchecked", message=_unchecked(what, count), unchecked=[what])
        for what, count in run.by_unchecked.items()
    ]


def _unchecked(what: str, count: int) -> str:
    return f"plain Python served {_files(count)}, without checking {what}; a sandbox checks them"


def _summary(run: _Run, found: sources.Found, lanes: str) -> str:
    size_mb, spent_s = run.size_bytes / 1e6, run.spent_s or 1e-9
    parts = [
        f"checked {_files(run.files)}, {size_mb:.1f} MB in {spent_s:.1f} s ({size_mb / spent_s:.1f} MB/s)"
    ]
    parts.append(_result(run))
    if lanes:
        parts.append(f"lanes: {lanes}")
    if found.skipped:
        parts.append(
            "skipped " + ", ".join(f"{name} {count}" for name, count in sorted(found.skipped.items()))
        )
    return "; ".join(parts)


def _result(run: _Run) -> str:
    if not run.files:
        return "there is no JavaScript or TypeScript file to check"
    if not run.findings:
        return "nothing found"
    findings = counted(len(run.findings), "finding", "findings")
    return f"{findings} in {_files(len({finding.path for finding in run.findings}))}"


def _files(count: int) -> str:
    return counted(count, "file", "files")
