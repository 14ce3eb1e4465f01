"""Hostile WebAssembly files: sections that are valid but odd, exports of any type, bodies that misbehave, and junk.

Most of them validate, so that they can be called. The rest are built-in modules and guests with changes, random bytes
between valid sections, and modules whose declared operations have hostile names and signatures.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.attack import mutation

_I32, _I64, _F32, _F64, _V128, _FUNCREF, _EXTERNREF = 0x7F, 0x7E, 0x7D, 0x7C, 0x7B, 0x70, 0x6F
_ZERO: Final[dict[int, bytes]] = {
    _I32: b"\x41\x00",
    _I64: b"\x42\x00",
    _F32: b"\x43" + bytes(4),
    _F64: b"\x44" + bytes(8),
    _V128: b"\xfd\x0c" + bytes(16),
    _FUNCREF: b"\xd0\x70",
    _EXTERNREF: b"\xd0\x6f",
}
_RESERVE, _CALL = ((_I32,), (_I32,)), ((_I32, _I32), (_I64,))
_ADDRESSES: Final = (0, 16, 1024, 65_535, 65_536, 2**31 - 1, -(2**31), -1, -16)
_ANSWERS: Final = (
    0,
    1 << 32,
    (1024 << 32) | 5,
    (1024 << 32) | 0xFFFFFFFF,
    -1,
    -(2**63),
    2**63 - 1,
    0xFFFFFFFF,
)
_PAGES: Final = ((1, None), (0, None), (1, 1), (2, 65_536), (65_536, None), (65_537, None), (40_000, 40_000))
_LINES: Final = (
    *("go", "go msgpack", "go bytes", "go()", "go(data: bytes) -> bytes", "go(a: str, b: int = 1) -> dict"),
    *("delay", "apply_async(a: int)", "run", "name", "__init__", "x" * 100_000, "go(a: int = 10**10) -> int"),
    *("go(a: str = __import__('os').system('id')) -> str", "go(a: list = []) -> list", "go(*a) -> str"),
    *(
        "go(" + "(" * 5_000,
        "go(a: int, a: int)",
        "go(a: " + "-" * 20_000 + "1)",
        "go(a=" + "[" * 150 + "]" * 150 + ")",
    ),
    *(
        "go() -> \x1b[31m",
        "go(a: int): import os; def x()",
        "\ud7ff",
        "go\0",
        "GO",
        "1go",
        "go(a: 'str')",
        "go(go: go)",
    ),
)


def module(dice: random.Random, built_in: Sequence[Path], guests: Sequence[bytes]) -> tuple[str, bytes]:
    """Make a hostile file; return the name of its kind and its bytes."""
    match dice.randrange(10):
        case 0:
            return "a built-in with changes", _changed(dice.choice(built_in).read_bytes(), dice)
        case 1:
            return "a guest with changes", _changed(dice.choice(guests), dice)
        case 2:
            return "junk between sections", _junk(dice)
        case 3:
            return "a costly one to compile", _costly(dice)
        case 4:
            return "strange operations", _assembled(dice, text=_strange_text(dice))
    return "odd exports and bodies", _assembled(dice)


def _assembled(dice: random.Random, *, text: bytes = b"abi 1\ngo\nback()\n") -> bytes:
    """Make a module in which each part is right, or odd by chance."""
    reserve = _RESERVE if dice.random() < 0.85 else _signature(dice)
    call = _CALL if dice.random() < 0.85 else _signature(dice)
    start = ((), ())
    types = [_type(*signature) for signature in (reserve, call, start)]
    codes = [_body(reserve, dice, _ADDRESSES), _body(call, dice, _ANSWERS), _body(start, dice, (0,))]
    sections = [
        _section(1, _vector(types)),
        _section(3, _vector([b"\0", b"\1", b"\2"])),
        _section(4, _vector([b"\x70\x00" + _leb(dice.choice((1, 1, 1, 1, 1, 1, 100_000, 10_000_000)))])),
        _section(5, _vector([_memory(dice)])),
        _section(6, _vector([b"\x7f\x01\x41\x00\x0b"])),
        _section(7, _vector(_exports(dice))),
        *([_section(8, b"\2")] if dice.random() < 0.05 else []),
        _section(10, _vector([_leb(len(code)) + code for code in codes])),
        *([_section(11, _vector([_data(dice)]))] if dice.random() < 0.3 else []),
        _section(0, _name("wasmfleet.operations") + text),
    ]
    if dice.random() < 0.1:
        dice.shuffle(sections)
    return b"\0asm\1\0\0\0" + b"".join(sections)


def _signature(dice: random.Random) -> tuple[tuple[int, ...], tuple[int, ...]]:
    kinds = list(_ZERO)
    parameters = tuple(dice.choices(kinds, k=dice.choice((0, 1, 2, 3, 40))))
    return parameters, tuple(dice.choices(kinds, k=dice.choice((0, 1, 2, 9, 200))))


def _exports(dice: random.Random) -> list[bytes]:
    """Export `memory`, `reserve` and `call`, each as what it should be or, now and then, as something else."""
    right = {"memory": (2, 0), "reserve": (0, 0), "call": (0, 1)}
    odd = ((0, 0), (0, 1), (0, 2), (1, 0), (2, 0), (3, 0))
    chosen = {name: dice.choice(odd) if dice.random() < 0.04 else what for name, what in right.items()}
    if dice.random() < 0.1:
        del chosen[dice.choice(list(chosen))]
    return [_name(name) + bytes(what) for name, what in chosen.items()]


def _body(
    signature: tuple[tuple[int, ...], tuple[int, ...]], dice: random.Random, numbers: Sequence[int]
) -> bytes:
    """Make a function body: a misdeed or none, then a result of the right types."""
    _, results = signature
    address = b"\x41" + _signed(dice.choice(_ADDRESSES))
    misdeeds = (
        *(b"", b"", b"", b"\x00", b"\x03\x40\x0c\x00\x0b"),  # unreachable, an endless loop
        b"\x41" + _signed(dice.choice((1, 100, 65_535, -1))) + b"\x40\x00\x1a",  # memory.grow
        b"\x03\x40\x41\x80\x01\x40\x00\x1a\x0c\x00\x0b",  # memory.grow in an endless loop
        address + b"\x28\x02\x00\x1a",  # load
        address + b"\x41" + _signed(0x474F5250) + b"\x36\x02\x00",  # a progress header that lies
        address + b"\x41" + _signed(-1) + b"\x36\x02\x04",
        b"\x41\x00\x41\x00\x6d\x1a",  # division by zero
        address + b"\x41\xff\x01\x41" + _signed(-1) + b"\xfc\x0b\x00",  # memory.fill
        b"\xd0\x70\x41" + _signed(-1) + b"\xfc\x0f\x00\x1a",  # table.grow
    )
    number = dice.choice(numbers)
    code = dice.choice(misdeeds)
    for kind in results:
        known = {_I32: b"\x41" + _signed(number), _I64: b"\x42" + _signed(number)}
        code += known.get(kind, _ZERO[kind])
    return b"\0" + code + b"\x0b"


def _memory(dice: random.Random) -> bytes:
    least, most = dice.choice(_PAGES) if dice.random() < 0.25 else (2, None)
    flags = dice.choice((0, 0, 0, 0, 2, 4, 8)) | (most is not None)
    return bytes([flags]) + _leb(least) + (_leb(most) if most is not None else b"")


def _data(dice: random.Random) -> bytes:
    return b"\0\x41" + _signed(dice.choice(_ADDRESSES)) + b"\x0b" + _leb(100) + dice.randbytes(100)


def _costly(dice: random.Random) -> bytes:
    """Make a file of small or middling size that costs the compiler much time or memory."""
    many = dice.choice((1_000, 20_000))
    bodies = (
        b"\0" + b"\x02\x40" * many + b"\x0b" * many + b"\x0b",  # nested blocks
        b"\x01" + _leb(49_000) + b"\x7b\x0b",  # locals of 16 bytes
        b"\0" + b"\x02\x40\x41\x00\x0e" + _leb(many) + b"\0" * (many + 1) + b"\x0b\x0b",  # br_table
        b"\x01\x01\x7f"
        + b"\x20\x00\x45\x04\x40\x20\x00\x41\x01\x6a\x21\x00\x0b" * many
        + b"\x0b",  # branches
        b"\x01\x01\x7e" + b"\x20\x00\x20\x00\x7e\x20\x00\x7c\x21\x00" * many + b"\x0b",  # arithmetic
    )
    code, count = dice.choice(bodies), dice.choice((1, 1, 20))
    right = [b"\0\x41\x80\x08\x0b", b"\0\x42\x00\x0b"]  # `reserve` returns 1024, `call` an empty reply
    codes = [_leb(len(body)) + body for body in (*right, *[code] * count)]
    sections = [
        _section(1, _vector([_type(*_RESERVE), _type(*_CALL), _type((), ())])),
        _section(3, _vector([b"\0", b"\1", *[b"\2"] * count])),
        _section(5, _vector([b"\0\1"])),
        _section(
            7, _vector([_name("memory") + b"\2\0", _name("reserve") + b"\0\0", _name("call") + b"\0\1"])
        ),
        _section(10, _vector(codes)),
        _section(0, _name("wasmfleet.operations") + b"abi 1\ngo\n"),
    ]
    return b"\0asm\1\0\0\0" + b"".join(sections)


def _strange_text(dice: random.Random) -> bytes:
    lines = dice.choices(_LINES, k=dice.choice((1, 2, 5)))
    head = dice.choice(("abi 1", "abi 1", "abi 1", "abi 2", "", "abi 1 "))
    if dice.random() < 0.1:
        lines = [f"go{number}" for number in range(3_000)]
    text = "\n".join((head, *lines)).encode()
    return mutation.bytes_changed(text, dice) if dice.random() < 0.3 else text


def _changed(binary: bytes, dice: random.Random) -> bytes:
    """Change some bytes, often near the beginning, where the sections are that describe the module."""
    at = min(len(binary), dice.choice((200, 2_000, len(binary))))
    return mutation.bytes_changed(binary[:at], dice) + binary[at:]


def _junk(dice: random.Random) -> bytes:
    sections = [
        _section(dice.randrange(14), dice.randbytes(dice.choice((0, 1, 20, 3_000)))) for _ in range(5)
    ]
    text = dice.choice((b"abi 1\ngo\n", b"", b"\xff" * 100))
    junk = b"\0asm\1\0\0\0" + b"".join(sections) + _section(0, _name("wasmfleet.operations") + text)
    return dice.choice((junk, junk, junk[: dice.randrange(len(junk))], b"", dice.randbytes(500)))


def _type(parameters: Sequence[int], results: Sequence[int]) -> bytes:
    return b"\x60" + _leb(len(parameters)) + bytes(parameters) + _leb(len(results)) + bytes(results)


def _section(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + _leb(len(content)) + content


def _vector(items: Sequence[bytes]) -> bytes:
    return _leb(len(items)) + b"".join(items)


def _name(text: str) -> bytes:
    return _leb(len(text)) + text.encode()


def _leb(number: int) -> bytes:
    out = bytearray()
    while True:
        low, number = number & 0x7F, number >> 7
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def _signed(number: int) -> bytes:
    out = bytearray()
    while True:
        low, number = number & 0x7F, number >> 7
        done = (number == 0 and not low & 0x40) or (number == -1 and low & 0x40)
        out.append(low | (0 if done else 0x80))
        if done:
            return bytes(out)
