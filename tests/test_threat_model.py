"""The threat model stays true: the tests that it names exist, and what it calls pinned has its hash."""

import hashlib
import json
import re
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_TEXT = (_ROOT / "docs" / "threat-model.md").read_text()
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def test_every_promise_names_a_test() -> None:
    promised = _TEXT.partition("## What is promised")[2].partition("## What is not promised")[0]
    parts = {part.partition("\n")[0]: part for part in promised.split("\n### ")[1:]}

    assert len(parts) >= 17
    assert [title for title, part in parts.items() if not _NAMED.search(part)] == []


def test_every_test_it_names_exists() -> None:
    named = set(_NAMED.findall(_TEXT))
    missing = [f"{path}::{name}" for path, name in named if not _has(_ROOT / path, name)]

    assert len(named) > 40
    assert missing == []


def test_every_version_that_is_installed_and_every_built_in_module_is_pinned_by_its_hash() -> None:
    for lock in (_ROOT / "requirements.lock", _ROOT / "bench" / "requirements.lock"):
        entries = re.split(r"^(?=[\w.-]+==)", lock.read_text(), flags=re.MULTILINE)
        assert [entry for entry in entries if "==" in entry and "--hash=sha256:" not in entry] == []
    manifest = json.loads((_ROOT / "wasm_bin" / "manifest.json").read_text())["modules"]
    found = {
        path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in _ROOT.glob("wasm_bin/*.wasm")
    }

    assert found == {name: module["sha256"] for name, module in manifest.items()}


def _has(path: Path, name: str) -> bool:
    return path.is_file() and re.search(rf"^def {name}\(", path.read_text(), re.MULTILINE) is not None
