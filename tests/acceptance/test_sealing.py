"""With WASMFLEET_SEAL_KEY, only client and worker see the arguments and results of `crypto.*`."""

import base64
import contextlib
import hashlib
import json
import os
import secrets
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests import lifeline
from tests.acceptance.installation import installation, until
from tests.chaos.fleet import ChaosFleet, children, kill_group

_HERE = Path(__file__).parent
_CLIENT = (_HERE / "sealed_client.py").read_text()
_FRAIL = '''

@operation(parity="exact")
def frail(data: bytes) -> bytes:
    """Gives what it gets, or kills its own process."""
    import os, signal

    return os.kill(os.getpid(), signal.SIGKILL) if data == b"die" else data
'''
_READERS = {
    b"string": lambda store, key: store.get(key),
    b"hash": lambda store, key: store.hgetall(key),
    b"list": lambda store, key: store.lrange(key, 0, -1),
    b"set": lambda store, key: store.smembers(key),
    b"zset": lambda store, key: store.zrange(key, 0, -1),
}


class SealingFleet(ChaosFleet):
    """A fleet with two keys, one of which seals, and with operations that mishandle secrets."""

    def __init__(self, folder: Path) -> None:
        keyring = folder / "keys.json"
        keys = {name: base64.b64encode(os.urandom(32)).decode() for name in ("data", "seal")}
        keyring.write_text(json.dumps(keys))
        keyring.chmod(0o600)
        super().__init__(folder, KEYRING=str(keyring), SEAL_KEY="seal", TIME_LIMIT="5")
        shutil.copy(_HERE / "after_sealed.py", self.package / "tasks" / "after.py")
        crypto = self.package / "tasks" / "crypto.py"
        crypto.write_text(crypto.read_text() + _FRAIL)
        self.module = self.package / "wasm_bin" / "crypto.wasm"
        self.aside = folder / "crypto.wasm"

    def ask(self, given: dict[str, Any], **settings: str) -> dict[str, Any]:
        """Call functions of `sealed_client` in a client with these settings, and return what each gives."""
        usual = self.environment
        self.environment = usual | {f"WASMFLEET_{key}": value for key, value in settings.items()}
        try:
            found: dict[str, Any] = json.loads(self.run(_CLIENT, given))
            return found
        finally:
            self.environment = usual

    @contextlib.contextmanager
    def listened_to(self) -> Iterator[None]:
        """Write every event of the fleet to a log meanwhile, so that `holders` searches events too."""
        command = [sys.executable, "-m", "celery", f"--broker={self.url}", "events", "--dump"]
        environment = self.environment | {"PYTHONUNBUFFERED": "1"}
        log = self.folder / "events.log"
        with log.open("wb") as output:
            listener = lifeline.start(command, env=environment, stdout=output)
        try:
            until(lambda: "heartbeat:" in log.read_text(), what="an event", log=self.output)
            yield
        finally:
            lifeline.end(listener)

    def holders(self, secret: str) -> set[str]:
        """Return the kinds of places that hold the secret, however it is encoded there."""
        forms = _forms(secret.encode())
        return {name for name, text in self._places() if any(form in text for form in forms)}

    def _places(self) -> Iterator[tuple[str, bytes]]:
        for path in [*self.data.glob("**/*"), *self.folder.glob("*.log")]:
            if path.is_file() and "compiled" not in path.parts:
                yield path.suffix, path.read_bytes()
        with Redis.from_url(self.url) as store:
            for key in store.scan_iter():
                read = _READERS[store.type(key)]
                yield "key", key + b"\n".join(_flat(read(store, key)))


def _flat(value: Any) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    for part in value.items() if isinstance(value, dict) else value if not isinstance(value, bytes) else ():
        yield from _flat(part)


def _forms(secret: bytes) -> set[bytes]:
    """Return the secret as it is, in hexadecimal, and in base64 (once or twice) as part of a longer text."""
    once = _encoded(secret)
    return {secret, secret.hex().encode(), *once, *(form for text in once for form in _encoded(text))}


def _encoded(text: bytes) -> set[bytes]:
    return {base64.b64encode(b"?" * before + text)[4:-4] for before in range(3)}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SealingFleet]:
    """A fleet without the sandbox module `crypto`, so that its calls are handed over to plain Python."""
    with installation(tmp_path_factory.mktemp("sealing"), SealingFleet) as made:
        shutil.move(made.module, made.aside)
        made.start_fleet("wasm", "python")
        with made.listened_to():
            yield made


