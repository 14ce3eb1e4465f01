"""A data folder of their own for the tests, with the modules compiled once."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

_CACHE = Path(__file__).parent.parent / ".pytest_cache" / "compiled"
_FOLDER = tempfile.TemporaryDirectory(prefix="wasmfleet-tests-")
GUESTS = Path(__file__).parent / "guests"

# Before anything of wasmfleet is imported: settings are read once.
for name in [name for name in os.environ if name.startswith("WASMFLEET_")]:
    del os.environ[name]
os.environ["WASMFLEET_DATA_DIR"] = _FOLDER.name

hypothesis_settings.register_profile("ci", derandomize=True, deadline=None, max_examples=100)
hypothesis_settings.load_profile("ci")


def share_compiled_modules(data_dir: Path) -> None:
    """Lets a data folder use the compiled modules of all test runs: compiling takes longer than most tests."""
    _CACHE.mkdir(parents=True, exist_ok=True, mode=0o700)
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    (data_dir / "compiled").symlink_to(_CACHE, target_is_directory=True)


def compile_modules(environment: dict[str, str]) -> None:
    subprocess.run([sys.executable, "-m", "wasmfleet.workers.runtime.compile"], env=environment, check=True)


@pytest.fixture(scope="session", autouse=True)
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of this process, with every module compiled."""
    folder = Path(_FOLDER.name)
    share_compiled_modules(folder)
    compile_modules(dict(os.environ))
    yield folder
    _FOLDER.cleanup()


@pytest.fixture(scope="session")
def guests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the guests of tests/guests/ as .wasm files."""
    import wasmtime

    folder = tmp_path_factory.mktemp("guests")
    for source in GUESTS.glob("*.wat"):
        (folder / f"{source.stem}.wasm").write_bytes(wasmtime.wat2wasm(source.read_text()))
    return folder
