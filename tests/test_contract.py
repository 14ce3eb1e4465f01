"""The contract of an operation: what callers may give for a plain value, and what a refusal says."""

import array
import enum
from collections import OrderedDict, UserDict, namedtuple
from fractions import Fraction
from typing import Any

import msgspec
import numpy
import pytest
from kombu.serialization import dumps, loads
from markupsafe import Markup

from wasmfleet.tasks import compression, digest, metrics, text
from wasmfleet.workers.contracts.contract import Contract
from wasmfleet.workers.contracts.plain import plain
from wasmfleet.workers.contracts.signatures import parsed
from wasmfleet.workers.errors import InvalidArguments, WasmfleetError

OWN = Contract("own.module", *parsed("(data: bytes, rows: list = [], more: object = None)"))


class Level(enum.IntEnum):
    HIGH = 9


class Codec(enum.StrEnum):
    GZIP = "gzip"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (numpy.float64(1.5), 1.5),
        (numpy.float32(0.1), 0.10000000149011612),
        (numpy.float16(0.5), 0.5),
        (numpy.int64(-(2**63)), -(2**63)),
        (numpy.uint8(255), 255),
        (numpy.bool_(True), True),
        (numpy.str_("a"), "a"),
        (numpy.bytes_(b"a"), b"a"),
        (numpy.array([1.5, 2.5]), [1.5, 2.5]),
        (numpy.array([[1, 2], [3, 4]], dtype="u1"), [[1, 2], [3, 4]]),
        ([numpy.float64(1.5), None, 2.5], [1.5, None, 2.5]),
        (array.array("d", [1.5, 2.5]), [1.5, 2.5]),
        (Markup("<b>") + "&", "<b>&amp;"),
        (Level.HIGH, 9),
        (Codec.GZIP, "gzip"),
        (bytearray(b"\0a"), b"\0a"),
        (memoryview(b"abcd")[::2], b"ac"),
        ((1, (2, "a")), [1, [2, "a"]]),
        (namedtuple("Pair", "a b")(1, 2), [1, 2]),
        (OrderedDict(b=(1,), a=2), {"b": [1], "a": 2}),
        (UserDict({Markup("a"): 1}), {"a": 1}),
        (Fraction(1, 2), 0.5),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_becomes_the_plain_one_that_it_stands_for(given: Any, expected: Any) -> None:
    found = plain(given)

    assert (found, type(found)) == (expected, type(expected))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(found)) == expected


@pytest.mark.parametrize(
    "value",
    [Fraction(1, 3), 10**400, object(), numpy.longdouble(1) / 3, 1j],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_no_plain_one_equals_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArguments):
        OWN.encode(OWN.check((b"",), {"more": value}))


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        (text.hash, {"text": Markup("a")}),
        (digest.digest, {"data": memoryview(b"a"), "algorithm": numpy.str_("md5")}),
        (compression.compress, {"data": bytearray(b"a"), "codec": Codec.GZIP, "level": Level.HIGH}),
        (metrics.aggregate, {"series": {"a": numpy.array([1.5, 2.5])}, "edges": (numpy.float64(1),)}),
    ],
)
def test_what_is_sent_is_plain_and_stands_where_it_was_given(operation: Any, arguments: Any) -> None:
    first, *rest = arguments
    contract = operation.operation.contract
    by_place, by_name, checked = contract.sendable(
        (arguments[first],), {name: arguments[name] for name in rest}
    )

    assert (len(by_place), list(by_name)) == (1, rest)
    assert by_place[0] == checked[first]
    for serializer in ("json", "msgpack"):
        kind, encoding, body = dumps([by_place, by_name], serializer)
        assert loads(body, kind, encoding, accept=[kind]) == [list(by_place), by_name]
    assert operation.python(**arguments) == operation.python(*by_place, **by_name)


@pytest.mark.parametrize(
    ("operation", "arguments", "said"),
    [
        (compression.decompress, {"data": b"", "max_size": 0}, "`max_size`: expected `int[1 to 2^53]`"),
        (
            compression.decompress,
            {"data": b"", "max_size": 2**63 - 1},
            "`max_size`: expected `int[1 to 2^53]`",
        ),
        (compression.compress, {"data": b"", "level": -1}, "`level`: expected `int[0 to 12]`"),
        (compression.compress, {"data": b"", "level": 9.0}, "`level`: expected `int | null`, got `float`"),
        (compression.best, {"data": b"", "codecs": []}, "`codecs`: expected `array[at least 1 item]`"),
        (
            compression.best,
            {"data": b"", "codecs": ["zip"]},
            "`codecs[0]`: invalid enum value 'zip'; allowed are gzip, deflate, zlib, brotli, lz4",
        ),
        (
            metrics.aggregate,
            {"series": {"a": [1.0], "b b": [1.0, float("nan")]}},
            "`series['b b'][1]`: expected `float[finite]`",
        ),
        (
            metrics.aggregate,
            {"series": {"a": ["x"]}},
            "`series['a'][0]`: expected `float | null`, got `str`",
        ),
        (metrics.aggregate, {"series": {}, "edges": [1.0, "x"]}, "`edges[1]`: expected `float`, got `str`"),
        (digest.digest, {"data": "YQ=="}, "`data`: expected `bytes`, got `str`"),
    ],
)
def test_a_refusal_names_the_argument_and_what_is_allowed(operation: Any, arguments: Any, said: str) -> None:
    with pytest.raises(InvalidArguments) as raised:
        operation.python(**arguments)

    assert str(raised.value) == f"{operation.operation.contract.name}: {said}"


@pytest.mark.parametrize("text", ["YQ==", "YQ", "-_8", "+/8="])
def test_text_is_base64_in_a_message_of_json_only(text: str) -> None:
    contract = digest.digest.operation.contract

    assert isinstance(contract.received([text], {}, is_json=True)["data"], bytes)
    for refused in (contract.check, contract.received):
        with pytest.raises(InvalidArguments, match="expected `bytes`, got `str`"):
            refused([text], {})


@pytest.mark.parametrize(
    "text", ["a", "YQ=", "YR==", "Y Q==", "YQ==\n", "+_8=", "YQ===", "\u0661\u0661\u0661\u0661"]
)
def test_what_is_no_base64_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidArguments) as raised:
        digest.digest.operation.contract.received([], {"data": text}, is_json=True)

    assert (
        str(raised.value) == "digest.digest: `data`: expected `bytes`, got text that is not base64 (RFC 4648)"
    )


@pytest.mark.parametrize(
    ("types", "given", "expected"),
    [
        (list[bytes], ["YQ==", b"b"], [b"a", b"b"]),
        (dict[str, bytes], {"YQ==": "YQ=="}, {"YQ==": b"a"}),
        (bytes | None, None, None),
        (bytes | None, "YQ==", b"a"),
        (dict[str, list[bytes]] | list[bytes], [b"", "YQ=="], [b"", b"a"]),
    ],
)
def test_base64_is_read_wherever_a_type_has_bytes(types: Any, given: Any, expected: Any) -> None:
    def function(value: Any) -> None: ...

    function.__annotations__["value"] = types
    contract = Contract.of("some.operation", function)

    assert contract.received([given], {}, is_json=True) == {"value": expected}


def test_arguments_that_hold_themselves_are_refused() -> None:
    rows: list[Any] = []
    rows.append(rows)

    with pytest.raises(WasmfleetError, match="nest"):
        OWN.check((b"",), {"rows": rows})
