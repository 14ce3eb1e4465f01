"""The Rust workspace: list its modules, digest the sources of one, add a new one."""

import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).resolve().parent
MANIFEST, LOCK = SOURCES / "Cargo.toml", SOURCES / "Cargo.lock"
SHARED_SOURCES = ["abi", "stubs", ".cargo/config.toml"]
_MEMBERS = re.compile(r"^members = \[.*?\]$", re.MULTILINE | re.DOTALL)


def modules() -> list[str]:
    """Return the workspace's members that are built into modules: all but the crate `abi`."""
    members = tomllib.loads(MANIFEST.read_text())["workspace"]["members"]
    return [member for member in members if member != "abi"]


def add_member(name: str) -> None:
    """Add a crate to the workspace's members in Cargo.toml."""
    members = sorted(["abi", *modules(), name])
    lines = "".join(f'    "{member}",\n' for member in members)
    MANIFEST.write_text(_MEMBERS.sub(f"members = [\n{lines}]", MANIFEST.read_text(), count=1))


def sources_sha256(name: str) -> str:
    """Return the digest of everything in this workspace that a module is made of.

    What belongs only to other modules is left out, so that a new module does not change their digests.
    """
    digest = hashlib.sha256()
    for path in sorted(file for place in [name, *SHARED_SOURCES] for file in _files(SOURCES / place)):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(SOURCES).as_posix()}\0{len(data)}\0".encode() + data)
    digest.update(json.dumps([_settings(), _locked(name)], sort_keys=True).encode())
    return digest.hexdigest()


def _files(place: Path) -> list[Path]:
    return [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]


def _settings() -> dict[str, Any]:
    """Return the workspace's manifest without the list of its members."""
    manifest = tomllib.loads(MANIFEST.read_text())
    del manifest["workspace"]["members"]
    return manifest


def _locked(name: str) -> list[dict[str, Any]]:
    """Return the lock file's entries for a module and all its dependencies, direct and indirect."""
    packages = tomllib.loads(LOCK.read_text())["package"]
    by_reference = {reference: package for package in packages for reference in _references(package)}
    needed: list[dict[str, Any]] = []
    waiting = [package for package in packages if package["name"] == name and "source" not in package]
    while waiting:
        package = waiting.pop()
        if package not in needed:
            needed.append(package)
            waiting += [by_reference[reference] for reference in package.get("dependencies", [])]
    return sorted(needed, key=lambda package: (package["name"], package["version"]))


def _references(package: dict[str, Any]) -> list[str]:
    """Return the names under which other entries may list a package.

    A lock file uses the shortest of them that is unambiguous.
    """
    name, version, source = package["name"], package["version"], package.get("source", "")
    return [name, f"{name} {version}", f"{name} {version} ({source})"]
