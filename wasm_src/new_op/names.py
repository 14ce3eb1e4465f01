"""The rules for the names of new operations and families."""

import ast
import keyword
import re

import workspace

from new_op import layout

_SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST = 64
# The strict and the reserved keywords, from the chapter "Keywords" of the Rust reference.
_RUST_KEYWORDS = """
    abstract as async await become box break const continue crate do dyn else enum extern false final fn for gen if
    impl in let loop macro match mod move mut override priv pub ref return self static struct super trait true try
    type typeof unsafe unsized use virtual where while yield
"""
_CRATES = ("abi", "alloc", "core", "proc_macro", "serde", "std", "test")
_RESERVED_FAMILIES = {
    "batch": "the task that carries many calls",
    "target": "the folder that cargo builds in",
    "twins": "the folder of the longer Python bodies",
}
_RESERVED_OPERATIONS = {
    "exports": "the part of a module that the host calls",
    "lib": "the file that makes a crate a module",
    "main": "the file that makes a crate a program",
}
# A function with such a name would hide the type from the signatures below it.
_TYPES = ("bool", "bytes", "dict", "float", "frozenset", "int", "list", "object", "set", "str", "tuple")


class Refused(Exception):
    """A name that no operation can have; the message says why."""


def check(family: str, name: str) -> None:
    """Check both names before anything is written. Raises Refused."""
    _check_word("FAMILY", family, _RESERVED_FAMILIES)
    _check_word("NAME", name, _RESERVED_OPERATIONS)
    if family not in workspace.modules() and (workspace.SOURCES / family).exists():
        raise Refused(f"FAMILY={family}: wasm_src/{family} exists and is no module")
    _check_is_new(family, name)


def _check_word(variable: str, word: str, reserved: dict[str, str]) -> None:
    what = f"{variable}={word}"
    if not word:
        raise Refused(f"{variable} is missing: make new-op FAMILY=text NAME=count_lines")
    if not _SNAKE_CASE.fullmatch(word) or len(word) > _LONGEST:
        raise Refused(
            f"{what}: a name is snake_case: lower-case letters, digits and single _, a letter first, {_LONGEST} at most"
        )
    for language, words in (("Python", keyword.kwlist), ("Rust", _RUST_KEYWORDS.split())):
        if word in words:
            raise Refused(f"{what}: this is a keyword of {language}")
    if word in _CRATES:
        raise Refused(f"{what}: this is a crate that every module is built from")
    if word in reserved:
        raise Refused(f"{what}: this is {reserved[word]}")


def _check_is_new(family: str, name: str) -> None:
    if name in _TYPES:
        raise Refused(f"NAME={name}: this is a type that signatures use")
    if name in _bound(layout.family_text(family)):
        raise Refused(f"NAME={name}: tasks/{family}.py defines or imports this name already")
    for path in (layout.rust_file(family, name), layout.vectors_file(family, name)):
        if path.exists():
            raise Refused(f"NAME={name}: {layout.shown(path)} already exists")


def _bound(source: str) -> set[str]:
    """Return every name that a Python source imports, defines or mentions at its top level."""
    names: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        else:
            names |= {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    return names
