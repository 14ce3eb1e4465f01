"""The programs of docs/celery.md, run as their readers would: under a real server, in a stock worker, at a prompt."""

import contextlib
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import lifeline
from tests.acceptance.installation import Installation, installation, until
from tests.ports import free_port

_PAGE = (Path(__file__).parents[2] / "docs" / "celery.md").read_text()


def programs(heading: str, language: str = "python") -> list[str]:
    """Return the programs below a heading of the page."""
    [section] = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", _PAGE, re.MULTILINE | re.DOTALL)
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("page")) as made:
        made.environment |= {
            "SHOP_BROKER": made.url,
            "PYTHONPATH": f"{made.package.parent}:{made.folder}",
        }
        (made.folder / "shop.py").write_text(programs("Your own Celery")[0])
        made.start_fleet("wasm", "python")
        yield made


@contextlib.contextmanager
def started(fleet: Installation, *words: str | Path, says: str) -> Iterator[None]:
    """Run `python -m` with these words until the block ends, from when it says that it is ready."""
    log = fleet.folder / f"{words[0]}.log"
    with log.open("wb") as output:
        process = lifeline.start(
            [sys.executable, "-m", *words],
            env=fleet.environment,
            cwd=fleet.folder,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: says in log.read_text(), what=f"{words[0]} says {says!r}", log=log.read_text)
        yield
    finally:
        lifeline.end(process)


@contextlib.contextmanager
def served(fleet: Installation, heading: str, application: str) -> Iterator[str]:
    """Serve the web application below a heading with uvicorn, and give its address."""
    [program] = programs(heading)
    name, port = f"{heading.lower()}_example", free_port()
    (fleet.folder / f"{name}.py").write_text(program)
    place = ("--host", "127.0.0.1", "--port", str(port))
    with started(fleet, "uvicorn", f"{name}:{application}", *place, says="Application startup complete"):
        yield f"http://127.0.0.1:{port}"


def asked(url: str, body: bytes | None = None) -> tuple[int, Any]:
    """Return the status and the JSON of an answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def run(fleet: Installation, program: str, *options: str) -> list[str]:
    """Run a program, and return the lines that it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *options, "-c", program],
        env=fleet.environment,
        cwd=fleet.folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout.splitlines()


def test_asyncio(fleet: Installation) -> None:
    [program] = programs("asyncio")

    lines = run(fleet, program)

    assert lines[0].startswith("ba7816bf")
    assert lines[1:] == ["[True, False]", "0 True", "1 False"]


def test_fastapi_serves_a_call_and_tells_its_errors(fleet: Installation) -> None:
    with served(fleet, "FastAPI", "app") as url:
        good, bad = (
            asked(f"{url}/check/a.ts", b"let a: number = 1"),
            asked(f"{url}/check/a.ts", b"let a: = 1"),
        )
        refused = asked(f"{url}/check/a.ts", b" " * (33 << 20))

    assert (good[0], good[1]["valid"], bad[0], bad[1]["valid"]) == (200, True, 200, False)
    assert (refused[0], refused[1]["detail"]["code"]) == (422, "InputTooLarge")


def test_django_serves_both_kinds_of_view(fleet: Installation) -> None:
    with served(fleet, "Django", "application") as url:
        checked = asked(f"{url}/check/a.ts", b"let a: = 1")
        hashed = asked(f"{url}/hashes?word=abc&word=")

    assert (checked[0], checked[1]["valid"]) == (200, False)
    assert [one[:8] for one in hashed[1]["hashes"]] == ["ba7816bf", "e3b0c442"]


def test_a_stock_worker_runs_the_tasks_that_call_operations(fleet: Installation) -> None:
    _, canvas, followed, joined, tasks = programs("Your own Celery")
    worker = (
        "celery",
        "-A",
        "shop",
        "worker",
        "-c",
        "1",
        "--loglevel=INFO",
    )
    with started(fleet, *worker, says=" ready."):
        piped, then, both, waited = (run(fleet, program) for program in (canvas, followed, joined, tasks))

    assert piped[0] == "True"
    assert re.fullmatch("[0-9a-f]{32}", piped[1])
    assert re.fullmatch("export const name = '[0-9a-f]{16}';", then[0])
    assert re.fullmatch(r"\['[0-9a-f]{16}', \"export const name = 'b.js';\"\]", both[0])
    assert re.fullmatch(r"\[True, True\] [0-9a-f]{16}", waited[0])


def test_cells_of_a_notebook(fleet: Installation) -> None:
    """`python -m asyncio` reads its lines within a running event loop, as a notebook's kernel does its cells."""
    [cells] = programs("Notebooks", "ipython")
    done = subprocess.run(
        [sys.executable, "-m", "asyncio"],
        input=cells,
        env=fleet.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.stdout.count("ba7816bf") == 3, done
    assert "['ba7816bf', 'e3b0c442']" in done.stdout


def test_pools_of_processes(fleet: Installation) -> None:
    [program] = programs("Pools of processes")

    assert run(fleet, program) == ["ca978112"]


def test_every_program_of_the_page_is_run_here() -> None:
    ran = {
        "asyncio": 1,
        "FastAPI": 1,
        "Django": 1,
        "Your own Celery": 5,
        "Notebooks": 1,
        "Pools of processes": 1,
    }

    fences = re.findall(r"^```(\w+)$", _PAGE, re.MULTILINE)
    assert len(fences) == sum(ran.values())
    assert {name: len(programs(name) or programs(name, "ipython")) for name in ran} == ran
