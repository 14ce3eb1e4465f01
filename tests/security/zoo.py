"""Hostile guests ("beasts"): the form in which they are listed, and the modules made of them.

A beast with a `body` or a `reply` is an operation of one module, `zoo`; one with `fields` or `binary` is a module of
its own. `tries` says in words what it does. `expects` is the code of the call's typed error, or OK; for a beast that no
worker may load, it is REFUSED and a part of the reason.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import wasmtime

OK: Final = "ok"
REFUSED: Final = "refused: "
_DATA_AT: Final = 1 << 17
_HELPERS: Final = """
  (memory (export "memory") 32)
  (table $table 2 funcref)
  (type $none (func))
  (func (export "reserve") (param $size i32) (result i32)
    (call $room (i32.add (local.get $size) (i32.const 2048))) (i32.const 2048))
  (func $room (param $bytes i32)   ;; as much memory, or a trap
    (local $lacks i32)
    (local.set $lacks (i32.sub (i32.shr_u (i32.add (local.get $bytes) (i32.const 65535)) (i32.const 16)) (memory.size)))
    (if (i32.gt_s (local.get $lacks) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $lacks)) (i32.const -1)) (then unreachable)))))
  (func $answer (param $at i32) (param $size i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32)) (i64.extend_i32_u (local.get $size))))
  (func $items (param $size i32) (result i32)   ;; how many frames the request has
    (local $at i32) (local $count i32)
    (local.set $at (i32.const 2048))
    (loop $next (if (i32.lt_u (local.get $at) (i32.add (i32.const 2048) (local.get $size))) (then
      (local.set $at (i32.add (i32.add (local.get $at) (i32.const 4)) (i32.load (local.get $at))))
      (local.set $count (i32.add (local.get $count) (i32.const 1)))
      (br $next))))
    (local.get $count))
  (func $many (param $at i32) (param $size i32) (param $count i32) (result i64)   ;; a frame so often, from 2 MiB on
    (local $n i32)
    (call $room (i32.add (i32.const 0x200000) (i32.mul (local.get $size) (local.get $count))))
    (loop $next (if (i32.lt_u (local.get $n) (local.get $count)) (then
      (memory.copy (i32.add (i32.const 0x200000) (i32.mul (local.get $n) (local.get $size)))
                   (local.get $at) (local.get $size))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br $next))))
    (call $answer (i32.const 0x200000) (i32.mul (local.get $size) (local.get $count))))
  (func $progress (param $index i32) (param $replies i32) (param $size i32)
    (i32.store (i32.const 2032) (i32.const 0x474F5250)) (i32.store (i32.const 2036) (local.get $index))
    (i32.store (i32.const 2040) (local.get $replies)) (i32.store (i32.const 2044) (local.get $size)))
  (func $spin (loop $again (br $again)))
  (func $deeper (param $n i32) (result i32)
    (i32.add (i32.const 1) (call $deeper (i32.add (local.get $n) (i32.const 1)))))
  (func $deep_then_spin (param $n i32) (result i32)
    (if (i32.eqz (local.get $n)) (then (call $spin)))
    (i32.add (i32.const 1) (call $deep_then_spin (i32.sub (local.get $n) (i32.const 1)))))
"""


@dataclass(frozen=True)
class Beast:
    """One hostile guest, in WebAssembly's text format or as `binary`.

    `body` is a function body in which REPLY stands for the address and size of `reply`. Without a body, the guest sends
    `reply` for each item. If `items` is more than 1, so many calls are sent as a batch; `answers` has, by index, the
    outcomes of those items that do not end as `expects` says.
    """

    name: str
    tries: str
    expects: str
    body: str = ""
    reply: bytes = b""
    fields: str = ""
    binary: bytes = b""
    items: int = 1
    answers: Mapping[int, str] = field(default_factory=dict)

    @property
    def is_module(self) -> bool:
        return bool(self.fields or self.binary)

    @property
    def takes_bytes(self) -> bool:
        return bool(self.body) and self.items == 1 and not self.reply


def value(packed: bytes) -> bytes:
    """Return a reply with this value, which is already packed."""
    return b"\x92\x00" + packed


def frame(body: bytes) -> bytes:
    return struct.pack("<I", len(body)) + body


def _escaped(byte: int) -> str:
    return f"\\{byte:02x}"


def module(beast: Beast) -> bytes:
    """Assemble a beast that is a module of its own; the exports that it lacks are added in a harmless form."""
    if beast.binary:
        return beast.binary
    fields = beast.fields
    if 'export "memory"' not in fields:
        fields += '(memory (export "memory") 1)'
    if 'export "reserve"' not in fields:
        fields += '(func (export "reserve") (param i32) (result i32) (i32.const 1024))'
    if 'export "call"' not in fields:
        fields += '(func (export "call") (param i32 i32) (result i64) (i64.const 0x40000000000))'
    return bytes(wasmtime.wat2wasm(f'(module (@custom "wasmfleet.operations" "abi 1\\nrun\\n") {fields})'))


def zoo(beasts: list[Beast]) -> bytes:
    """Assemble the module of all beasts that are operations, and of `echo`, which is harmless."""
    data, functions, cases = "", "", ""
    at = _DATA_AT
    lines = ["abi 1", "echo"]
    for index, beast in enumerate(beasts, 1):
        body = beast.body
        if beast.reply:
            content = frame(beast.reply)
            data += f'(data (i32.const {at}) "{"".join(map(_escaped, content))}")\n'
            body = body.replace("REPLY", f"(i32.const {at}) (i32.const {len(content)})") or (
                f"(call $many (i32.const {at}) (i32.const {len(content)}) (call $items (local.get $size)))"
            )
            at += len(content)
        functions += f"(func $beast_{beast.name} (param $size i32) (result i64) (local $n i32) {body})\n"
        cases += (
            f"(if (i32.eq (local.get $operation) (i32.const {index})) "
            f"(then (return (call $beast_{beast.name} (local.get $size)))))\n"
        )
        lines.append(beast.name if beast.takes_bytes else f"{beast.name}()")
    declared = "\\n".join(lines)
    return bytes(
        wasmtime.wat2wasm(
            f'(module (@custom "wasmfleet.operations" "{declared}") {_HELPERS} {data} {functions}'
            '(func (export "call") (param $operation i32) (param $size i32) (result i64)'
            f"{cases} (call $answer (i32.const 2048) (local.get $size))))"
        )
    )
