"""Hostile modules that no worker may load. zoo.py says what the fields of a `Beast` mean."""

from typing import Final

from tests.security.zoo import REFUSED, Beast

_MAGIC: Final = b"\0asm\x01\0\0\0"

#: Modules whose interface or bytes must be refused before any of their code runs.
REFUSALS: Final = [
    Beast(
        "reserve_vector",
        "gives a vector where a number is read: the host's slot becomes an address of its choice",
        REFUSED + "`reserve` is (i32) -> (v128)",
        fields='(func (export "reserve") (param i32) (result v128) (v128.const i64x2 0x4141414141414141 0))',
    ),
    Beast(
        "reserve_three_vectors",
        "writes three vectors into the room of two",
        REFUSED + "`reserve` is (i32) -> (v128, v128, v128)",
        fields='(func (export "reserve") (param i32) (result v128 v128 v128) (unreachable))',
    ),
    Beast(
        "call_funcref",
        "takes the host's slot as a function and runs it",
        REFUSED + "takes or gives a reference",
        fields='(type $f (func)) (table 1 funcref) (func (export "call") (param funcref i32) (result i64)'
        " (table.set (i32.const 0) (local.get 0)) (call_indirect (type $f) (i32.const 0)) (i64.const 0))",
    ),
    Beast(
        "call_externref",
        "takes the host's slot as an object of the host",
        REFUSED + "takes or gives a reference",
        fields='(func (export "call") (param externref i32) (result i64) (i64.const 0))',
    ),
    Beast(
        "call_gives_funcref",
        "gives a function: half of a host address is read as a length",
        REFUSED + "takes or gives a reference",
        fields='(func $f (export "call") (param i32 i32) (result funcref) (ref.func $f))',
    ),
    Beast(
        "call_float",
        "gives a float where a number is read",
        REFUSED + "`call` is (i32, i32) -> (f64)",
        fields='(func (export "call") (param i32 i32) (result f64) (f64.const 1))',
    ),
    Beast(
        "call_of_six",
        "reads six parameters from the room of two",
        REFUSED + "`call` is (i32, i32, i32, i32, i32, i32) -> (i64)",
        fields='(func (export "call") (param i32 i32 i32 i32 i32 i32) (result i64) (i64.const 0))',
    ),
    Beast(
        "reserve_nothing",
        "gives nothing: the host reads its own argument",
        REFUSED + "`reserve` is (i32) -> ()",
        fields='(func (export "reserve") (param i32))',
    ),
    Beast(
        "reserve_global",
        "is no function at all",
        REFUSED + "`reserve` is a global",
        fields='(global (export "reserve") i32 (i32.const 0))',
    ),
    Beast(
        "call_table",
        "is no function at all",
        REFUSED + "`call` is a table",
        fields='(table (export "call") 1 funcref)',
    ),
    Beast(
        "memory_function",
        "has no memory where one is read",
        REFUSED + "`memory` is a function",
        fields='(func (export "memory"))',
    ),
    Beast(
        "memory_64",
        "has addresses of 64 bits",
        REFUSED + "32-bit addresses",
        fields='(memory (export "memory") i64 1)',
    ),
    Beast(
        "memory_shared",
        "changes its memory while the host reads it",
        REFUSED + "not be shared",
        fields='(memory (export "memory") 1 1 shared)',
    ),
    Beast(
        "memory_small_pages",
        "has a memory of single bytes",
        REFUSED + "pages of 64 KiB",
        fields='(memory (export "memory") 1 (pagesize 1))',
    ),
    Beast(
        "two_memories", "has a memory besides the limited one", REFUSED + "1 are allowed", fields="(memory 1)"
    ),
    Beast(
        "memory_of_4_gib",
        "wants all memory before it is called",
        REFUSED + "needs 4,096 MiB of memory",
        fields='(memory (export "memory") 65536)',
    ),
    Beast(
        "imports_host",
        "asks for a function of the host",
        REFUSED + "imports wasi_snapshot_preview1.fd_read",
        fields='(import "wasi_snapshot_preview1" "fd_read" (func))',
    ),
    Beast(
        "imports_escape",
        "paints a terminal with the name of its import",
        REFUSED + "imports \\x1b[2J.x",
        fields='(import "\\1b[2J" "x" (func))',
    ),
    Beast(
        "start_spin",
        "hangs before it is called",
        REFUSED + "a start function",
        fields="(func $f (loop $l (br $l))) (start $f)",
    ),
    Beast("tag_call", "is an exception", REFUSED + "`call` is a tag", fields='(tag (export "call"))'),
    Beast(
        "tail_call",
        "uses a proposal that is off",
        REFUSED + "tail calls support is not enabled",
        fields="(func $f return_call $f)",
    ),
    Beast(
        "typed_ref", "uses a proposal that is off", REFUSED + "reference", fields="(func (local (ref func)))"
    ),
    Beast("gc_struct", "uses a proposal that is off", REFUSED + "no function's", fields="(type (struct))"),
    Beast(
        "atomics",
        "uses a proposal that is off",
        REFUSED + "threads support is not enabled",
        fields="(func (drop (i32.atomic.load (i32.const 0))))",
    ),
    Beast(
        "relaxed_simd",
        "gives what depends on the CPU",
        REFUSED + "relaxed SIMD support is not enabled",
        fields="(func (param v128) (drop (i8x16.relaxed_swizzle (local.get 0) (local.get 0))))",
    ),
    Beast("component", "is a component", REFUSED + "not a WebAssembly module", binary=b"\0asm\x0d\0\x01\0"),
    Beast(
        "huge_counts",
        "announces four billion types in ten bytes",
        REFUSED + "allowed",
        binary=_MAGIC + b"\0\x1c\x14wasmfleet.operationsabi 1\nx" + b"\x01\x05\xff\xff\xff\xff\x0f",
    ),
    Beast(
        "overlong",
        "writes a number without an end",
        REFUSED + "5 bytes",
        binary=_MAGIC + b"\x01" + b"\x80" * 99,
    ),
]
