"""A user's own `.wasm` files as tasks, called by name from a Celery client that knows nothing else."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import wasmtime

from tests.acceptance.installation import Installation, installation
from tests.needs import need

_EXAMPLES = Path(__file__).parents[2] / "examples" / "own_module"
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


@pytest.fixture(scope="module")
def fleet(modules: Path, greet: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("own"), MODULES=str(modules), TIME_LIMIT="1") as made:
        made.start_fleet("wasm", "python")
        yield made


def test_a_module_of_thirty_lines_of_text_is_a_task(fleet: Installation) -> None:
    assert fleet.call("shouting.shout", data=b"hello, wasm").get(timeout=30) == b"HELLO, WASM"


def test_a_megabyte_goes_through_it(fleet: Installation) -> None:
    assert fleet.call("shouting.shout", data=b"a" * 1_000_000).get(timeout=30) == b"A" * 1_000_000


def test_a_crate_of_twenty_lines_is_a_task_with_typed_arguments(fleet: Installation) -> None:
    assert fleet.call("greet.hello", name="Ada", times=2).get(timeout=30) == "hello, Ada\nhello, Ada\n"
    assert fleet.call("greet.hello", name="Ada").get(timeout=30) == "hello, Ada\n"


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

    assert type(raised.value).__name__ == "InvalidArguments"
    assert reason in str(raised.value)


def test_it_has_no_twin(fleet: Installation) -> None:
    result = fleet.call("shouting.shout", lane="python", data=b"x")

    with pytest.raises(Exception, match="no plain-Python twin") as raised:
        result.get(timeout=30)

    assert type(raised.value).__name__ == "RuntimeUnavailable"


def test_files_that_cannot_be_modules_are_refused_by_name_and_harm_nobody(fleet: Installation) -> None:
    output = fleet.output()

    assert "broken.wasm" in output
    [worker] = [worker for worker in fleet.workers() if worker.role == "wasm"]
    assert worker.modules["greedy"][0] == "failed"
    assert "fd_read" in worker.modules["greedy"][1]
