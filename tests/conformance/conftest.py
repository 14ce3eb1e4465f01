"""Give every test the keyring of the vectors, which operations that take a key need."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conformance.vectors import FOLDER
from wasmfleet.config import settings as configured
from wasmfleet.workers.secrecy import keyring


@pytest.fixture(autouse=True, scope="package")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    file = tmp_path_factory.mktemp("keys") / "keyring.json"
    file.write_bytes((FOLDER / "keyring.json").read_bytes())
    file.chmod(0o600)
    chosen = replace(configured.settings(), keyring=file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keyring, "settings", lambda: chosen)
        yield file
