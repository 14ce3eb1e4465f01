"""The check of a module's interface: only exports of exactly the right types are called, whatever the file's bytes."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st

from wasmfleet.workers.runtime import first_page, switches
from wasmfleet.workers.runtime.binary import BadBinary, Sections
from wasmfleet.workers.runtime.compiled import check_compiled
from wasmfleet.workers.runtime.engine import compiler
from wasmfleet.workers.runtime.interface import Function, Unfit, check, of_binary
from wasmfleet.workers.runtime.modules import BUILT_IN
from wasmfleet.workers.runtime.wasmtime_internals import bindings

_ROOT = Path(__file__).parents[2]
_CONSTANTS = {
    "i32": "(i32.const 1024)",
    "i64": "(i64.const 0x40000000008)",
    "f32": "(f32.const 1)",
    "f64": "(f64.const 1e300)",
    "v128": "(v128.const i64x2 0x4141414141414141 0x4242424242424242)",
    "funcref": "(ref.null func)",
    "externref": "(ref.null extern)",
}
_USES = {
    "funcref": "(table.set $t (i32.const 0) (local.get {n})) (call_indirect $t (type $f) (i32.const 0))",
    "externref": "(drop (ref.is_null (local.get {n})))",
}
_RIGHT = {
    "memory": '(memory (export "memory") 1)',
    "reserve": '(func (export "reserve") (param i32) (result i32) (i32.const 1024))',
    "call": '(func (export "call") (param i32 i32) (result i64) (i64.const 0x40000000008))',
}

values = st.lists(st.sampled_from(sorted(_CONSTANTS)), max_size=6)


@st.composite
def functions(draw: st.DrawFn, name: str) -> str:
    parameters, results = draw(values), draw(values)
    uses = " ".join(_USES.get(kind, "").format(n=n) for n, kind in enumerate(parameters))
    constants = " ".join(_CONSTANTS[kind] for kind in results)
    types = f"(param {' '.join(parameters)}) (result {' '.join(results)})"
    return f'(func (export "{name}") {types} {uses} {constants})'


def exports(name: str) -> st.SearchStrategy[str]:
    kinds = [
        '(global (export "{}") i32 (i32.const 1024))',
        '(global (export "{}") (mut i64) (i64.const -1))',
        '(table (export "{}") 1 funcref)',
        '(memory (export "{}") 1)',
        '(memory (export "{}") i64 1)',
        '(memory (export "{}") 1 1 shared)',
        '(memory (export "{}") 1 (pagesize 1))',
        '(memory (export "{}") 0)',
        '(tag (export "{}"))',
        "",
    ]
    others = st.sampled_from(kinds).map(lambda text: text.format(name))
    return st.just(_RIGHT[name]) | functions(name) | others


@pytest.fixture(scope="module")
def entering() -> "Iterator[subprocess.Popen[bytes]]":
    """Start the process that calls modules; if one crashes it, the tests see that and go on."""
    command = [sys.executable, "-m", "tests.security.entering"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT)
    yield process
    process.communicate(timeout=30)
    assert process.returncode == 0


@given(st.tuples(exports("memory"), exports("reserve"), exports("call")))
def test_whatever_the_types_of_its_exports_a_module_is_refused_or_harmless(
    entering: "subprocess.Popen[bytes]", fields: tuple[str, str, str]
) -> None:
    code = wasmtime.wat2wasm(f"(module (type $f (func)) (table $t 1 funcref) {' '.join(fields)})")
    assert entering.stdin
    assert entering.stdout

    entering.stdin.write(msgspec.json.encode(bytes(code)) + b"\n")
    entering.stdin.flush()
    verdict = entering.stdout.readline().decode().strip()

    right = all(_is_right(name, field) for name, field in zip(_RIGHT, fields, strict=True))
    assert verdict in ({"entered", "HostileReply"} if right else {"refused", "invalid"}), fields


def _is_right(name: str, field: str) -> bool:
    if name == "memory":
        return field in (_RIGHT["memory"], '(memory (export "memory") 0)')
    types = {"reserve": "(param i32) (result i32)", "call": "(param i32 i32) (result i64)"}
    return types[name] in field


def interface_of(code: bytes) -> None:
    with contextlib.suppress(BadBinary, Unfit):
        check(of_binary(Sections(code)))


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_a_module_or_a_refusal(data: bytes, headed: bool) -> None:
    interface_of(b"\0asm\x01\0\0\0" + data if headed else data)


@given(st.data())
def test_a_real_module_with_some_bytes_changed_is_a_module_or_a_refusal(data: st.DataObject) -> None:
    code = bytearray((BUILT_IN / "digest.wasm").read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        code[data.draw(st.integers(0, 600))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(code)))

    interface_of(bytes(code))
    interface_of(bytes(code[:cut]))


def test_a_file_of_millions_of_entries_is_refused_at_once() -> None:
    section = _leb(1 << 22) + b"\x60\0\0" * (1 << 22)
    bomb = b"\0asm\x01\0\0\0\x01" + _leb(len(section)) + section
    began = time.process_time()

    with pytest.raises(BadBinary, match="allowed"):
        of_binary(Sections(bomb))

    assert time.process_time() - began < 1


def _leb(number: int) -> bytes:
    encoded = b""
    while number > 0x7F:
        encoded, number = encoded + bytes([number & 0x7F | 0x80]), number >> 7
    return encoded + bytes([number])


def test_padded_numbers_are_read_as_linkers_write_them() -> None:
    padded = (
        b"\0asm\x01\0\0\0"
        + b"\x05\x8b\x80\x80\x80\x00"
        + b"\x81\x80\x80\x80\x00"
        + b"\0"
        + b"\x82\x80\x80\x80\x00"
    )

    with pytest.raises(Unfit, match="does not export call, memory, reserve"):
        check(of_binary(Sections(padded)))


@pytest.mark.parametrize(
    ("name", "field", "reason"),
    [
        ("call", '(func (export "call") (param i32 i32) (result f64) (f64.const 0))', "-> \\(f64\\)"),
        ("call", '(func (export "call") (param funcref i32) (result i64) (i64.const 0))', "funcref, i32"),
        ("call", '(global (export "call") i32 (i32.const 0))', "is a global"),
        ("reserve", '(table (export "reserve") 1 funcref)', "is a table"),
        ("reserve", "", "does not export reserve"),
        ("memory", '(func (export "memory"))', "is a function"),
    ],
)
def test_what_wasmtime_says_of_a_compiled_module_is_held_to_the_same_rule(
    name: str, field: str, reason: str
) -> None:
    fields = " ".join((_RIGHT | {name: field}).values())
    module = wasmtime.Module(compiler(), wasmtime.wat2wasm(f"(module {fields})"))

    with pytest.raises(Unfit, match=reason):
        check_compiled(module)


def test_the_built_in_modules_offer_what_is_entered() -> None:
    for path in BUILT_IN.glob("*.wasm"):
        interface = of_binary(Sections(path.read_bytes()))
        check(interface)
        assert interface.exports["call"] == Function(("i32", "i32"), ("i64",))


def test_every_switch_of_wasmtime_has_a_line_and_every_line_a_switch() -> None:
    prefix = "wasmtime_config_"
    theirs = {name.removeprefix(prefix) for name in dir(bindings) if name.startswith(prefix)}
    lines = [switch.name for switch in switches.SWITCHES]

    assert (set(lines), len(lines)) == (theirs, len(theirs))
    assert all(switch.why for switch in switches.SWITCHES)


def test_the_documentation_has_the_table_of_switches() -> None:
    assert switches.markdown() == (_ROOT / "docs" / "engine.md").read_text()


@pytest.mark.parametrize(
    "fields",
    [
        "(func (param externref))",
        "(func (local externref))",
        "(table 1 externref)",
        "(global externref (ref.null extern))",
        "(type $t (func)) (func (param (ref $t)))",
        "(type (struct))",
        "(tag)",
        "(func $f return_call $f)",
        "(memory 1 1 shared)",
        "(memory 1) (func (drop (i32.atomic.load (i32.const 0))))",
        "(memory i64 1)",
        "(table i64 1 funcref)",
        "(memory 1) (memory 1)",
        "(memory 1 (pagesize 1))",
        "(func (param v128) (drop (i8x16.relaxed_swizzle (local.get 0) (local.get 0))))",
        "(func (param i64) (result i64 i64) (i64.mul_wide_s (local.get 0) (local.get 0)))",
        "(type $f (func)) (type (cont $f))",
    ],
)
def test_a_proposal_that_no_module_needs_is_off(fields: str) -> None:
    with pytest.raises(wasmtime.WasmtimeError):
        wasmtime.Module.validate(compiler(), wasmtime.wat2wasm(f"(module {fields})"))


@pytest.mark.parametrize(
    ("memory", "pages"),
    [
        ('(memory (export "memory") 0)', [1]),
        ('(memory (export "memory") 0 5)', [1]),
        ('(memory (export "memory") 0 0)', [0]),
        ('(memory (export "memory") 2)', [2]),
        ("", []),
    ],
)
def test_a_memory_that_begins_empty_gets_a_page_because_it_could_not_grow(
    memory: str, pages: list[int]
) -> None:
    plain = wasmtime.wat2wasm(f"(module {memory})")
    padded = plain.replace(
        b"\x05\x03\x01\x00\x00", b"\x05\x05\x01\x00\x80\x80\x00"
    )  # as linkers write numbers

    for code in (plain, padded):
        wasmtime.Module.validate(wasmtime.Engine(), first_page.given(code))
        exported = wasmtime.Module(wasmtime.Engine(), first_page.given(code)).exports
        found = [each.type.limits.min for each in exported if isinstance(each.type, wasmtime.MemoryType)]
        assert found == pages
