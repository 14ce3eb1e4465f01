"""What docs/transport.md says: its examples are run, and its tables are those of the code."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from bench.delivery.rows import ROWS
from redis import Redis

from tests import lifeline
from tests.acceptance.installation import until
from wasmfleet.workers.transport.channel import Channel

_ROOT = Path(__file__).parents[2]
_PAGE = (_ROOT / "docs" / "transport.md").read_text()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL)


def _section(title: str) -> str:
    return _PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_examples_of_the_page_run(port: int, broker: "Redis", tmp_path: Path) -> None:
    [app] = [block.replace("localhost:6379", f"127.0.0.1:{port}") for block in _blocks("python")]
    (tmp_path / "shop.py").write_text(app)
    lines = [line[2:] for block in _blocks("console") for line in block.splitlines()]
    commands = [[sys.executable, "-m", *shlex.split(line)] for line in lines if line.startswith("celery ")]
    worker = lifeline.start(commands[0], cwd=tmp_path, env=_outside(), stderr=subprocess.DEVNULL)
    try:
        call = "from shop import add; print(add.delay(2, 3).get(timeout=30))"
        called = subprocess.run([sys.executable, "-c", call], cwd=tmp_path, capture_output=True, text=True)
        told = [subprocess.run(command, cwd=tmp_path, env=_outside()).returncode for command in commands[1:]]
    finally:
        lifeline.end(worker)

    assert (called.stdout, told) == ("5\n", [0, 0]), called.stderr


def _outside() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("WASMFLEET_")}


def test_the_commands_of_the_page_send_a_message_again(broker: "Redis") -> None:
    broker.lpush("celery.deadly", "message")
    lines = [line[2:] for block in _blocks("console") for line in block.splitlines()]
    answers = [broker.execute_command(*line.split()[1:]) for line in lines if line.startswith("redis-cli ")]

    assert answers == [1, [b"message"], b"message"]
    until(lambda: broker.lrange("celery", 0, -1) == [b"message"])


@pytest.mark.parametrize("option", ["max_deaths", "queue_limit", "socket_timeout", "socket_connect_timeout"])
def test_the_defaults_of_the_page_are_those_of_the_code(option: str) -> None:
    [default] = re.findall(rf"^\| [^|]*`{option}`[^|]* \| ([\d.]+)", _section("Options"), re.MULTILINE)

    assert float(default) == float(getattr(Channel, option))


def test_the_measured_table_has_each_row_that_the_command_measures() -> None:
    measured = _section("Measured")

    assert [title for title, _ in ROWS.values() if f"| {title}: " not in measured] == []
    assert "make delivery" in measured