def test_only_the_client_knows_its_secrets(fleet: SealingFleet) -> None:
    known = {
        "single": True,
        "hashed": True,
        "chained": True,
        "follows_an_open_call": True,
        "gathered": True,
        "many": True,
        "quoted": ["InvalidSource", {"line": 1, "column": 2}],
        "dies_in_a_batch": [True, "Quarantined", True],
        "dies_of_it": ["Quarantined", None],
    }
    secret = {calls: secrets.token_hex(24) for calls in known}

    assert fleet.ask(secret) == known
    assert {calls: fleet.holders(text) for calls, text in secret.items()} == {calls: set() for calls in known}


def test_without_the_option_the_broker_knows_them_as_well(fleet: SealingFleet) -> None:
    calls = ("single", "hashed", "chained", "follows_an_open_call", "gathered", "many", "dies_in_a_batch")
    secret = {name: secrets.token_hex(24) for name in calls}

    fleet.ask(secret, SEAL_KEY="")

    assert [name for name, text in secret.items() if ".aof" not in fleet.holders(text)] == []
    assert {place for text in secret.values() for place in fleet.holders(text)} == {".aof", "key"}


def test_a_box_that_was_changed_is_a_typed_error(fleet: SealingFleet) -> None:
    changed = ("flipped", "cut", "empty", "of another operation", "renamed", "a result", "by the key itself")
    malformed = ("of another version", "no box", "no arguments", "not alone")
    found = fleet.ask({"changed": "", "forged": ""})

    assert found["changed"] == {
        "as it was sealed": "bytes",
        **dict.fromkeys((*changed, "of another key", "as an argument"), "AuthenticationFailed"),
        **dict.fromkeys(malformed, "InvalidArguments"),
        "of an unknown key": "UnknownKey",
    }
    wrong = ["AuthenticationFailed", "AuthenticationFailed", "UnknownKey", "InvalidArguments"]
    assert found["forged"] == ["bytes", *wrong]


def test_a_client_without_the_key_is_told_so(fleet: SealingFleet) -> None:
    [id] = fleet.ask({"published": "data"})["published"][:1]

    refused = fleet.ask({"refused": "", "code_of": id}, SEAL_KEY="other")
    assert refused == {
        "refused": ["UnknownKey", "the keyring of this process has no key 'other'"],
        "code_of": "bytes",
    }
    assert fleet.ask({"code_of": id}, SEAL_KEY="", KEYRING="") == {"code_of": "UnknownKey"}


def test_a_client_that_knows_names_only_is_served_as_before(fleet: SealingFleet) -> None:
    assert fleet.call("crypto.sha256", data=b"abc").get(timeout=30) == hashlib.sha256(b"abc").hexdigest()


def test_flower_has_no_keys(fleet: SealingFleet) -> None:
    pid = fleet.start("flower")

    until(
        lambda: b"workers.node.flower" in Path(f"/proc/{pid}/cmdline").read_bytes(),
        what="Flower runs",
        log=fleet.output,
    )
    names = {line.partition(b"=")[0] for line in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")}
    assert b"WASMFLEET_BROKER_PORT" in names
    assert names & {b"WASMFLEET_KEYRING", b"WASMFLEET_SEAL_KEY"} == set()


def test_what_waits_or_comes_back_after_a_kill_is_still_sealed(fleet: SealingFleet) -> None:
    secret = secrets.token_hex(24)
    [worker] = [worker.pid for worker in fleet.workers() if worker.role == "python"]
    for child in children(worker):
        os.kill(child, signal.SIGSTOP)

    ids = fleet.ask({"published": secret})["published"]
    until(lambda: fleet.held() >= 3, what="the worker holds two calls and a batch", log=fleet.output)
    assert fleet.holders(secret) == set()
    kill_group(worker)
    fleet.start("python")
    shutil.move(fleet.aside, fleet.module)

    assert fleet.ask({"decrypted": ids[1:3]}) == {"decrypted": [secret] * 2}
    until(lambda: len(fleet.rows(*ids)) == 5, what="each has its row", log=fleet.output)
    [waited] = fleet.rows(ids[2])
    assert (waited["engine"], waited["outcome"]) == ("wasm", "ok")
    assert fleet.holders(secret) == set()
