"""A stock Celery app beside a fleet, on the fleet's broker: neither notices the other, except by calling it."""

import contextlib
import gzip
import hashlib
import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from tests.acceptance.conftest import CommandLine
from tests.acceptance.installation import until
from tests.ports import free_port
from tests.stock.neighbour import Neighbour, stock, troubles
from wasmfleet.workers.fleet_state.heartbeats import present


@pytest.fixture(scope="module")
def neighbour(fleet: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neighbour]:
    """A stock app whose worker was started after the fleet."""
    with stock(tmp_path_factory.mktemp("stock"), fleet.run("url").stdout.strip()) as made:
        made.start_worker("--task-events")
        yield made


@pytest.fixture(autouse=True)
def _nobody_complains(fleet: CommandLine, neighbour: Neighbour) -> Iterator[None]:
    """Check after each test that no log tells of trouble, nothing was set aside, and both still serve.

    Tests of other files use the same fleet before.
    """
    log, aside = fleet.folder / "up.log", ("quarantine", "list", "--format", "json")
    told_bytes, there = log.stat().st_size, fleet.run(*aside).stdout
    yield
    assert neighbour.troubles() == []
    assert troubles(log.read_bytes()[told_bytes:].decode()) == []
    assert neighbour.client().send_task("stock_app.add", (2, 3)).get(timeout=30) == 5
    assert fleet.run("submit", "digest.digest", "--arg", "data=abc").returncode == 0
    assert fleet.run(*aside).stdout == there


#: What kombu loads in every app of this virtual environment: the name of our transport, and nothing that uses it.
_OF_THE_ENTRY_POINT = {
    "wasmfleet",
    "wasmfleet.transport",
    "wasmfleet.workers",
    "wasmfleet.workers.transport",
}


def test_a_stock_worker_starts_beside_the_fleet_and_knows_nothing_of_it(neighbour: Neighbour) -> None:
    loaded = neighbour.client().send_task("stock_app.foreign_modules").get(timeout=30)

    assert set(loaded) <= _OF_THE_ENTRY_POINT
    assert "mingle: sync with 2 nodes" in neighbour.output()


def test_stock_commands_read_the_answers_of_every_worker(fleet: CommandLine, neighbour: Neighbour) -> None:
    names = _workers(fleet) | {"stock0@neighbour"}

    shown = neighbour.command("status")
    listed = {
        order: neighbour.command("inspect", "--json", order) for order in ("ping", "active", "registered")
    }
    asked = neighbour.run(
        "import json; from stock_app import app\n"
        "inspect = app.control.inspect(timeout=10, limit=3)\n"
        "orders = 'stats scheduled reserved revoked active_queues conf report clock'.split()\n"
        "print(json.dumps({order: getattr(inspect, order)() for order in orders}))"
    )

    assert (shown.returncode, shown.stdout.count(": OK\n")) == (0, 3)
    assert {order: done.stderr for order, done in listed.items() if done.returncode} == {}
    answers = {order: json.loads(done.stdout) for order, done in listed.items()} | asked
    print({order: sorted(answer) for order, answer in answers.items()})
    assert {order: set(answer) for order, answer in answers.items()} == dict.fromkeys(answers, names)


def test_a_stock_order_reaches_both_and_is_answered_by_both(fleet: CommandLine, neighbour: Neighbour) -> None:
    changed = _told(
        neighbour.command("control", "--json", "rate_limit", "stock_app.add", "1000/s", "--timeout=3")
    )
    watched = _told(neighbour.command("control", "--json", "enable_events", "--timeout=3"))

    assert changed.pop("stock0@neighbour") == {"ok": "new rate limit set successfully"}
    assert set(changed) == _workers(fleet)
    assert all("is not allowed here" in answer["error"] for answer in changed.values())
    assert set(watched) == {*changed, "stock0@neighbour"}


def test_orders_of_the_fleet_are_understood_by_a_stock_worker(
    fleet: CommandLine, neighbour: Neighbour
) -> None:
    asked = _ours(
        fleet,
        "import json; from wasmfleet.workers.app import app\n"
        "print(json.dumps([app.control.inspect(timeout=3).ping(), app.control.inspect(timeout=3).active_queues()]))\n"
        "app.control.revoke('an id that nobody has')\n",
    )

    assert {frozenset(answer) for answer in asked} == {frozenset(_workers(fleet) | {"stock0@neighbour"})}
    until(lambda: "an id that nobody has" in neighbour.command("inspect", "--json", "revoked").stdout)


