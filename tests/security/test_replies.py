"""A guest's replies: each is a value that any client can be sent, or its item's error; one budget limits them all."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.serialization import dumps, loads

from wasmfleet.config.settings import MIB, Settings
from wasmfleet.workers.errors import BY_CODE, HostileReply, WasmfleetError, from_code
from wasmfleet.workers.runtime import invoke, replies
from wasmfleet.workers.runtime.modules import Loaded, Modules

_ROOT = Path(__file__).parents[2]
LIMITS = invoke.Limits(
    time_s=5, batch_s=30, memory_bytes=256 * MIB, reply_bytes=64 * MIB, reply_values=4_000_000
)
GOOD = b"\x92\x00\x07"

names = st.text() | st.integers(0, 9) | st.binary() | st.sampled_from(["__type__", "__value__"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(names, inner, max_size=3),
    max_leaves=20,
)
codes = st.sampled_from(sorted(BY_CODE)) | st.text()
places = st.none() | st.dictionaries(st.sampled_from(["line", "column", "offset", "x"]), anything, max_size=4)


@pytest.fixture(scope="module")
def mirror(with_guests: Settings) -> Loaded:
    return Modules(with_guests).ready("mirror")


def reflect(module: Loaded, *frames: bytes, limits: invoke.Limits = LIMITS) -> list[invoke.Reply]:
    """Let the guest `mirror` reply with these frames, and return how each reply is read."""
    return invoke.run(module, module.binary.operations["mirror"], frames, limits)


def assert_a_value_or_a_typed_error(reply: invoke.Reply) -> None:
    if reply.error is not None:
        assert isinstance(reply.error, WasmfleetError)
        str(reply.error).encode()
        carried: Any = [reply.error.code, reply.error.message, reply.error.details]
    else:
        carried = reply.value
    for serializer in ("msgpack", "json"):
        kind, encoding, data = dumps(carried, serializer=serializer)
        assert repr(loads(data, kind, encoding, accept={kind})) == repr(carried)


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda tail: b"\x92\x00" + tail))
def test_bytes_that_are_no_reply_cost_their_item_only(mirror: Loaded, frame: bytes) -> None:
    before, hostile, after = reflect(mirror, GOOD, frame, GOOD)

    assert_a_value_or_a_typed_error(hostile)
    assert (before.value, after.value) == (7, 7)


@given(anything)
def test_a_value_that_a_guest_sends_can_be_sent_on(mirror: Loaded, value: Any) -> None:
    try:
        frame = msgspec.msgpack.encode([0, value])
    except UnicodeEncodeError:
        return  # no guest can send a lone surrogate as text

    _, reply = reflect(mirror, GOOD, frame)

    assert_a_value_or_a_typed_error(reply)
    if reply.error is None:
        assert msgspec.msgpack.encode(reply.value) == msgspec.msgpack.encode(value)


@given(codes, st.text(), places)
def test_a_guest_reports_only_its_own_errors_and_whole_places(
    mirror: Loaded, code: str, message: str, place: Any
) -> None:
    try:
        frame = msgspec.msgpack.encode([1, code, message, place])
    except UnicodeEncodeError:
        return

    _, reply = reflect(mirror, GOOD, frame)

    assert reply.error is not None
    assert reply.error.code in replies.GUEST_CODES | {"HostileReply"}
    assert_a_value_or_a_typed_error(reply)
    if type(reply.error) is not HostileReply:
        assert set(reply.error.place) in (set(), {"offset"}, {"line", "column", "offset"})


def test_the_codes_that_a_guest_may_send_are_those_of_the_abi() -> None:
    constructors = (_ROOT / "wasm_src" / "abi" / "src" / "fault.rs").read_text()

    assert set(re.findall(r'\w+ => "(\w+)"', constructors)) == replies.GUEST_CODES
    assert set(BY_CODE) > replies.GUEST_CODES


def test_a_thousand_items_are_not_run_again_for_one_bad_reply(mirror: Loaded) -> None:
    frames = [GOOD] * 1000
    frames[600] = b"\xc1"

    found = reflect(mirror, *frames, limits=replace(LIMITS, reply_bytes=1000 * 7))

    assert [index for index, reply in enumerate(found) if reply.error] == [600]


def test_the_replies_to_one_message_share_one_budget_of_bytes(mirror: Loaded) -> None:
    frames = [b"\x92\x00\xc5\x03\xe8" + b"x" * 1000, b"\x92\x00\xc5\x0b\xb8" + b"x" * 3000, GOOD]

    found = reflect(mirror, *frames, limits=replace(LIMITS, reply_bytes=2000))

    assert [reply.error and reply.error.code for reply in found] == [None, "OutputTooLarge", None]
    assert "WASMFLEET_MAX_OUTPUT" in str(found[1].error)
    assert "smaller batches" in str(found[1].error)


def test_the_replies_to_one_message_share_one_budget_of_values(mirror: Loaded) -> None:
    frames = [GOOD, b"\x92\x00\xdc\x03\xe8" + b"\x80" * 1000, b"\x92\x00\xdc\x03\xe8" + b"\x80" * 1000, GOOD]

    found = reflect(mirror, *frames, limits=replace(LIMITS, reply_values=1500))

    assert [reply.error and reply.error.code for reply in found] == [None, None, "OutputTooLarge", None]
    assert "WASMFLEET_MAX_VALUES" in str(found[2].error)


def test_long_texts_are_not_taken_for_many_values(mirror: Loaded) -> None:
    frames = [b"\x92\x00\xda\x03\xe8" + b"x" * 1000] * 20

    found = reflect(mirror, *frames, limits=replace(LIMITS, reply_values=100))

    assert [reply.error for reply in found] == [None] * 20


@given(st.one_of(st.text(), anything), st.one_of(places, anything))
def test_an_error_can_be_shown_whatever_it_was_made_of(message: Any, details: Any) -> None:
    for error in (WasmfleetError(message, details), from_code(message, message, details)):
        assert isinstance(str(error), str)
        assert isinstance(repr(error), str)
        assert isinstance(error.place, dict)


class _Unprintable:
    def __str__(self) -> str:
        raise RuntimeError


def test_an_error_about_something_without_text_can_be_shown() -> None:
    assert "_Unprintable" in str(WasmfleetError(_Unprintable(), {"line": _Unprintable()}))


def test_no_message_of_a_guest_holds_an_address_of_the_host(mirror: Loaded) -> None:
    said = msgspec.msgpack.encode([1, "CorruptData", "<Global at 0x7f3a5c001230>", None])
    forged = msgspec.msgpack.encode([1, "0x7f3a5c001230", "0x7f3a5c001230", None])

    found = reflect(mirror, said, forged)

    assert ["0x7f" in str(reply.error) for reply in found] == [False, False]
