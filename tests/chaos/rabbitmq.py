"""A RabbitMQ node for the tests: Debian's server with its own folder, on free ports."""

import os
import subprocess
from pathlib import Path

from amqp.exceptions import AMQPError
from kombu import Connection

from tests import lifeline
from tests.acceptance.installation import until
from tests.ports import free_port


class RabbitMQ:
    """A RabbitMQ node; `url` is its address, and RabbitMQ's own tools find it with `environment`."""

    def __init__(self, folder: Path, server: Path, name_server: Path) -> None:
        self._server = server
        names = free_port()
        # Erlang's name server, epmd. The node would start one itself, as a daemon that outlives the node.
        self._names = lifeline.start([name_server, "-port", str(names)])
        self.port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        name = f"chaos{self.port}@localhost"
        self.environment = {
            "PATH": f"{server.parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "RABBITMQ_NODENAME": name,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "ERL_EPMD_PORT": str(names),
        }
        (folder / "plugins").write_text("[].\n")
        self.start()

    def start(self) -> None:
        self._process = lifeline.start(
            [str(self._server)],
            env=os.environ | self.environment,
            stdout=subprocess.DEVNULL,
        )
        until(self._answers, seconds=90, what="RabbitMQ answers")

    def signal(self, number: int) -> None:
        """Send a signal to the server and its child processes."""
        os.killpg(self._process.pid, number)

    def kill(self) -> None:
        lifeline.end(self._process)

    def close(self) -> None:
        """Kill the node and its name server."""
        self.kill()
        lifeline.end(self._names)

    def _answers(self) -> bool:
        try:
            with Connection(self.url, connect_timeout=1) as connection:
                connection.connect()
        except (AMQPError, OSError):
            return False
        return True
