"""A user's own `.wasm` files as tasks, called by name from a Celery client that knows nothing else."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import wasmtime
from celery.exceptions import TaskError
from redis import Redis

from tests.acceptance.installation import Installation, code_of, installation, until
from tests.needs import need
from wasmfleet.config.settings import Settings
from wasmfleet.workers.app import app
from wasmfleet.workers.calls import own_modules

_ROOT = Path(__file__).parents[2]
_EXAMPLES = _ROOT / "examples" / "own_module"
_TARGET = "wasm32-unknown-unknown"


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("modules")
    text = (_EXAMPLES / "shout.wat").read_text()
    (folder / "shouting.wasm").write_bytes(wasmtime.wat2wasm(text))
    (folder / "broken.wasm").write_bytes(b"\0asm\x01\0\0\0")
    (folder / "greedy.wasm").write_bytes(
        wasmtime.wat2wasm(
            '(module (@custom "wasmfleet.operations" "abi 1\\nsteal\\n")'
            ' (import "wasi_snapshot_preview1" "fd_read" (func)) (memory (export "memory") 1)'
            ' (func (export "reserve") (param i32) (result i32) (i32.const 0))'
            ' (func (export "call") (param i32 i32) (result i64) (i64.const 0)))'
        )
    )
    return folder


@pytest.fixture(scope="module")
def greet(modules: Path) -> None:
    """Build the example crate into the folder of modules; this needs Debian's Rust toolchain."""
    cargo, rustc, linker, _ = need("rust")
    target = Path.home() / ".cache" / "wasmfleet-build" / "examples"
    flags = (
        json.dumps({"linker": linker.name})[1:-1]
        .replace('": ', '"=')
        .replace('"linker"', f"target.{_TARGET}.linker")
    )
    command = [
        cargo,
        "-Zbuild-std=std,panic_abort",
        "build",
        "--release",
        "--target",
        _TARGET,
        "--config",
        flags,
    ]
    environment = os.environ | {"RUSTC": str(rustc), "RUSTC_BOOTSTRAP": "1", "CARGO_TARGET_DIR": str(target)}
    subprocess.run(command, cwd=_EXAMPLES / "greet", env=environment, check=True, capture_output=True)
    shutil.copy(target / _TARGET / "release" / "greet.wasm", modules)


def _build(heading: str, folder: Path, modules: Path) -> None:
    """Run the commands that docs/own-modules.md gives under a heading, in a copy of the example's folder."""
    page = (_ROOT / "docs" / "own-modules.md").read_text()
    [block] = re.findall(rf"^### {heading}\n.*?^```console\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    environment = os.environ | {"MODULES": str(modules)}
    for line in block.splitlines():
        command = line.removeprefix("$ ")
        done = subprocess.run(
            command, shell=True, cwd=folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def words(modules: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Build the example in C, as its page says."""
    need("clang")
    folder = tmp_path_factory.mktemp("c")
    shutil.copy(_EXAMPLES / "words.c", folder)
    _build("C", folder, modules)


@pytest.fixture(scope="module")
def backwards(modules: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Build the example in AssemblyScript, as its page says; npm fetches the compiler."""
    need("npm")
    folder = tmp_path_factory.mktemp("assemblyscript") / "backwards"
    shutil.copytree(_EXAMPLES / "backwards", folder)
    _build("AssemblyScript", folder, modules)


@pytest.fixture(scope="module")
def fleet(
    modules: Path, greet: None, words: None, backwards: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    settings = {"MODULES": str(modules), "TIME_LIMIT": "1", "RESULT_EXPIRES": "90"}
    with installation(tmp_path_factory.mktemp("own"), **settings) as made:
        made.start_fleet("wasm", "python")
        yield made


def test_a_module_of_thirty_lines_of_text_is_a_task(fleet: Installation) -> None:
    assert fleet.call("shouting.shout", data=b"hello, wasm").get(timeout=30) == b"HELLO, WASM"


def test_a_megabyte_goes_through_it(fleet: Installation) -> None:
    assert fleet.call("shouting.shout", data=b"a" * 1_000_000).get(timeout=30) == b"A" * 1_000_000


def test_a_crate_of_twenty_lines_is_a_task_with_typed_arguments(fleet: Installation) -> None:
    assert fleet.call("greet.hello", name="Ada", times=2).get(timeout=30) == "hello, Ada\nhello, Ada\n"
    assert fleet.call("greet.hello", name="Ada").get(timeout=30) == "hello, Ada\n"


def test_a_file_in_c_counts_the_words_of_each_call_of_a_batch(fleet: Installation) -> None:
    texts = [b"", b"one", b" two  words\n", b"x " * 100_000]
    calls = [{"text": text} for text in texts]

    answers = fleet.call("batch", operation="wasmfleet.words.count", calls=calls).get(timeout=30)

    assert answers == [[0, 0], [0, 1], [0, 2], [0, 100_000]]
    assert fleet.call("words.count", text=b"two words").get(timeout=30) == 2


def test_a_file_in_assemblyscript_is_a_task(fleet: Installation) -> None:
    assert fleet.call("backwards.reverse", data=b"").get(timeout=30) == b""
    assert fleet.call("backwards.reverse", data=b"forwards").get(timeout=30) == b"sdrawrof"


def test_a_result_is_kept_for_as_long_as_the_setting_says(fleet: Installation) -> None:
    done = fleet.call("words.count", text=b"a b")
    assert done.get(timeout=30) == 2

    with Redis.from_url(fleet.url) as store:
        assert 60 < store.ttl(f"celery-task-meta-{done.id}") <= 90


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"name": 3}, "`name`: expected `str`, got `int`"),
        ({"name": "x", "times": 0}, "times: give 1 to 1000"),
    ],
)
def test_its_errors_are_typed(fleet: Installation, arguments: dict[str, object], reason: str) -> None:
    result = fleet.call("greet.hello", **arguments)

    with pytest.raises(Exception, match=r"times: give|name") as raised:
        result.get(timeout=30)

    assert code_of(raised.value) == "InvalidArguments"
    assert reason in str(raised.value)


