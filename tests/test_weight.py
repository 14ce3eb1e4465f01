"""The weight of a message: it equals what decoding gives, and too much is refused before decoding."""

import json
import time
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasmfleet.workers.untrusted.weight import Malformed, TooHeavy, check_json, check_msgpack, is_light

MANY, DEEP = 4_000_000, 64

texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.none() | st.booleans() | st.floats() | st.integers(-(2**63), 2**64 - 1) | texts
blobs = st.binary(max_size=300) | st.integers(0, 127).map(lambda code: msgspec.msgpack.Ext(code, b"x" * code))


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=60)


def count(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(1 + count(inner) for inner in value.values())
    return 1 + sum(map(count, value)) if isinstance(value, list) else 1


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


@given(nested(scalars | blobs))
def test_messagepack_weighs_what_it_decodes_to(value: Any) -> None:
    data, values, levels = msgspec.msgpack.encode(value), count(value), depth(value)

    assert check_msgpack(data, values, levels) == values
    assert check_msgpack(memoryview(data + b"\xc0"), values, levels) == values
    with pytest.raises(TooHeavy, match="values"):
        check_msgpack(data, values - 1, levels)
    if levels:
        assert not is_light(data, values, levels - 1)
        with pytest.raises(TooHeavy, match="levels"):
            check_msgpack(data, values, levels - 1)


@given(nested(scalars), st.sampled_from([None, 1]), st.booleans())
def test_json_weighs_what_it_decodes_to(value: Any, indent: int | None, ascii_only: bool) -> None:
    data = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    values, levels = count(value), depth(value)

    assert check_json(data, values, levels) == values
    with pytest.raises(TooHeavy, match="values"):
        check_json(data, values - 1, levels)
    if levels:
        with pytest.raises(TooHeavy, match="levels"):
            check_json(data, values, levels - 1)


@given(nested(scalars | blobs), st.data())
def test_messagepack_that_is_cut_short_says_so(value: Any, data: st.DataObject) -> None:
    whole = msgspec.msgpack.encode(value)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]

    with pytest.raises(Malformed):
        check_msgpack(cut, MANY, 10_000)


@given(st.binary(max_size=400))
def test_any_bytes_are_weighed_or_refused(data: bytes) -> None:
    check_json(data, MANY, 10_000)
    try:
        check_msgpack(data, MANY, 10_000)
    except Malformed:
        with pytest.raises(msgspec.DecodeError):
            msgspec.msgpack.decode(data)


@pytest.mark.parametrize(
    ("weigh", "data"),
    [
        (check_msgpack, b"\xdd\x01\x40\x00\x00" + b"\x80" * (20 << 20)),
        (check_msgpack, b"\xdd\x01\x00\x00\x00" + b"\xdd\x00\x00\x00\x01\x80" * (3 << 20)),
        (check_msgpack, b"\x91" * (20 << 20)),
        (check_msgpack, b"\xdc\x00\x01" * (7 << 20)),
        (check_json, b"[" + b"{}," * (7 << 20) + b"0]"),
        (check_json, b"[" + b'"",' * (7 << 20) + b"0]"),
        (check_json, b"[" + b'",",' * (5 << 20) + b"0]"),
        (check_json, b'["' + b'\\"' * (10 << 20)),
        (check_json, b"[" * (20 << 20)),
        (check_json, b'{"a":' * (4 << 20)),
    ],
)
def test_twenty_mebibytes_of_bomb_are_refused_without_being_built(weigh: Any, data: bytes) -> None:
    tracemalloc.start()
    began = time.process_time()
    try:
        weigh(data, MANY, DEEP)
        assert weigh is check_json  # only the JSON text that is a single endless string passes
    except TooHeavy:
        pass
    spent, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (peak < 3 * len(data), spent < 10) == (True, True), (peak, spent)


def test_a_small_message_needs_no_count() -> None:
    assert is_light(msgspec.msgpack.encode(["text"] * 50), MANY, DEEP)
    assert is_light(b"\x90" * DEEP, MANY, DEEP)
    assert not is_light(b"\x90" * 100, 99, 200)
    assert not is_light(b"\x90" * 100, MANY, DEEP)
