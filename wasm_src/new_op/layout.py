"""The paths of an operation's files, and the text that they have before the author begins."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Template

import workspace

ROOT = workspace.SOURCES.parent
_TEMPLATES = Path(__file__).parent / "templates"
_MODULE = re.compile(r"abi::module!\((?P<operations>[^)]*)\)")


class Unreadable(Exception):
    """A file of an existing family lacks the line that must be changed; the message says which."""


def family_file(family: str) -> Path:
    return ROOT / "tasks" / f"{family}.py"


def rust_file(family: str, name: str) -> Path:
    return workspace.SOURCES / family / "src" / f"{name}.rs"


def vectors_file(family: str, name: str) -> Path:
    return ROOT / "tests" / "vectors" / family / f"{name}.json"


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def family_text(family: str) -> str:
    """Return the text of the family's Python file, or of the template if there is no such file yet."""
    path = family_file(family)
    return path.read_text() if path.exists() else _filled("family.py", family=family)


def files(family: str, name: str) -> Iterator[tuple[Path, str]]:
    """Yield each file that the operation adds or changes, with its whole new text. Raises Unreadable."""
    words = {"family": family, "name": name}
    crate = workspace.SOURCES / family
    library = crate / "src" / "lib.rs"
    yield family_file(family), _with_import(family) + _filled("operation.py", **words)
    if library.exists():
        yield library, _with_operation(library, name)
    else:
        yield crate / "Cargo.toml", _filled("crate.toml", **words)
        yield library, _filled("lib.rs", **words)
    yield rust_file(family, name), _filled("operation.rs", **words)
    yield vectors_file(family, name), _filled("vectors.json", **words)


def _filled(template: str, **words: str) -> str:
    return Template((_TEMPLATES / f"{template}.in").read_text()).substitute(words)


def _with_operation(library: Path, name: str) -> str:
    text = library.read_text()
    found = _MODULE.search(text)
    if found is None:
        raise Unreadable(f"{shown(library)} has no `abi::module!(…)` to add the operation to")
    operations = sorted({*re.findall(r"\w+", found["operations"]), name})
    return _MODULE.sub(f"abi::module!({', '.join(operations)})", text, count=1)


def _with_import(family: str) -> str:
    """Return the text of the family's file with `operation` imported, which a family of aliases may not do yet."""
    text = family_text(family)
    module = _import(_filled("family.py", family=family)).module
    for node in ast.parse(text).body:
        if isinstance(node, ast.ImportFrom) and node.module == module:
            names = sorted({*(alias.name for alias in node.names), "operation"})
            lines = text.split("\n")
            lines[node.lineno - 1 : node.end_lineno] = [f"from {module} import {', '.join(names)}"]
            return "\n".join(lines)
    raise Unreadable(f"tasks/{family}.py imports nothing from {module}; add `from {module} import operation`")


def _import(source: str) -> ast.ImportFrom:
    """Return the only import of a Python source, here the template of a new family."""
    [node] = [node for node in ast.parse(source).body if isinstance(node, ast.ImportFrom)]
    return node
