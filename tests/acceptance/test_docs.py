"""The examples of the documentation, executed against a real fleet as a reader would."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.installation import Installation, installation

_ROOT = Path(__file__).parents[2]
_PAGES = ["README.md", "docs/guide.md", "docs/own-modules.md", "docs/wire.md", "CONTRIBUTING.md"]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (_ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("docs")
    modules = folder / "modules"
    modules.mkdir()
    (folder / "web").mkdir()
    (folder / "web" / "a.ts").write_text("export const a: number = 1;\n")
    with installation(folder, MODULES=str(modules)) as made:
        _python(made, blocks("docs/own-modules.md", "python")[0])
        made.start_fleet("wasm", "python")
        yield made


def _python(fleet: Installation, code: str) -> str:
    known = f"BROKER_URL = {fleet.url!r}\nMODULES = {fleet.environment['WASMFLEET_MODULES']!r}\n"
    arguments = [sys.executable, "-W", "error", "-c", known + code]
    done = subprocess.run(arguments, cwd=_ROOT, env=fleet.environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{code}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("page", [page for page in _PAGES if blocks(page, "python")])
def test_the_python_examples_run(fleet: Installation, page: str) -> None:
    for block in blocks(page, "python"):
        assert "print(" not in block or _python(fleet, block).strip()


@pytest.mark.parametrize(
    "page", [page for page in _PAGES if "$ wasmfleet" in "".join(blocks(page, "console"))]
)
def test_the_shell_examples_run(fleet: Installation, page: str) -> None:
    lines = [line for block in blocks(page, "console") for line in block.splitlines()]
    for line in lines:
        if line.startswith("$ wasmfleet "):
            words = line.partition("#")[0].removeprefix("$ wasmfleet ").split()
            command = [sys.executable, "-m", "wasmfleet", *words]
            done = subprocess.run(
                command, cwd=fleet.folder, env=fleet.environment, capture_output=True, text=True
            )
            assert done.returncode in (0, 1), f"{line}\n{done.stdout}{done.stderr}"


def test_the_reference_is_what_the_docstrings_say() -> None:
    command = [sys.executable, "-m", "wasmfleet", "ops", "--format", "markdown"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert (_ROOT / "docs" / "operations.md").read_text() == done.stdout, "run `make docs`"


def test_every_link_between_pages_leads_somewhere() -> None:
    elsewhere = ["docs/celery.md", "docs/transport.md"]  # pages whose programs other tests run
    for page in [*_PAGES, *elsewhere, "ARCHITECTURE.md"]:
        here = (_ROOT / page).parent
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (_ROOT / page).read_text()):
            assert (here / target).exists(), f"{page} links to {target}"
