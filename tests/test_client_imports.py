"""A client's imports need none of the fleet's packages, which these tests make impossible to import."""

import base64
import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path

_REFUSED = """
import sys
from wasmfleet.workers.errors import RuntimeUnavailable

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1:]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refusing())
from wasmfleet.workers.app import load_families

load_families()
"""
_CALLED = """
from wasmfleet.tasks import digest

try:
    digest.digest(b"abc")
except RuntimeUnavailable as error:
    print(error)
"""
_SEALED = """
from wasmfleet.tasks import crypto

try:
    crypto.sign.delay(b"abc", key_id="one")
except RuntimeUnavailable as error:
    print(error)
"""


def run_without_extras(program: str, **environment: str) -> str:
    """Run a program that can import no package of the extras `fleet` and `sealing`; return what it prints."""
    needed = [line for line in requires("wasmfleet") or [] if re.search("extra == .(fleet|sealing)", line)]
    names = {re.match(r"[\w.-]+", line)[0].lower() for line in needed}  # type: ignore[index]
    modules = [
        module
        for module, owners in packages_distributions().items()
        if module != "wasmfleet" and not names.isdisjoint(owner.lower() for owner in owners)
    ]
    assert {"wasmtime", "brotli", "esprima", "cryptography", "sqlite_utils", "typer"} <= set(modules)
    command = [sys.executable, "-c", _REFUSED + program, *modules]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_family_imports_without_the_fleets_packages() -> None:
    assert run_without_extras("print('imported')") == "imported\n"


def test_a_call_in_a_clients_own_process_says_what_to_install() -> None:
    told = run_without_extras(_CALLED)

    assert "wasmfleet.digest.digest in this process needs " in told
    assert "pip install '.[fleet]'" in told


def test_a_clients_command_lists_a_family_as_the_fleets_does() -> None:
    told = run_without_extras("from wasmfleet.workers.cli import client; client.run(['ops', 'digest'])")

    assert "wasmfleet.digest.digest(" in told
    assert {line.split(".")[1] for line in told.splitlines() if line.startswith("wasmfleet.")} == {"digest"}


def test_a_client_that_cannot_seal_says_what_to_install(tmp_path: Path) -> None:
    keyring = tmp_path / "keyring.json"
    keyring.write_text(json.dumps({"mine": base64.b64encode(bytes(32)).decode()}))
    keyring.chmod(0o600)

    told = run_without_extras(_SEALED, WASMFLEET_KEYRING=str(keyring), WASMFLEET_SEAL_KEY="mine")

    assert "pip install '.[sealing]'" in told
