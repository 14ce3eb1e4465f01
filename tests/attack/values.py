"""Values that often break programs, and their encoding in JSON and MessagePack.

Libraries refuse to write some of them: very deep nesting, numbers of any length, lone surrogates, wrong lengths. For
these a structure holds a `literal`, a word that is replaced by raw bytes after encoding.
"""

import copy
import json
import random
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import msgpack

ESCAPE: Final = "\x1b[2J\x1b]0;owned\x07\x1b[31m"
FORGED_LINE: Final = "x\r\n[2026-01-01 00:00:00,000: CRITICAL/MainProcess] forged\n"
ADDRESS: Final = "<object at 0x7f3a12345678>"
_MARK: Final = "~literal:"

#: By name, the raw JSON and the raw MessagePack of each literal.
_LITERALS: Final[dict[str, Callable[[], tuple[bytes, bytes]]]] = {
    "deep": lambda: (b"[" * 2_000 + b"]" * 2_000, b"\x91" * 2_000 + b"\x90"),
    "deeper": lambda: (b"[" * 100_000 + b"]" * 100_000, b"\x91" * 100_000 + b"\x90"),
    "deep objects": lambda: (b'{"a": ' * 900 + b"1" + b"}" * 900, b"\x81\xa1a" * 900 + b"\x01"),
    "long integer": lambda: (b"9" * 4_000, b"\xcf" + b"\xff" * 8),
    "too long integer": lambda: (b"-" + b"9" * 9_000, b"\xd3\x80" + b"\0" * 7),
    "not a number": lambda: (b"NaN", b"\xcb\x7f\xf8" + b"\0" * 6),
    "infinity": lambda: (b"-Infinity", b"\xcb\xff\xf0" + b"\0" * 6),
    "huge float": lambda: (b"1e999", b"\xcb\x7f\xef" + b"\xff" * 6),
    "surrogate": lambda: (b'"\\ud800"', b"\xa3\xed\xa0\x80"),
    "no UTF-8": lambda: (b'"\\udcff"', b"\xa2\xff\xfe"),
    "extension": lambda: (b"[]", b"\xd4\x05\x00"),
    "strange time": lambda: (
        b'{"__type__": "datetime", "__value__": "9999"}',
        b"\xc7\x0c\xff" + b"\xff" * 12,
    ),
    "lying text": lambda: (b'"', b"\xdb\xff\xff\xff\xff"),
    "lying list": lambda: (b"[", b"\xdd\xff\xff\xff\xff"),
    "lying map": lambda: (b"{", b"\xdf\xff\xff\xff\xff"),
    "key that cannot be one": lambda: (b"{1: 2}", b"\x81\x91\x01\x02"),
    "twice the same key": lambda: (b'{"a": 1, "a": 2}', b"\x82\xa1a\x01\xa1a\x02"),
    "unused byte": lambda: (b"undefined", b"\xc1"),
    "many small": lambda: (b"[" + b"[]," * 20_000 + b"0]", b"\xdc\x4e\x20" + b"\x90" * 20_000),
}
_TYPED: Final[list[Any]] = [
    {"__type__": kind, "__value__": value}
    for kind, value in [
        ("datetime", "0001-01-01T00:00:00+23:59"),
        ("datetime", "9999-12-31T23:59:59-23:59"),
        ("datetime", 5),
        ("date", "2020-02-30"),
        ("time", []),
        ("decimal", "zz"),
        ("decimal", "1e999999999"),
        ("decimal", "NaN"),
        ("uuid", {"hex": "x"}),
        ("uuid", {"hex": "0" * 32, "version": 99}),
        ("bytes", "%%%"),
        ("base64", "AAAA"),
        ("base64", "\ud800"),
        ("tuple", [1]),
        ("nobody", None),
        ({}, {}),
        ("__type__", {"__type__": "decimal", "__value__": {"__type__": "x", "__value__": 1}}),
    ]
]
_SCALARS: Final[list[Any]] = [
    *(None, True, False, 0, -1, 1, 2**31, -(2**63), 2**63 - 1, 2**64, 1e308, -0.0, 5e-324),
    *("", "x", "\0", "a\0b", ESCAPE, FORGED_LINE, "\u202egnp.exe", ADDRESS, "0x" + "f" * 16, "\x85\x9b31m"),
    *("a" * 3_000, "ü" * 1_000, "𝄞" * 300, "../../etc/passwd", "%s%n{0}{task}", "'; DROP TABLE results; --"),
    *(
        "wasmfleet.digest.digest",
        "wasmfleet.batch",
        "celery.map",
        "celery.backend_cleanup",
        "wasmfleet.python",
    ),
    *("2020-01-01T00:00:00", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "NaN", "Infinity"),
    *([], {}, [[]], [{}], [[], {}, {}], {"": None}, {"a": {"b": {"c": []}}}, ["x"] * 300, [None] * 300),
    {"task": "wasmfleet.digest.digest", "args": [], "kwargs": {"data": "x"}, "options": {}},
    {str(n): n for n in range(300)},
]


def interesting(dice: random.Random) -> Any:
    """Choose a value: a literal, a typed one of kombu's JSON, or any other that often breaks programs."""
    kind = dice.random()
    if kind < 0.3:
        return _MARK + dice.choice(list(_LITERALS)) + "~"
    return copy.deepcopy(dice.choice(_TYPED if kind < 0.42 else _SCALARS))  # the caller may change it


def typed(dice: random.Random) -> Any:
    """Choose a mapping that kombu's JSON decodes, or tries to decode, as another type."""
    return copy.deepcopy(dice.choice(_TYPED))


def literal(name: str) -> str:
    """Return the word that stands for the literal with this name."""
    return f"{_MARK}{name}~"


def to_json(value: Any) -> bytes:
    """Encode a value as JSON, and put its literals in, which may break JSON's rules."""
    text = json.dumps(value, default=_readable).encode()
    if _MARK.encode() not in text:
        return text
    for name in _LITERALS:
        text = text.replace(json.dumps(literal(name)).encode(), _encoded(name)[0])
    return text


def to_msgpack(value: Any) -> bytes:
    """Encode a value as MessagePack, and put its literals in, which may break MessagePack's rules."""
    packed: bytes = msgpack.packb(value, default=_readable, unicode_errors="surrogatepass")
    if _MARK.encode() not in packed:
        return packed
    for name in _LITERALS:
        word = msgpack.packb(literal(name))
        packed = packed.replace(word, _encoded(name)[1])
    return packed


def _readable(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else repr(value)


@cache
def _encoded(name: str) -> tuple[bytes, bytes]:
    return _LITERALS[name]()