def test_it_has_no_twin(fleet: Installation) -> None:
    result = fleet.call("shouting.shout", lane="python", data=b"x")

    with pytest.raises(Exception, match="no plain-Python twin") as raised:
        result.get(timeout=30)

    assert code_of(raised.value) == "RuntimeUnavailable"


def test_a_module_that_came_after_the_workers_start_needs_a_restart(
    fleet: Installation, modules: Path
) -> None:
    text = (_EXAMPLES / "shout.wat").read_text()
    try:
        (modules / "later.wasm").write_bytes(wasmtime.wat2wasm(text))
        until(lambda: [worker.unregistered for worker in fleet.workers()] == [["later.shout"]] * 2)
        with pytest.raises(TaskError) as raised:
            fleet.call("later.shout", data=b"abc").get(timeout=30)
        told = fleet.command("doctor")
    finally:
        (modules / "later.wasm").unlink()

    assert code_of(raised.value) == "UnknownOperation"
    assert told.returncode == 1
    assert told.stdout.count("it does not know later.shout: ") == 2
    assert "mend: restart it" in told.stdout
    assert "start both with the same" not in told.stdout


def test_an_operation_is_unregistered_until_it_is_a_task_with_the_signature_of_its_file(
    tmp_path: Path,
) -> None:
    text = (_EXAMPLES / "shout.wat").read_text()
    file, own = tmp_path / "changing.wasm", Settings(modules=(tmp_path,))
    told = []
    try:
        file.write_bytes(wasmtime.wat2wasm(text))
        told.append(own_modules.unregistered(own))
        assert own_modules.register(own) == {}
        told.append(own_modules.unregistered(own))
        file.write_bytes(wasmtime.wat2wasm(text.replace(r"shout\n", r"shout(data: bytes) -> str\n")))
        told.append(own_modules.unregistered(own))
        file.write_bytes(b"junk")
        told.append(own_modules.unregistered(own))
    finally:
        app.tasks.pop("wasmfleet.changing.shout", None)

    assert told == [["changing.shout"], [], ["changing.shout"], []]


def test_files_that_cannot_be_modules_are_refused_by_name_and_harm_nobody(fleet: Installation) -> None:
    output = fleet.output()

    assert "broken.wasm" in output
    [worker] = [worker for worker in fleet.workers() if worker.role == "wasm"]
    assert worker.modules["greedy"][0] == "failed"
    assert "fd_read" in worker.modules["greedy"][1]
