"""Set up what all tests share: a data folder that only they use, with the modules compiled once."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings as hypothesis_settings

from tests import tools

if TYPE_CHECKING:
    from wasmfleet.config.settings import Settings

_CACHE = Path(__file__).parent.parent / ".pytest_cache" / "compiled"
_FOLDER = tempfile.TemporaryDirectory(prefix="wasmfleet-tests-")
GUESTS = Path(__file__).parent / "guests"

# This comes before anything of wasmfleet is imported, because settings are read only once.
for name in [name for name in os.environ if name.startswith("WASMFLEET_")]:
    del os.environ[name]
os.environ["WASMFLEET_DATA_DIR"] = _FOLDER.name

hypothesis_settings.register_profile("ci", derandomize=True, deadline=None, max_examples=200)
hypothesis_settings.register_profile("deep", derandomize=False, deadline=None, max_examples=2000)
hypothesis_settings.load_profile("ci")  # `make deep` chooses the profile deep


_LONG_S = 30.0
_MOST_PROCESSES = 8


def pytest_report_header() -> list[str]:
    """Tell which tools this machine lacks, what is not tested without them, and what installs them."""
    return [tools.told(tool) for tool in tools.missing()] or ["tools of the machine: all are there"]


def pytest_xdist_auto_num_workers() -> int:
    """Use two processes for each core, because most tests wait for processes that they have started."""
    return min(2 * (os.cpu_count() or 1), _MOST_PROCESSES)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files whose tests may take longest, so that no process is left alone with one at the end."""
    longest: dict[Path, float] = {}
    for item in items:
        if mark := item.get_closest_marker("timeout"):
            longest[item.path] = max(longest.get(item.path, 0.0), mark.args[0])
    items.sort(key=lambda item: -longest.get(item.path, 0.0))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the tests outside tests/chaos that took so long that they would make `make test` slow."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    spent: dict[str, float] = {}
    for report in reports:
        if isinstance(report, pytest.TestReport) and not report.nodeid.startswith("tests/chaos/"):
            spent[report.nodeid] = spent.get(report.nodeid, 0.0) + report.duration
    if long := {name: seconds for name, seconds in spent.items() if seconds > _LONG_S}:
        terminalreporter.section(f"longer than {_LONG_S:g} s: share a fleet, or move to tests/chaos")
        for name, seconds in sorted(long.items(), key=lambda item: -item[1]):
            terminalreporter.line(f"{seconds:4.0f} s  {name}")


def share_compiled_modules(data_dir: Path) -> None:
    """Let a data folder use the compiled modules of all test runs; compiling takes longer than most tests."""
    _CACHE.mkdir(parents=True, exist_ok=True, mode=0o700)
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    (data_dir / "compiled").symlink_to(_CACHE, target_is_directory=True)


def copy_compiled_modules(to: Path) -> None:
    """Copy the modules that are compiled by now, while other test processes may be compiling more of them."""
    to.mkdir(mode=0o700, parents=True)
    for path in _CACHE.iterdir():
        with contextlib.suppress(FileNotFoundError):  # a temporary file, which has been renamed since
            shutil.copy2(path, to / path.name)


def compile_modules(environment: Mapping[str, str]) -> None:
    """Compile what a process with this environment would load, or wait while another test's process compiles.

    The command exits with 1 where a module cannot be used, as some tests want it.
    """
    done = subprocess.run(
        [sys.executable, "-m", "wasmfleet", "compile"], env=environment, stdout=subprocess.DEVNULL
    )
    assert done.returncode in (0, 1)


@pytest.fixture(scope="session", autouse=True)
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of this process, with every module compiled."""
    folder = Path(_FOLDER.name)
    share_compiled_modules(folder)
    compile_modules(os.environ)
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


@pytest.fixture(scope="session")
def with_guests(guests: Path, compiled: Path) -> "Settings":
    """The settings of this process with the guests of tests/guests/ as modules, which are compiled."""
    from wasmfleet.config.settings import settings

    compile_modules(os.environ | {"WASMFLEET_MODULES": str(guests)})
    return replace(settings(), modules=(guests,))
