"""Another user of the machine can do nothing with a running fleet, and sees its password nowhere."""

import base64
import hashlib
import json
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from redis import Redis
from redis.exceptions import ResponseError

from tests.acceptance.installation import Installation, installation, until
from tests.acceptance.up import broker_pid, command_line_of, processes_of, up

_FLOWER_PASSWORD = "flowers-need-water"
_DANGEROUS = """
CONFIG SET dir /tmp|CONFIG REWRITE|CONFIG RESETSTAT|MONITOR|DEBUG SLEEP 0|SHUTDOWN NOSAVE|REPLICAOF NO ONE
SLAVEOF NO ONE|FAILOVER ABORT|MODULE LIST|MODULE LOAD x.so|ACL LIST|ACL SETUSER a|ACL LOG|ACL WHOAMI|ACL SAVE
SAVE|BGSAVE|BGREWRITEAOF|FLUSHALL|FLUSHDB|KEYS *|SWAPDB 0 1|MIGRATE h 1 k 0 1|RESTORE k 0 v|CLIENT KILL ID 1
CLIENT LIST|CLIENT PAUSE 1|FUNCTION LOAD x|FUNCTION FLUSH|SCRIPT FLUSH|SCRIPT KILL|SCRIPT DEBUG SYNC|CLUSTER RESET
PSYNC ? 0|SYNC|LATENCY RESET|SLOWLOG GET|SORT k
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    login = f"somebody:{_FLOWER_PASSWORD}"
    with installation(tmp_path_factory.mktemp("users"), FLOWER_AUTH=login) as made, up(made):
        yield made


def password(fleet: Installation) -> str:
    return (fleet.data / "broker" / "password").read_text()


def wasmfleet(fleet: Installation, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "wasmfleet", *words], env=fleet.environment, capture_output=True, text=True
    )
    return done.stdout + done.stderr


def test_who_has_no_password_gets_nothing(fleet: Installation) -> None:
    with Redis.from_url(fleet.admin_url) as administrator:
        commands = dict(_every_command(administrator.execute_command("COMMAND")))
        host, port = fleet.url.rpartition("@")[2].removesuffix("/0").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as stranger:
            answers = {name: _answer(stranger, name, arity) for name, arity in commands.items()}

    open_to_all = {name for name, answer in answers.items() if "NOAUTH" not in answer}
    assert {"ping", "eval", "monitor", "config|set", "acl|list", "shutdown", "lpush"} <= commands.keys()
    assert open_to_all == {"auth", "reset"}
    assert answers["auth"].startswith("-WRONGPASS")


def _every_command(listed: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield each command of the server with its number of words, except `quit`, which hangs up."""
    for name, command in listed.items():
        subcommands = {name: {"arity": arity} for name, arity in _arities(command)}
        if subcommands:
            yield from _every_command(subcommands)
        elif name != "quit":
            yield name, abs(command["arity"])


def _arities(command: dict[str, Any]) -> list[tuple[str, int]]:
    return [(words[0].decode(), words[1]) for words in command.get("subcommands", [])]


def _answer(connection: socket.socket, name: str, arity: int) -> str:
    words = name.split("|")
    words += ["0"] * (arity - len(words))
    connection.sendall(" ".join(words).encode() + b"\r\n")
    return connection.recv(4096).decode()


@pytest.mark.parametrize(
    "command", [word for line in _DANGEROUS.split("\n") for word in line.split("|") if word]
)
def test_who_has_the_password_can_do_no_harm(fleet: Installation, command: str) -> None:
    refusal = "no permissions|not allowed"  # by the user's rights, or by the server for every user
    with Redis.from_url(fleet.url) as client, pytest.raises(ResponseError, match=refusal):
        client.execute_command(*command.split())


def test_only_this_user_can_read_the_password(fleet: Installation) -> None:
    files = {path.name: path.stat().st_mode & 0o777 for path in (fleet.data / "broker").iterdir()}

    assert (fleet.data / "broker").stat().st_mode & 0o777 == 0o700
    assert files == {"password": 0o600, "users.acl": 0o600, "appendonlydir": 0o700}
    assert len(password(fleet)) >= 40
    assert password(fleet) not in (fleet.data / "broker" / "users.acl").read_text()


