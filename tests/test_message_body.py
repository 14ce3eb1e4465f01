"""The main process reads parts of a message's body: they equal what a decoder makes of it."""

import json
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasmfleet.workers.untrusted import message_body

_NUMBERS = st.floats() | st.integers(-(2**63), 2**64 - 1)
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)
_MAPS = st.dictionaries(st.text(), _VALUES)


@given(st.lists(_VALUES), _MAPS, _MAPS)
def test_the_parts_of_a_body_decode_to_what_was_sent(args: Any, kwargs: Any, embed: Any) -> None:
    """Include what Python writes beyond the JSON standard: NaN, Infinity, lone surrogates."""
    sent = [args, kwargs, embed]
    as_json = json.dumps(sent).encode()
    found = message_body.of(as_json, message_body.JSON)

    assert repr(json.loads(found.embed)) == repr(json.loads(json.dumps(embed)))

    packed = msgpack.packb(sent, unicode_errors="surrogatepass")
    parts = message_body.of(packed, message_body.MSGPACK)
    assert (bytes(parts.args) + bytes(parts.kwargs) + parts.embed, packed[:1]) == (packed[1:], b"\x93")


@given(st.lists(_MAPS, min_size=1, max_size=20), st.sampled_from(["place", "name", "both"]))
def test_a_batch_has_as_many_calls_as_were_sent(calls: list[Any], how: str) -> None:
    args, kwargs = {
        "place": (["digest.digest", calls], {}),
        "name": ([], {"calls": calls, "operation": "digest.digest"}),
        "both": (["digest.digest"], {"calls": calls}),
    }[how]

    for kind, body in (
        (message_body.JSON, json.dumps([args, kwargs, {}]).encode()),
        (message_body.MSGPACK, msgpack.packb([args, kwargs, {}], unicode_errors="surrogatepass")),
    ):
        found = message_body.of_batch(message_body.of(body, kind))
        assert (found.operation, found.calls) == ("digest.digest", len(calls))


@given(st.binary(max_size=200), st.sampled_from([message_body.JSON, message_body.MSGPACK]))
def test_any_other_bytes_are_refused(body: bytes, kind: str) -> None:
    try:
        found = message_body.of(body, kind)
        message_body.of_batch(found)
    except (ValueError, RecursionError):
        return
    assert found.kind == kind


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"[[],{}]", b"[[],{},{},{}]", b"[{},{},{}]", b'["",{},{}]']
)
def test_what_is_no_body_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        message_body.of(body, message_body.JSON)
