"""Attack a fleet with hostile modules in the folder WASMFLEET_MODULES: workers must boot, and every call must end."""

import dataclasses
import json
import os
import random
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import wasmtime

from tests.acceptance.installation import until
from tests.attack import modules, oracle
from tests.attack.findings import Finding, Findings
from tests.attack.target import Target
from tests.attack.wire import Sent
from tests.chaos.fleet import chaos_fleet
from tests.conftest import GUESTS

_BUILT_IN: Final = Path(__file__).parents[2] / "wasm_bin"
_FILES: Final = 25
_CALL_S: Final = 20.0
_COMPILED_S: Final = 60.0
_CALL: Final = """
import json, os, sys
from celery import Celery
url, names, seconds = json.load(sys.stdin)
client = Celery(broker=url, backend=url)
sent = [(name, client.signature(name, kwargs=kwargs, queue=queue).apply_async())
        for name in names for kwargs in ({"data": b"x" * 100}, {}) for queue in ("wasmfleet.wasm", "celery")]
late = []
for name, result in sent:
    try:
        result.get(timeout=seconds)
    except Exception as error:
        if "Timeout" in type(error).__name__:
            late.append(name)
print(json.dumps([late, {result.id: name for name, result in sent}]), flush=True)
os._exit(0)
"""


def attack(
    findings: Findings, folder: Path, seed: int, deadline: float, say: Callable[[str], Any]
) -> Counter[str]:
    """Run rounds of new module files until the deadline, at least one; count the files of each kind and the calls."""
    dice, tried, number = random.Random(seed), Counter[str](), 0
    place = folder / "modules"
    place.mkdir()
    with chaos_fleet(folder / "guests", **Target.settings(folder), MODULES=str(place)) as fleet:
        fleet.own_cache()
        fleet.start("broker")
        until(fleet.answers, what="the broker answers", log=fleet.output)
        target = Target(fleet)
        try:
            while number == 0 or time.monotonic() < deadline:
                number += 1
                written = _written(place, dice)
                tried.update(one.kind for one in written)
                found = _round(target, written, tried)
                new = [one for one in found if findings.add(one, number)]
                news = "".join(f"\n    new: {one.what}: {one.sign}" for one in new)
                say(f"modules, round {number}: {len(written)} files, {len(findings)} findings{news}")
        finally:
            target.end()
    return tried


def _written(place: Path, dice: random.Random) -> list[Sent]:
    """Fill the folder with new modules and one strange file; return them all, the strange one last."""
    shutil.rmtree(place)
    place.mkdir()
    built_in = [_BUILT_IN / f"{name}.wasm" for name in ("crypto", "digest", "metrics")]
    guests = [bytes(wasmtime.wat2wasm(path.read_text())) for path in sorted(GUESTS.glob("*.wat"))]
    files = []
    for number in range(_FILES):
        kind, binary = modules.module(dice, built_in, guests)
        (place / f"m{number}.wasm").write_bytes(binary)
        files.append(Sent(f"module: {kind}", "", binary))
    return [*files, *_strange_files(place, dice)]


def _strange_files(place: Path, dice: random.Random) -> list[Sent]:
    """Add one file with a name or of a kind that nobody would choose by mistake."""
    right = (_BUILT_IN / "metrics.wasm").read_bytes()
    strange = {
        "a built-in name": lambda: (place / "digest.wasm").write_bytes(right),
        "a name with a line end": lambda: (place / "a\nb\x1b[31m.wasm").write_bytes(right),
        "a name with dots": lambda: (place / "digest.digest.wasm").write_bytes(right),
        "no name": lambda: (place / ".wasm").write_bytes(right),
        "bytes that are no text": lambda: Path(os.fsdecode(bytes(place) + b"/\xff.wasm")).write_bytes(right),
        "a folder": lambda: (place / "folder.wasm").mkdir(),
        "a dead link": lambda: (place / "link.wasm").symlink_to("nowhere"),
        "a link to itself": lambda: (place / "loop.wasm").symlink_to("loop.wasm"),
        "a device": lambda: (place / "zero.wasm").symlink_to("/dev/zero"),
        "a pipe": lambda: os.mkfifo(place / "pipe.wasm"),
        "a very large file": lambda: _sparse(place / "large.wasm"),
    }
    chosen = dice.choice(list(strange))
    strange[chosen]()
    return [Sent(f"file: {chosen}", "", b"")]


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"\0asm\1\0\0\0")
        file.truncate(6 << 30)


def _round(target: Target, written: list[Sent], tried: Counter[str]) -> list[Finding]:
    files = tuple(written)
    strange = files[-1].kind
    try:
        target.renew()
    except AssertionError as error:
        return [Finding("a worker does not boot", strange, str(error)[:3_000], files)]
    left = _uncompiled(target)
    if left:
        return [Finding("a module is compiled for ever", strange, repr(left), files)]
    late, names = _called(target)
    tried["that took calls"] += len(_ready(target))
    tried["calls"] += len(names)
    found = [Finding("a call of a guest does not end", name, "", _file(name, written)) for name in late]
    for one in oracle.check(target, written, oracle.Seen()):
        found.append(_named(one, names, written))
    return found


def _named(finding: Finding, names: dict[str, str], written: list[Sent]) -> Finding:
    """Return the finding; if a call killed a child, with that call's module as the only suspect."""
    called = next((name for id, name in names.items() if f"call {id} lost" in finding.detail), "")
    if not called:
        return finding
    [file] = _file(called, written)
    return dataclasses.replace(finding, sign=file.kind, messages=(file,))


def _file(name: str, written: list[Sent]) -> tuple[Sent, ...]:
    """Return the file that holds an operation such as `wasmfleet.m3.go`."""
    stem = name.split(".")[1]
    return (written[int(stem[1:])],) if re.fullmatch(r"m\d+", stem) else (written[-1],)


def _uncompiled(target: Target) -> dict[str, tuple[str, str]]:
    """Wait for the modules to be compiled; return those that are still being compiled after a minute."""
    deadline, left = time.monotonic() + _COMPILED_S, {"": ("compiling", "")}
    while left and time.monotonic() < deadline:
        time.sleep(0.2)
        states = [worker.modules for worker in target.fleet.workers() if worker.role == "wasm"]
        left = {name: state for each in states for name, state in each.items() if state[0] == "compiling"}
    return left


def _called(target: Target) -> tuple[list[str], dict[str, str]]:
    """Call the operations of every ready module; return the names not answered in time, and every call's name by id."""
    names = [
        f"wasmfleet.{name}.{operation}" for name in _ready(target) for operation in ("go", "back", "echo")
    ]
    late, by_id = json.loads(target.fleet.run(_CALL, [target.fleet.url, names, _CALL_S]))
    return late, by_id


def _ready(target: Target) -> list[str]:
    states = [worker.modules for worker in target.fleet.workers() if worker.role == "wasm"]
    built_in = {path.stem for path in _BUILT_IN.glob("*.wasm")}
    return [
        name
        for each in states
        for name, (state, _) in each.items()
        if state == "ready" and name not in built_in
    ]