def test_no_command_line_shows_a_password(fleet: Installation) -> None:
    until(lambda: " flower " in str(processes_of(fleet.data)), what="Flower runs")
    shown = "\n".join([*processes_of(fleet.data).values(), command_line_of(broker_pid(fleet.data))])

    assert "valkey-server" in shown
    assert password(fleet) not in shown
    assert _FLOWER_PASSWORD not in shown


def test_neither_the_log_nor_the_doctor_shows_the_password(fleet: Installation) -> None:
    told = wasmfleet(fleet, "doctor") + wasmfleet(fleet, "doctor", "--format", "json")

    assert "redis://***@127.0.0.1" in told
    assert password(fleet) not in told
    assert "redis://default:**@127.0.0.1" in fleet.output()
    assert password(fleet) not in fleet.output()


def test_workers_do_not_tell_the_password_when_they_are_asked(fleet: Installation) -> None:
    client = fleet.client()
    client.conf.accept_content = ["json", "msgpack"]
    ask = client.control.inspect(timeout=20, limit=2)

    told = json.dumps([ask.stats(), ask.conf()])

    assert "***@127.0.0.1" in told
    assert password(fleet) not in told


def test_flower_shows_its_pages_to_who_logs_in_and_no_password_to_anybody(fleet: Installation) -> None:
    until(lambda: _page(fleet, "api/workers?refresh=1"), what="Flower answers", log=fleet.output)
    [name, *_] = [worker.worker for worker in fleet.workers()]
    pages = until(lambda: _pages(fleet, name), what=f"Flower knows {name}", log=fleet.output)

    assert _page(fleet, "broker", login="somebody:wrong") == ""
    assert "redis://default:**@127.0.0.1" in pages
    assert password(fleet) not in pages


def _pages(fleet: Installation, worker: str) -> str:
    pages = [_page(fleet, name) for name in ("api/workers?refresh=1", "broker", f"worker/{worker}")]
    return "".join(pages) if all(pages) else ""


def _page(fleet: Installation, path: str, login: str = f"somebody:{_FLOWER_PASSWORD}") -> str:
    url = f"http://127.0.0.1:{fleet.environment['WASMFLEET_FLOWER_PORT']}/{path}"
    token = base64.b64encode(login.encode()).decode()
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers={"Authorization": f"Basic {token}"})
        ) as page:
            return str(page.read().decode())
    except OSError:
        return ""


def test_a_client_that_knows_names_only_is_given_the_url(fleet: Installation) -> None:
    assert wasmfleet(fleet, "url") == fleet.url + "\n"
    assert fleet.call("digest.digest", data=b"abc").get(timeout=30)


def test_the_log_does_not_tell_a_short_secret_to_who_tries_them_all(fleet: Installation) -> None:
    secret = b"1234"
    calls = [fleet.call("digest.digest", data=data) for data in (secret, secret, b"4321")]
    for call in calls:
        call.get(timeout=30)

    first, again, other = [fleet.rows(call.id)[0]["input_digest"] for call in calls]

    assert (first == again, first == other, len(first)) == (True, False, 32)
    for guess in (msgspec.msgpack.encode([secret]), msgspec.msgpack.encode({"data": secret}), secret):
        assert first != hashlib.blake2b(guess, digest_size=16).hexdigest()


def test_a_wrong_password_is_one_clear_line(fleet: Installation) -> None:
    lost = fleet.environment | {"WASMFLEET_BROKER_URL": fleet.url.replace(password(fleet), "x" * 43)}
    command = [sys.executable, "-m", "wasmfleet", "submit", "digest.digest", "--arg", "data=x"]
    done = subprocess.run(command, env=lost, capture_output=True, text=True)

    assert done.returncode == 2
    assert "***@127.0.0.1" in done.stderr
    assert "refuses the credentials; `wasmfleet url` prints those" in done.stderr
    assert "xxx" not in done.stderr
