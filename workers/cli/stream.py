"""A stream of files through ast.validate: published in chunks, a few of them at a time, and answered in order."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from wasmfleet.config.settings import MIB, Lane, Settings
from wasmfleet.workers.cli import fleet, sources
from wasmfleet.workers.cli.findings import Finding, Validation, of_diagnostic
from wasmfleet.workers.errors import BrokerUnavailable, Cancelled, Unavailable, UnreadableResult

if TYPE_CHECKING:
    from wasmfleet.workers.calls.batch import Batch, Item

CHUNK_BYTES: Final = MIB // 2
CHUNK_FILES: Final = 200
IN_FLIGHT: Final = 8
_ENVELOPE_BYTES: Final = 8192
_EXPIRES_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Checked:
    """One file and what was found in it. `served_bytes` is 0 for a file that was not sent, else `size_bytes`."""

    size_bytes: int
    served_bytes: int
    findings: list[Finding]
    unchecked: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    size_bytes: int
    text: str = ""
    refused: Finding | None = None


@dataclass(slots=True)
class Stream:
    """One run over many files. `task_ids` are the ids of the messages that were answered."""

    settings: Settings
    lane: Lane
    task_ids: list[str] = field(default_factory=list)
    _in_flight: "deque[tuple[list[_File], Batch[Any]]]" = field(default_factory=deque)

    def check(self, files: Iterable[tuple[Path, int]]) -> Generator[Checked, None, None]:
        """Check files, given with their sizes in bytes, and yield each result in the order of the files.

        When it is closed early, as by Ctrl-C, it cancels what is queued. Raises Unavailable, Cancelled,
        UnreadableResult.
        """
        try:
            for chunk in _chunks(files, self.settings):
                if len(self._in_flight) == IN_FLIGHT:
                    yield from self._oldest_results()
                self._publish_chunk(chunk)
            while self._in_flight:
                yield from self._oldest_results()
        finally:
            fleet.withdraw([batch for _, batch in self._in_flight])

    def _publish_chunk(self, chunk: list[_File]) -> None:
        try:
            self._in_flight.append((chunk, self._sent(chunk)))
        except BrokerUnavailable:
            self._publish_again()
            self._in_flight.append((chunk, self._sent(chunk)))

    def _publish_again(self) -> None:
        """Publish all chunks in flight again once a lost broker is back.

        Otherwise what a worker had already fetched might come back only after a long time.
        """
        fleet.regain(self._still_served)
        self._in_flight = deque((chunk, self._sent(chunk)) for chunk, _ in self._in_flight)

    def _sent(self, chunk: list[_File]) -> "Batch[Any]":
        from wasmfleet.workers.calls.catalogue import find

        calls = [{"source": f.text, "filename": sources.shown(f.path)} for f in chunk if not f.refused]
        return find("ast.validate").many(calls, lane=self.lane, expires=_EXPIRES_S)

    def _oldest_results(self) -> Iterator[Checked]:
        items = iter(self._answers())
        chunk, batch = self._in_flight.popleft()
        self.task_ids += batch.task_ids
        for file in chunk:
            yield _refused(file, file.refused) if file.refused else _checked(file, next(items))

    def _answers(self) -> "list[Item[Any]]":
        while True:
            try:
                return fleet.answers(self._in_flight[0][1], self._still_served)
            except BrokerUnavailable:
                self._publish_again()

    def _still_served(self) -> None:
        fleet.demand(self.settings, self.lane, "ast")


def _chunks(files: Iterable[tuple[Path, int]], settings: Settings) -> Iterator[list[_File]]:
    chunk: list[_File] = []
    chunk_bytes = 0
    for path, size_bytes in files:
        if chunk and (len(chunk) == CHUNK_FILES or chunk_bytes + size_bytes > CHUNK_BYTES):
            yield chunk
            chunk, chunk_bytes = [], 0
        chunk.append(_read(path, size_bytes, settings))
        chunk_bytes += size_bytes
    if chunk:
        yield chunk


def _read(path: Path, size_bytes: int, settings: Settings) -> _File:
    try:
        text = sources.read(path, settings.max_input * MIB - _ENVELOPE_BYTES)
    except sources.Unreadable as error:
        return _File(path, size_bytes, refused=unreadable(path, error))
    return _File(path, size_bytes, text)


def unreadable(path: Path, error: sources.Unreadable) -> Finding:
    return Finding(
        path=sources.shown(path),
        line=error.line,
        column=error.column,
        offset=error.offset,
        code=error.code,
        message=str(error),
    )


def _refused(file: _File, finding: Finding) -> Checked:
    return Checked(file.size_bytes, 0, [finding])


def _checked(file: _File, item: "Item[Any]") -> Checked:
    if item.error is not None:
        return Checked(file.size_bytes, file.size_bytes, [_failed(file, item.error)])
    try:
        told = msgspec.convert(item.value, Validation)
    except (ValueError, RecursionError) as error:
        raise UnreadableResult(f"the result for {sources.shown(file.path)} cannot be read: {error}") from None
    shown = sources.shown(file.path)
    found = [of_diagnostic(shown, file.text, one, told.unchecked) for one in told.diagnostics]
    return Checked(file.size_bytes, file.size_bytes, found, told.unchecked)


def _failed(file: _File, error: Any) -> Finding:
    """Turn an error about the file into a finding, or raise it where it is about the fleet."""
    if isinstance(error, Unavailable | Cancelled):
        raise error
    return Finding(path=sources.shown(file.path), code=error.code, message=error.message, **error.place)
