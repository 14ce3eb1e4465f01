"""The checks after each round of an attack: what must hold whatever was sent."""

import contextlib
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgpack

from tests.attack import wire
from tests.attack.findings import Finding
from tests.attack.processes import KILLED_ABOVE_MIB, open_files
from tests.attack.seeds import lists
from tests.attack.target import MEMORY_LIMIT_MIB, Target
from tests.attack.wire import Sent
from wasmfleet.config.celery import DEFAULT

MAIN_MIB: Final = 400
#: The memory that a child may take: the interpreter with all libraries, its guests, and messages and results as large
#: as their limits allow.
CHILD_MIB: Final = 250 + MEMORY_LIMIT_MIB + 6 * 32 + 2 * 64
DIED, STAYS, UNANSWERED = "a main process died", "a message stays", "a good call is not answered"
ENDS_A_FLEET: Final = (DIED, STAYS, UNANSWERED)
QUIET_S: Final = 30.0
_MORE_FILES: Final = 20
_CONTROL: Final = re.compile(r"[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_ADDRESS: Final = re.compile(r"0[xX][0-9a-fA-F]{9,}")
_TRACEBACK: Final = re.compile(r"^Traceback \(most recent call last\):\n(?:.*\n)*?(?=\S)(.*)", re.MULTILINE)
_PLACE: Final = re.compile(r'File "[^"]*/(?:site-packages/|site/|src/)([^/"]+)/([^"]+)", line \d+, in (\S+)')
_LOST: Final = re.compile(r"call (\S+) lost its process")
_ID: Final = re.compile(rb'"correlation_id": "([0-9a-f-]{36})"')
_TEXT_COLUMNS: Final = ("operation", "error_code", "error_message", "worker", "handed_over", "lane")


@dataclass(slots=True)
class Seen:
    """The figures of a whole run, which every check adds to."""

    main_mib: int = 0
    child_mib: int = 0
    slowest_good_s: float = 0.0
    served: int = 0
    refused: int = 0
    set_aside: int = 0
    files: int = 0


def check(target: Target, sent: Sequence[Sent], seen: Seen) -> list[Finding]:
    """Wait until all messages are settled, and return what does not hold.

    If the fleet is found to be unusable, the checks that need a working one are left out.
    """
    messages = [one for one in sent if one.list and not wire.may_be_left(one.list, one.raw)]
    found = list(_quiet(target, sent))
    target.forget(*(name for name in lists() if name.startswith(DEFAULT)))  # what was left there for others
    found += _memory(target, sent, seen)
    found += _output(target, sent)
    if any(finding.what in ENDS_A_FLEET for finding in found):
        return found
    found += _good_calls(target, sent, seen)
    found += _bookkeeping(target, messages, seen)
    found += _files(target, seen)
    return found


def _quiet(target: Target, sent: Sequence[Sent]) -> Iterator[Finding]:
    deadline, left = time.monotonic() + QUIET_S, target.left()
    while left and time.monotonic() < deadline and not target.dead():
        time.sleep(0.05)
        left = target.left()
    if dead := target.dead():
        suspects = _suspects(sent, left)
        yield Finding(DIED, _last_words(target, dead), f"{dead} ended", tuple(suspects))
    elif left:
        suspects = _suspects(sent, left)
        kinds = ", ".join(sorted({one.kind for one in suspects} - {"right"}))
        where = {name: len(messages) for name, messages in left.items()}
        yield Finding(STAYS, kinds, f"after {QUIET_S:g} s: {where}", tuple(suspects))


def _suspects(sent: Sequence[Sent], left: dict[str, list[bytes]]) -> list[Sent]:
    """Return the messages that were held or queued at that moment and those that went to no list; if none did, all."""
    tags = {wire.delivery_tag(raw) for messages in left.values() for raw in messages}
    return [one for one in sent if wire.delivery_tag(one.raw) in tags or not one.list] or list(sent)


def _last_words(target: Target, dead: list[str]) -> str:
    for pid in target.watch.killed:
        if pid in target.mains:
            return f"it took more than {KILLED_ABOVE_MIB:,} MiB"
    for role in dead:
        newest = max(
            target.fleet.folder.glob(f"{role}-*.log"), key=lambda log: int(log.stem.rpartition("-")[2])
        )
        if tracebacks := list(_TRACEBACK.finditer(newest.read_text(errors="replace"))):
            return defect(tracebacks[-1][0])
    return "without a word"


def _memory(target: Target, sent: Sequence[Sent], seen: Seen) -> Iterator[Finding]:
    main, child = target.watch.main_peak_mib(), target.watch.children_peak_mib()
    seen.main_mib, seen.child_mib = max(seen.main_mib, main), max(seen.child_mib, child)
    costly = tuple(sorted(sent, key=lambda one: len(one.raw), reverse=True)[:3])
    kinds = ", ".join(sorted({one.kind for one in costly}))
    if main > MAIN_MIB:
        yield Finding("a main process took too much memory", kinds, f"{main:,} MiB", costly)
    if child > CHILD_MIB:
        yield Finding("a child took too much memory", kinds, f"{child:,} MiB of {CHILD_MIB:,}", costly)


def _output(target: Target, sent: Sequence[Sent]) -> Iterator[Finding]:
    output = target.new_output()
    for match in _TRACEBACK.finditer(output):
        around = output[max(0, match.start() - 300) : match.end()]
        about = [one for one in sent if (id := wire.usable_id(one.raw)) and id in around]
        yield Finding("a traceback in a log", defect(match[0]), around[-3_500:], tuple(about))
    for id in _LOST.findall(output):
        about = [one for one in sent if wire.usable_id(one.raw) == id]
        kinds = ", ".join({one.kind for one in about})
        around = output[max(0, output.index(f"call {id} lost") - 3_000) :][:4_000]
        yield Finding("a child died", kinds, f"call {id} lost its process\n{around}", tuple(about))
    for line in output.split("\n"):
        if bad := _CONTROL.search(line):
            yield Finding("a control character in a log", f"{ord(bad[0]):#x} {_shape(line)}", repr(line))
        if _ADDRESS.search(line):
            yield Finding("a host address in a log", _shape(line), repr(line))


def defect(traceback: str) -> str:
    """Shorten a traceback to the type of its error and the last place in this package that it names."""
    places = _PLACE.findall(traceback)
    ours = [place for place in places if place[0] == "wasmfleet"]
    package, path, name = (ours or places or [("?", "?", "?")])[-1]
    error = re.split(r"[:(]", traceback.strip().splitlines()[-1])[0][:60]
    return f"{error} in {path if ours else f'{package}/{path}'}, {name}"


def _shape(line: str) -> str:
    """Return a log line without its ids and numbers, so that the same line about two messages looks the same."""
    return re.sub(r"[0-9a-f-]{8,}|\d+", "#", line)[:90].encode("unicode_escape").decode()


def _good_calls(target: Target, sent: Sequence[Sent], seen: Seen) -> Iterator[Finding]:
    for lane in ("wasm", "python", "any"):
        took = target.good_call_s(lane)
        if took == float("inf"):
            kinds = ", ".join(sorted({one.kind for one in sent} - {"right"})) if len(sent) < 40 else "many"
            yield Finding(UNANSWERED, f"{lane} after {kinds}", "10 s", tuple(sent))
        else:
            seen.slowest_good_s = max(seen.slowest_good_s, took)


def _bookkeeping(target: Target, sent: Sequence[Sent], seen: Seen) -> Iterator[Finding]:
    by_id = {
        id: one for one in sent if (id := wire.usable_id(one.raw)) and not wire.waits_until_later(one.raw)
    }
    nameless = {wire.delivery_tag(one.raw): one for one in sent if not wire.usable_id(one.raw)}
    entries = target.quarantine()
    rows = target.rows(list(by_id))
    yield from _texts_of_entries(entries)
    yield from _texts_of_rows(rows)
    logged = {row["task_id"] for row in rows}
    seen.served += len({row["task_id"] for row in rows if row["outcome"] == "ok"})
    seen.refused += len({row["task_id"] for row in rows if row["outcome"] != "ok"})
    seen.set_aside += len(entries)
    for id, one in by_id.items():
        if id in logged:
            continue
        if wire.may_be_unreadable(one.raw):
            nameless[wire.delivery_tag(one.raw)] = one
        else:
            yield Finding("a call without a row", one.kind, id, (one,))
    readable = _served_though_damaged(target, nameless)
    nameless = {tag: one for tag, one in nameless.items() if tag not in readable}
    aside = [field for field in entries if field not in logged]
    if len(aside) < len(nameless):
        kinds = ", ".join(sorted({one.kind for one in nameless.values()}))
        counted = f"{len(nameless)} without an id, {len(aside)} set aside"
        yield Finding(
            "a message vanished", kinds if len(nameless) < 5 else "", counted, tuple(nameless.values())
        )
    # Messages that may be unreadable are left out: if one has the id of an earlier message, the row may be that one's.
    ids = [id for id in logged if wire.wants_result(raw := by_id[id].raw) and not wire.may_be_unreadable(raw)]
    for id, is_stored in zip(ids, target.results(ids), strict=True):
        if not is_stored:
            yield Finding("a row without a result", by_id[id].kind, id, (by_id[id],))


def _served_though_damaged(target: Target, nameless: dict[str, Sent]) -> set[str]:
    """Return the tags of messages that are not valid JSON as a whole but were served as calls.

    A worker can serve such a message because it reads the body apart from the rest.
    """
    ids = {found[1].decode(): tag for tag, one in nameless.items() if (found := _ID.search(one.raw))}
    return {ids[row["task_id"]] for row in target.rows(list(ids))}


def _texts_of_rows(rows: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    for row in rows:
        for column in _TEXT_COLUMNS:
            if _ADDRESS.search(str(row[column])):
                yield Finding("a host address in a row", column, repr(row))


def _texts_of_entries(entries: dict[str, bytes]) -> Iterator[Finding]:
    for field, packed in entries.items():
        entry: Any = None
        with contextlib.suppress(Exception):
            entry = msgpack.unpackb(packed, strict_map_key=False)
        if not isinstance(entry, dict):
            yield Finding("an unreadable entry of the quarantine", "", f"{field!r}: {packed[:300]!r}")
        elif _ADDRESS.search(f"{entry.get('reason')} {entry.get('operation')} {entry.get('queue')}"):
            yield Finding("a host address in the quarantine", "", repr(entry)[:1000])


def _files(target: Target, seen: Seen) -> Iterator[Finding]:
    now = max((open_files(pid) for pid in target.mains), default=0)
    seen.files = seen.files or now
    if now > seen.files + _MORE_FILES:
        yield Finding("open files grow", "", f"{seen.files} at first, {now} now")
