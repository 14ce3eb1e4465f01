"""Names that the machine gives may be any bytes: of the host, of the user, of the data folder."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests import lifeline
from tests.acceptance.conftest import CommandLine, command_line
from tests.acceptance.installation import until
from tests.stock.neighbour import troubles
from wasmfleet.workers.fleet_state.heartbeats import present

#: Sets the host name in a namespace of its own, then becomes the program that follows.
_NAMED = "import os, socket, sys; socket.sethostname(os.fsencode(sys.argv[1])); os.execvp(sys.argv[2], sys.argv[2:])"
_NAMES = {
    "per cent": (b"a%h-%x%", b"d%h%x"),
    "no UTF-8": (b"a\xff%n", b"d\xff%h"),
    "a line end": (b"a\nERROR b", b"d\nERROR"),
}


@pytest.fixture(params=_NAMES)
def odd(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[CommandLine, tuple[str, ...], Path]]:
    """A running fleet under odd names, with what a command must be preceded by to run under them too."""
    host, folder = map(os.fsdecode, _NAMES[request.param])
    before = ("unshare", "--uts", sys.executable, "-c", _NAMED, host)
    if subprocess.run([*before, "true"], capture_output=True).returncode:
        pytest.skip("only root may name a host")
    (tmp_path / folder).mkdir()
    made = command_line(tmp_path / folder)
    made.environment.update(USER=host, LOGNAME=host, HOME=str(made.folder))
    log = tmp_path / "up.log"
    with log.open("wb") as output:
        command = [*before, sys.executable, "-m", "wasmfleet", "up"]
        process = lifeline.start(
            command, env=made.environment, cwd=made.folder, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        until(lambda: b"the fleet is up" in log.read_bytes(), seconds=90, log=lambda: _read(log))
        yield made, before, log
        process.terminate()
        assert process.wait(60) == 0
    finally:
        lifeline.end(process)


def test_a_fleet_serves_under_any_name(odd: tuple[CommandLine, tuple[str, ...], Path]) -> None:
    fleet, before, log = odd
    url = fleet.run("url", before=before).stdout.strip()
    with Redis.from_url(url) as connection:
        workers = {worker.worker: worker.pid for worker in present(connection)}

    called = fleet.run("submit", "digest.digest", "--arg", "data=abc", before=before)
    examined = fleet.run("doctor", before=before)
    lives = fleet.run("healthy", "worker", "--ready", before=before)
    drained = fleet.run("drain", before=before)

    with Redis.from_url(url) as connection:
        after = {worker.worker: worker.pid for worker in present(connection)}
    print(sorted(workers), examined.stdout.splitlines()[-1])
    assert (called.returncode, called.stderr) == (0, "")
    assert (examined.returncode, examined.stderr) == (0, "")
    assert lives.returncode == 0, lives
    assert drained.returncode == 0, drained.stderr
    assert after == workers
    assert "starts again" not in _read(log)
    assert troubles(_read(log)) == []


def _read(log: Path) -> str:
    return log.read_text(errors="backslashreplace")
