"""Odd and hostile files in a folder of modules: each is refused at once, with a reason, and harms nothing else."""

import os
import resource
import shutil
import subprocess
import sys
import time
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from tests.acceptance.installation import until
from tests.conftest import copy_compiled_modules
from tests.security import odd_files
from tests.security.odd_files import declaring, nested_loops
from wasmfleet.config.settings import Settings, settings
from wasmfleet.workers.app import app
from wasmfleet.workers.calls.own_modules import register
from wasmfleet.workers.calls.task import OperationTask
from wasmfleet.workers.contracts.signatures import parsed
from wasmfleet.workers.errors import VersionMismatch
from wasmfleet.workers.runtime import modules


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    return replace(settings(), modules=(tmp_path,))


def test_every_odd_file_is_refused_with_its_reason_at_once(tmp_path: Path, here: Settings) -> None:
    reasons = odd_files.make(tmp_path)
    (tmp_path / "right.wasm").write_bytes(declaring("op(a: int = 1) -> str"))
    began = time.monotonic()

    refused = register(here)
    modules.states(here)

    assert time.monotonic() - began < 5
    assert refused.keys() == reasons.keys()
    assert {name: reasons[name] in refused[name] for name in reasons} == dict.fromkeys(reasons, True), refused
    assert all(name.isprintable() and reason.isprintable() for name, reason in refused.items())
    assert "wasmfleet.right.op" in app.tasks


def test_a_file_cannot_take_the_place_of_a_built_in_operation(tmp_path: Path, here: Settings) -> None:
    from wasmfleet.tasks import text

    (tmp_path / "text.wasm").write_bytes(declaring("hash(source: str) -> str"))

    register(here)

    assert app.tasks["wasmfleet.text.hash"] is text.hash
    assert "text" not in modules.files(here)


def test_the_second_of_two_files_of_a_name_is_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tools.wasm").write_bytes(declaring("op"))

    both = replace(settings(), modules=(tmp_path / "one", tmp_path / "two"))

    assert register(both) == {"tools.wasm": "another module already has its name"}


@pytest.mark.parametrize(
    "signature",
    [
        "(a: int = {[]: 1})",
        f"(a: int = {'-' * 900}1)",
        f"(a: int = {'(' * 400}1{')' * 400})",
        f"(a: list = {'[' * 400}{']' * 400})",
        "(__slots__: int)",
        "(_a: int)",
        "(class: int)",
        "(a: int, a: int)",
        "(*a)",
        "(**a)",
        "(*, a: int)",
        "(a: int, /)",
        "(a: Foo)",
        "(a: __import__('os'))",
        "(a: int) -> Foo",
        '(a: int = "x")',
        "(a: str = 1)",
        "(a: int = 18446744073709551616)",
        "(a: object = 1j)",
        "(a: object = {1, 2})",
        "(a: object = ...)",
        '(a: str = "\\ud800")',
        "(a: int): import os; x = (1)",
        "(a: int): ...\ndef b()",
        "(",
        ")",
        "(a: int = \0)",
        "(" + ", ".join(f"p{n}: int" for n in range(33)) + ")",
    ],
)
def test_what_is_no_plain_signature_is_refused(signature: str) -> None:
    with pytest.raises(VersionMismatch):
        parsed(signature)


def test_a_plain_signature_has_its_types_and_defaults() -> None:
    signature, hints = parsed(
        '(name: str, times: int = -1, more: list = [1, {"a": None}], loud: bool = True) -> str'
    )

    assert [p.default for p in signature.parameters.values()][1:] == [-1, [1, {"a": None}], True]
    assert hints == {"name": str, "times": int, "more": list, "loud": bool}


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([f"op{n}" for n in range(257)], "more than 256 operations"),
        (["x" * 65], "64 characters"),
        (["op", "op"], "each once"),
        (["__init__"], "give a name"),
        (["o\u2028p"], "give a name"),
        (["x" * 70_000], "longer than 65,536 bytes"),
        ([], "at least one operation"),
    ],
)
def test_a_section_that_says_too_much_or_nothing_is_refused(
    tmp_path: Path, here: Settings, lines: list[str], reason: str
) -> None:
    (tmp_path / "tools.wasm").write_bytes(declaring(*lines))

    assert reason in register(here)["tools.wasm"]


