"""The JavaScript and TypeScript files below some paths, without those that .gitignore names, .git and node_modules."""

import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

SUFFIXES: Final = frozenset({".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx"})
SKIPPED: Final = frozenset({".git", "node_modules"})

Rules = list[tuple[Path, "GitIgnoreSpec"]]


class Unreadable(Exception):
    """A file cannot be checked. It says why, and at which place of the file."""

    def __init__(self, code: str, reason: str, line: int = 1, column: int = 1, offset: int = 0) -> None:
        super().__init__(reason)
        self.code, self.line, self.column, self.offset = code, line, column, offset


@dataclass(slots=True)
class Found:
    """The files found, with their sizes in bytes, and what was left out.

    `unlisted` has the folders that cannot be read, with the reason. `skipped` counts what was skipped: folders by
    their name, and what a .gitignore names as `ignored`.
    """

    files: dict[Path, int] = field(default_factory=dict)
    unlisted: dict[Path, str] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)

    @property
    def size_bytes(self) -> int:
        return sum(self.files.values())


def find(paths: Sequence[Path]) -> Found:
    """Find every source file of the paths. A path that is a file itself is taken whatever its suffix."""
    found = Found()
    for path in paths:
        if path.is_dir():
            _walk(
                path,
                _inherited(path),
                SKIPPED if not SKIPPED & set(path.absolute().parts) else frozenset(),
                found,
            )
        else:
            _add(path, found)
    return found


def read(path: Path, limit_bytes: int) -> str:
    """Read a file's text. Raises Unreadable."""
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise Unreadable("unreadable", "this is not a regular file")
        if facts.st_size > limit_bytes:
            raise Unreadable("too-large", _too_large(facts.st_size, limit_bytes))
        content = path.read_bytes()
    except OSError as error:
        raise Unreadable("unreadable", f"the file cannot be read: {error.strerror or error}") from None
    return _decoded(content)


def shown(path: Path) -> str:
    """Write a path as text, whatever bytes are in its name."""
    return os.fsencode(path).decode(errors="replace")


def _walk(folder: Path, rules: Rules, skip: frozenset[str], found: Found) -> None:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        found.unlisted[folder] = f"the folder cannot be read: {error.strerror}"
        return
    rules = rules + _own(folder)
    for entry in entries:
        path = folder / entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        if is_folder and entry.name in skip:
            found.skipped[entry.name] += 1
        elif not is_folder and path.suffix not in SUFFIXES:
            continue
        elif _ignored(path, is_folder, rules):
            found.skipped["ignored"] += 1
        elif is_folder:
            _walk(path, rules, skip, found)
        elif not entry.is_dir():
            _add(path, found)


def _add(path: Path, found: Found) -> None:
    try:
        found.files.setdefault(path, path.stat().st_size)
    except OSError:
        found.files.setdefault(path, 0)


def _own(folder: Path) -> Rules:
    try:
        lines = (folder / ".gitignore").read_text(errors="replace").splitlines()
    except OSError:
        return []
    from pathspec import GitIgnoreSpec

    return [(folder.absolute(), GitIgnoreSpec.from_lines(lines))]


def _inherited(folder: Path) -> Rules:
    """Collect the rules of the repository's folders above this one; none where they would ignore this folder itself."""
    rules: Rules = []
    for parent in _above(folder.absolute()):
        rules += _own(parent)
    return [] if _ignored(folder, True, rules) else rules


def _above(folder: Path) -> Iterator[Path]:
    parents = list(folder.parents)
    inside = [folder, *parents]
    root = next((place for place in inside if (place / ".git").exists()), folder)
    yield from (parent for parent in reversed(parents) if parent == root or root in parent.parents)


def _ignored(path: Path, is_folder: bool, rules: Rules) -> bool:
    """Decide as git does: the innermost .gitignore that has a matching rule counts."""
    whole = path.absolute()
    for base, spec in reversed(rules):
        verdict = spec.check_file(whole.relative_to(base).as_posix() + "/" * is_folder).include
        if verdict is not None:
            return verdict
    return False


def _decoded(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise Unreadable("invalid-utf8", _not_utf8(content, error.start), line, column, len(before)) from None


def _not_utf8(content: bytes, at: int) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "this looks like UTF-16; save the file as UTF-8"
    return f"byte 0x{content[at]:02x} at byte {at:,} is not UTF-8; save the file as UTF-8"


def _too_large(size_bytes: int, limit_bytes: int) -> str:
    return (
        f"{size_bytes:,} bytes are more than the limit of {limit_bytes:,}; WASMFLEET_MAX_INPUT sets it in MiB"
    )
