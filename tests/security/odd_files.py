"""Files that a worker must refuse to load from a folder of modules, each with a part of the reason for its refusal."""

import os
import socket
from pathlib import Path
from typing import Final

import wasmtime

_FIELDS: Final = (
    '(memory (export "memory") 1)(func (export "reserve") (param i32) (result i32) (i32.const 1024))'
    '(func (export "call") (param i32 i32) (result i64) (i64.const 0))'
)


def declaring(*lines: str, fields: str = "") -> bytes:
    """Assemble a module that declares operations in these lines, with these further fields."""
    text = "\\n".join(["abi 1", *lines]).replace('"', '\\"')
    return bytes(wasmtime.wat2wasm(f'(module (@custom "wasmfleet.operations" "{text}") {_FIELDS} {fields})'))


def nested_loops(operation: str, depth: int) -> bytes:
    """Assemble a module that costs the compiler time and memory proportional to the square of its depth."""
    body = "loop " * depth + "i32.const 1 br_if 0 " * depth + "end " * depth
    return declaring(operation, fields=f"(func {body})")


def make(folder: Path) -> dict[str, str]:
    """Make the files in a folder; return the part of each one's reason, by the file's name as it is shown."""
    right = declaring("hash")
    os.mkfifo(folder / "fifo.wasm")
    (folder / "folder.wasm").mkdir()
    _socket(folder / "socket.wasm")
    (folder / "loop.wasm").symlink_to("loop.wasm")
    (folder / "device.wasm").symlink_to("/dev/zero")
    with (folder / "sparse.wasm").open("wb") as file:
        file.truncate(10 << 30)
    for name in ("text", "ast", "batch", "Upper", "two-words", "class!", "\x1b[2J", "9lives", "a" * 65, ""):
        (folder / f"{name}.wasm").write_bytes(right)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.wasm")).write_bytes(right)
    (folder / "empty.wasm").touch()
    (folder / "html.wasm").write_text("<!doctype html>")
    (folder / "minus.wasm").write_bytes(declaring(f"op(a: int = {'-' * 20_000}1)"))
    (folder / "unhashable.wasm").write_bytes(declaring("op(a: int = {[]: 1})"))
    (folder / "slots.wasm").write_bytes(declaring("op(__slots__: int)"))
    named = "its name must be"
    return {
        "fifo.wasm": "no regular file",
        "folder.wasm": "no regular file",
        "socket.wasm": "cannot be read",
        "loop.wasm": "cannot be read",
        "device.wasm": "no regular file",
        "sparse.wasm": "larger than 32 MiB",
        "text.wasm": "the name 'text' is taken",
        "ast.wasm": "the name 'ast' is taken",
        "batch.wasm": "the name 'batch' is taken",
        "Upper.wasm": named,
        "two-words.wasm": named,
        "class!.wasm": named,
        "\\x1b[2J.wasm": named,
        "9lives.wasm": named,
        f"{'a' * 65}.wasm": named,
        ".wasm": named,
        "??.wasm": named,
        "empty.wasm": "not a WebAssembly module",
        "html.wasm": "not a WebAssembly module",
        "minus.wasm": "1,000 characters at most",
        "unhashable.wasm": "is not a signature",
        "slots.wasm": "a parameter has the name '__slots__'",
    }


def _socket(path: Path) -> None:
    """Make a socket at a path; it is bound from inside the folder because a socket's address has at most 108 bytes."""
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(before)
