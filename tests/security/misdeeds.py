"""Hostile guests that misbehave in and around a call. zoo.py says what the fields of a `Beast` mean."""

from typing import Final

from tests.security.zoo import OK, Beast

#: Modules that a worker loads, and that misbehave before the call: when they are instantiated or given the request.
MODULES: Final = [
    Beast(
        "data_outside",
        "writes beyond its memory when it is instantiated",
        "SandboxTrap",
        fields='(data (i32.const 0x7fffff00) "x")',
    ),
    Beast(
        "elements_outside",
        "writes beyond its table when it is instantiated",
        "SandboxTrap",
        fields="(table 1 funcref) (func $f) (elem (i32.const 9) $f)",
    ),
    Beast("large_table", "wants a table of 80 MB", "MemoryLimitExceeded", fields="(table 10000000 funcref)"),
    Beast(
        "reserve_top",
        "has the request written behind its memory",
        "HostileReply",
        fields='(func (export "reserve") (param i32) (result i32) (i32.const 0xffffffff))',
    ),
    Beast(
        "reserve_short",
        "has the request written over the end of its memory",
        "HostileReply",
        fields='(func (export "reserve") (param i32) (result i32) (i32.const 65535))',
    ),
    Beast(
        "reserve_zero",
        "has no room for a header",
        OK,
        fields='(func (export "reserve") (param i32) (result i32) (i32.const 0))',
    ),
    Beast(
        "reserve_odd",
        "has the request at an odd address",
        OK,
        fields='(func (export "reserve") (param i32) (result i32) (i32.const 1027))',
    ),
    Beast(
        "reserve_moves",
        "moves its memory while room is made",
        OK,
        fields='(func (export "reserve") (param i32) (result i32) (memory.grow (i32.const 99)) drop (i32.const 1024))',
    ),
    Beast(
        "reserve_spin",
        "hangs while room is made",
        "DeadlineExceeded",
        fields='(func (export "reserve") (param i32) (result i32) (loop $l (br $l)) (i32.const 0))',
    ),
    Beast(
        "reserve_recursion",
        "exhausts the stack while room is made",
        "InputTooDeep",
        fields='(func $r (export "reserve") (param i32) (result i32)'
        " (i32.add (i32.const 1) (call $r (i32.const 1))))",
    ),
    Beast(
        "vector_besides",
        "exports types besides that abort who asks for them",
        OK,
        fields='(func (export "f") (param v128)) (global (export "g") v128 (v128.const i64x2 0 0))',
    ),
    Beast("functions", "has ten thousand functions", OK, fields="(func)" * 10_000),
]

#: Operations that misbehave during the call; they take bytes.
CALLS: Final = [
    Beast("spin", "never ends", "DeadlineExceeded", "(call $spin) (i64.const 0)"),
    Beast(
        "grow",
        "takes all memory",
        "MemoryLimitExceeded",
        "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable",
    ),
    Beast(
        "grow_at_once",
        "asks for 5 GiB",
        "SandboxTrap",
        "(if (i32.eq (memory.grow (i32.const 81920)) (i32.const -1)) (then unreachable)) (i64.const 0)",
    ),
    Beast(
        "grow_table",
        "takes all memory as a table",
        "SandboxTrap",
        "(loop $l (br_if $l (i32.ne (table.grow $table (ref.null func) (i32.const 9999)) (i32.const -1)))) unreachable",
    ),
    Beast(
        "recurse", "exhausts the stack", "InputTooDeep", "(drop (call $deeper (i32.const 0))) (i64.const 0)"
    ),
    Beast("bad_pointer", "names a reply behind its memory", "HostileReply", "(i64.const 0xfffffff000000010)"),
    Beast("bad_length", "names a reply of 4 GiB", "HostileReply", "(i64.const 0xffffffff)"),
    Beast("load_outside", "reads behind its memory", "SandboxTrap", "(i64.load (i32.const 0x7fffffff))"),
    Beast("divide", "divides by zero", "SandboxTrap", "(i64.div_u (i64.const 1) (i64.const 0))"),
    Beast(
        "call_null",
        "calls an empty place of its table",
        "SandboxTrap",
        "(call_indirect $table (type $none) (i32.const 1)) (i64.const 0)",
    ),
    Beast(
        "call_outside",
        "calls a place behind its table",
        "SandboxTrap",
        "(call_indirect $table (type $none) (i32.const 99)) (i64.const 0)",
    ),
    Beast(
        "false_alarm",
        "says that it had no memory left",
        "MemoryLimitExceeded",
        "(i32.store (i32.const 2032) (i32.const 0x4D454D4F)) unreachable",
    ),
    Beast(
        "rewrite_request",
        "overwrites its request and its header",
        OK,
        "(memory.fill (i32.const 0) (i32.const 0xff) (i32.const 65536)) (call $answer (i32.const 2048) (i32.const 8))",
    ),
    Beast(
        "over_budget",
        "answers 40 MiB",
        "OutputTooLarge",
        "(call $room (i32.const 0x2800000)) (call $answer (i32.const 0) (i32.const 0x2800000))",
    ),
]