def test_one_bad_signature_refuses_the_whole_file(tmp_path: Path, here: Settings) -> None:
    (tmp_path / "half.wasm").write_bytes(declaring("good", "bad(*)"))

    assert "half.wasm" in register(here)
    assert not [name for name in app.tasks if name.startswith("wasmfleet.half.")]


def test_a_memory_over_the_limit_is_a_matter_of_the_setting(tmp_path: Path, guests: Path) -> None:
    shutil.copy(guests / "mirror.wasm", tmp_path)
    wide = tmp_path / "mirror.wasm"
    wide.write_bytes(wide.read_bytes().replace(b"\x05\x03\x01\x00\x02", b"\x05\x04\x01\x00\x80\x10", 1))
    small, large = (replace(settings(), modules=(tmp_path,), memory_limit=limit) for limit in (64, 256))

    states = [modules.states(limit)["mirror"] for limit in (small, large, small)]

    assert [state for state, _ in states] == ["failed", "compiling", "failed"]
    assert "needs 128 MiB of memory; WASMFLEET_MEMORY_LIMIT allows 64" in states[0][1]


def test_asking_for_all_states_reads_no_file_that_has_not_changed(tmp_path: Path) -> None:
    """The heartbeat asks every second. A file that changed a moment ago is read again, so the test may wait a while.

    Files beside them come and go meanwhile, as SQLite's do whenever a command looks into the log.
    """
    here = replace(settings(), data_dir=tmp_path)
    copy_compiled_modules(tmp_path / "compiled")

    def read_bytes() -> int:
        for neighbour in (tmp_path / "neighbour", tmp_path / "compiled" / "neighbour"):
            neighbour.touch()
            neighbour.unlink()
        before = _read_by_this_process()
        states = modules.states(here)
        assert {state for state, _ in states.values()} == {"ready"}
        return _read_by_this_process() - before

    until(lambda: read_bytes() < 100_000, seconds=10, what="states without reading")


def _read_by_this_process() -> int:
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"])


def test_a_changed_file_is_seen(tmp_path: Path, here: Settings) -> None:
    path = tmp_path / "tools.wasm"
    digests = []
    for name in ("one", "two", "six"):
        path.write_bytes(declaring(name))
        digests.append((modules.read("tools", path).sha256, list(modules.read("tools", path).operations)))

    assert [names for _, names in digests] == [["one"], ["two"], ["six"]]
    assert len({digest for digest, _ in digests}) == 3


@pytest.mark.parametrize(
    ("most", "reason"),
    [
        ((resource.RLIMIT_CPU, 2), "CPU time"),
        ((resource.RLIMIT_DATA, 150 << 20), "MiB of memory"),
    ],
)
def test_a_file_that_takes_too_much_to_compile_is_a_stored_failure(
    tmp_path: Path, compiled: Path, most: tuple[int, int], reason: str
) -> None:
    """The limits here are lower than those the compiler sets itself, and it keeps the lower ones.

    The operation has a new name in each run, because the failure to compile a file is stored under its digest.
    """
    folder, data = tmp_path / "modules", tmp_path / "data"
    folder.mkdir()
    (folder / "bomb.wasm").write_bytes(nested_loops(f"op_{uuid.uuid4().hex}", 20_000))
    copy_compiled_modules(data / "compiled")  # in the shared one, another test's compiler may be at work
    here = replace(settings(), modules=(folder,), data_dir=data)
    command = [sys.executable, "-m", "wasmfleet.workers.runtime.compile"]

    def lower() -> None:
        resource.setrlimit(most[0], (most[1], most[1] + 1))

    environment = os.environ | {"WASMFLEET_MODULES": str(folder), "WASMFLEET_DATA_DIR": str(data)}
    subprocess.run(command, env=environment, check=True, timeout=120, preexec_fn=lower)

    state, why = modules.states(here)["bomb"]
    assert (state, reason in why) == ("failed", True), why
    assert {modules.states(here)[name][0] for name in modules.manifest()} == {"ready"}


def test_a_user_module_is_an_operation(tmp_path: Path, here: Settings) -> None:
    (tmp_path / "tools.wasm").write_bytes(declaring("shout"))

    assert register(here) == {}
    assert isinstance(app.tasks["wasmfleet.tools.shout"], OperationTask)
