"""Operations in the canvas and in the tasks of another Celery app, whose worker is a stock one."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import lifeline
from tests.acceptance.installation import Installation, installation, until

_HERE = Path(__file__).parent
_HASH = "78af5f94892f3950"  # XXH3 of abc


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A fleet, and the stock worker of another app on its broker."""
    with installation(tmp_path_factory.mktemp("others")) as made:
        shutil.copy(_HERE / "pipeline_app.py", made.folder)
        shutil.copy(_HERE / "waiting_operations.py", made.package / "tasks" / "waiting.py")
        made.environment |= {"BROKER": made.url, "PYTHONPATH": f"{made.package.parent}:{made.folder}"}
        made.start_fleet("wasm", "python")
        log = made.folder / "stock.log"
        command = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "pipeline_app",
            "worker",
            "-Q",
            "pipeline",
            "-c",
            "1",
        ]
        with log.open("wb") as output:
            worker = lifeline.start(
                [*command, "--loglevel=INFO", "-n", "stock@here"],
                env=made.environment,
                cwd=made.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            until(lambda: "ready." in log.read_text(), what="the stock worker is ready", log=made.output)
            yield made
        finally:
            lifeline.end(worker)


def answer(fleet: Installation, code: str) -> Any:
    """Run a program of a client that knows both apps, and return what it leaves in `answer`."""
    program = (
        "import json\nfrom celery import chain, chord, group\nfrom pipeline_app import greeting, waits\n"
        f"from wasmfleet.tasks import digest, text\n{code}\nprint(json.dumps(answer))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=fleet.environment,
        cwd=fleet.folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{done.stderr}\n{fleet.output()}"
    return json.loads(done.stdout)


def test_an_operation_follows_a_task_of_another_app(fleet: Installation) -> None:
    given = answer(
        fleet,
        """
hashed = text.hash("hello, you")
sent = [
    (greeting.s("you") | text.hash.s()).apply_async(),
    (greeting.s("you") | text.hash.s().set(lane="python")).apply_async(),
    (greeting.s("you") | text.hash.s() | text.hash.s()).apply_async(),
    (greeting.s("you") | text.hash.options(lane="wasm", expires=60).s()).apply_async(),
]
values = [each.get(timeout=30) for each in sent]
answer = [values == [hashed, hashed, text.hash(hashed), hashed], [each.id for each in sent]]
""",
    )

    assert given[0]
    rows = {row["task_id"]: (row["lane"], row["engine"]) for row in fleet.rows(*given[1])}
    wanted = [("any", "wasm"), ("python", "python"), ("any", "wasm"), ("wasm", "wasm")]
    assert [rows[task_id] for task_id in given[1]] == wanted


def test_an_operation_is_a_callback_of_a_task_of_another_app(fleet: Installation) -> None:
    given = answer(
        fleet,
        """
follows = text.hash.s()
result = follows.freeze()
greeting.apply_async(("you",), link=follows)
answer = result.get(timeout=30) == text.hash("hello, you")
""",
    )

    assert given


@pytest.mark.parametrize(
    ("way", "wanted"),
    [("get", _HASH), ("many", [_HASH] * 2), ("aio", _HASH), ("group", [_HASH] * 2)],
)
def test_a_task_of_another_app_may_wait_for_calls_of_the_fleet(
    fleet: Installation, way: str, wanted: Any
) -> None:
    assert answer(fleet, f"answer = waits.delay({way!r}).get(timeout=60)") == wanted


def test_a_task_of_another_app_may_wait_for_a_chain_of_the_fleet(fleet: Installation) -> None:
    assert answer(fleet, "answer = waits.delay('chain').get(timeout=60) == text.hash(text.hash('abc'))")


def test_where_tasks_of_the_waiting_app_come_before_celerys_rule_stands(fleet: Installation) -> None:
    told = answer(
        fleet,
        "answer = str(waits.delay('after a task of this app').get(timeout=60, propagate=False))",
    )

    assert "Never call result.get() within a task!" in told


@pytest.mark.parametrize("way", ["get", "many"])
def test_a_call_of_the_fleet_itself_may_not_wait_for_another(fleet: Installation, way: str) -> None:
    told = answer(
        fleet,
        "from wasmfleet.tasks import waiting\n"
        f"answer = str(waiting.inside.options(lane='python').delay(way={way!r}).get(timeout=60, propagate=False))",
    )

    assert "Never call result.get() within a task!" in told