def test_workers_of_both_kinds_that_come_and_go_are_no_trouble(
    fleet: CommandLine, neighbour: Neighbour
) -> None:
    log = neighbour.folder / "another.fleet-worker"
    before = _workers(fleet)
    another = fleet.start("worker", "python", log=log)
    name = neighbour.start_worker("--autoscale=2,1")
    [other] = until(lambda: _workers(fleet) - before, what="the other worker is up", log=log.read_text)
    assert f"{other}: OK" in neighbour.command("status").stdout

    another.send_signal(signal.SIGTERM)
    assert another.wait(60) == 0
    assert neighbour.stop(name) == 0
    assert troubles(log.read_text()) == []


def test_stock_beat_sends_its_tasks(neighbour: Neighbour) -> None:
    neighbour.start("beat", "--loglevel=INFO", log="beat")

    until(
        lambda: sum("'beat'" in line for line in neighbour.notes()) > 1,
        what="beat's tasks ran",
        log=neighbour.output,
    )
    neighbour.stop("beat")


def test_stock_events_and_flower_show_both(fleet: CommandLine, neighbour: Neighbour) -> None:
    names, port = _workers(fleet) | {"stock0@neighbour"}, free_port()
    neighbour.environment["FLOWER_UNAUTHENTICATED_API"] = "true"
    neighbour.start("events", "--dump", log="events")
    neighbour.start("flower", f"--port={port}", "--address=127.0.0.1", log="flower")

    until(
        lambda: names <= set(_asked(port, "workers")),
        seconds=60,
        what="Flower shows all",
        log=neighbour.output,
    )
    id = (
        neighbour.client()
        .send_task("wasmfleet.digest.digest", kwargs={"data": "abc"}, queue="wasmfleet.any")
        .id
    )
    until(lambda: id in _asked(port, "tasks"), seconds=60, what="Flower shows the call", log=neighbour.output)
    until(lambda: id in neighbour.output("events"), what="the call's events are dumped", log=neighbour.output)
    shown = _asked(port, "workers?refresh=1")
    neighbour.stop("events", how=signal.SIGINT)
    neighbour.stop("flower", how=signal.SIGINT)

    assert {name: bool(worker["registered"]) for name, worker in shown.items()} == dict.fromkeys(names, True)


_CLIENT = """
import json, os
from celery import Celery
client = Celery(broker=os.environ["STOCK_BROKER"], backend=os.environ["STOCK_BACKEND"])
def ours(name, **arguments):
    return client.signature(f"wasmfleet.{name}", kwargs=arguments, queue="wasmfleet.any")
def told(error):
    return f"{type(error).__module__}.{type(error).__name__}: {error}"
one = ours("digest.digest", data=b"abc").delay().get(timeout=30)
bad = ours("ast.validate", source=5, filename="a.js").delay()
try:
    bad.get(timeout=30)
    wrong = ""
except Exception as error:
    wrong = told(error)
print(json.dumps([one, wrong, bad.state]))
"""


def test_a_stock_client_calls_by_name_and_reads_values_and_errors(neighbour: Neighbour) -> None:
    digest, wrong, state = neighbour.run(_CLIENT)

    assert digest == hashlib.sha256(b"abc").hexdigest()
    assert "InvalidArguments" in wrong
    assert state == "FAILURE"


def test_a_stock_app_reads_by_its_id_what_this_package_has_called(
    fleet: CommandLine, neighbour: Neighbour
) -> None:
    digest, packed = _ours(
        fleet,
        "import json; from wasmfleet.tasks import compression, digest\n"
        "print(json.dumps([digest.digest.delay(b'abc').id, compression.compress.delay(bytes(99)).id]))",
    )
    client = neighbour.client()

    assert client.AsyncResult(digest).get(timeout=30) == hashlib.sha256(b"abc").hexdigest()
    assert gzip.decompress(client.AsyncResult(packed).get(timeout=30)) == bytes(99)


def _workers(fleet: CommandLine) -> set[str]:
    """Return the names of the fleet's workers."""
    with Redis.from_url(fleet.run("url").stdout.strip()) as connection:
        return {worker.worker for worker in present(connection)}


def _told(command: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    """Return the answers that a command of Celery has printed, by the worker's name."""
    assert command.returncode == 0, command.stderr
    return {name: answer for told in json.loads(command.stdout) for name, answer in told.items()}


def _ours(fleet: CommandLine, code: str) -> Any:
    """Run a program that has this package, and return what it prints, read as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=fleet.environment,
        cwd=fleet.folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _asked(port: int, path: str) -> Any:
    """Ask a Flower; nothing where it does not listen yet."""
    with (
        contextlib.suppress(OSError),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/api/{path}", timeout=10) as answer,
    ):
        return json.load(answer)
    return {}
