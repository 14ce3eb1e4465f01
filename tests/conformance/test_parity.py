"""Tests of the property test itself: it notices forbidden differences, and its calls reach the values that matter."""

from collections.abc import Callable
from typing import Any

import msgspec.inspect
import pytest
from hypothesis import Phase, find, settings
from hypothesis.errors import NoSuchExample
from hypothesis.strategies import SearchStrategy

from tests.conformance import inputs, parity, programs, values
from tests.conformance.parity import Answer
from wasmfleet.tasks import ast, compression, crypto, digest
from wasmfleet.workers.calls.task import OperationTask
from wasmfleet.workers.errors import CorruptData, InvalidArguments, InvalidSource, NotSupportedInLane

#: Examples are not shrunk: only their existence matters here.
_UNSHRUNK = settings(phases=[Phase.generate], max_examples=2000)
_SOURCE = {"source": "a"}
_OUTLINE = ast.outline.python(**_SOURCE)
_ENDS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


def an_example(strategy: SearchStrategy[Any], condition: Callable[[Any], bool]) -> Any:
    return find(strategy, condition, settings=_UNSHRUNK)


@pytest.mark.parametrize(
    ("operation", "arguments", "sandboxed", "plain"),
    [
        (digest.digest, {"data": b""}, Answer("a"), Answer("b")),
        (digest.digest, {"data": b""}, Answer("a"), Answer(error=InvalidArguments(""))),
        (digest.digest, {"data": b""}, Answer("a"), Answer(error=NotSupportedInLane(""))),
        (digest.digest, {"data": b""}, Answer(error=CorruptData("")), Answer(error=InvalidArguments(""))),
        (compression.compress, {"data": b"a"}, *map(Answer, map(compression.compress.python, (b"a", b"b")))),
        (ast.outline, _SOURCE, Answer(_OUTLINE | {"unchecked": []}), Answer(_OUTLINE | {"complexity": 2})),
        (ast.outline, _SOURCE, Answer(_OUTLINE), Answer(_OUTLINE)),
        (ast.outline, _SOURCE, Answer(_OUTLINE | {"unchecked": []}), Answer(error=InvalidSource(""))),
    ],
)
def test_a_difference_that_the_parity_forbids_is_seen(
    operation: OperationTask[..., Any], arguments: dict[str, object], sandboxed: Answer, plain: Answer
) -> None:
    with pytest.raises(AssertionError):
        parity.assert_agree(operation.operation, arguments, sandboxed, plain)


@pytest.mark.parametrize(
    ("operation", "arguments", "sandboxed", "plain"),
    [
        (
            compression.compress,
            {"data": b"a"},
            *(Answer(compression.compress.python(b"a", level=n)) for n in (1, 9)),
        ),
        (crypto.sha256, {"data": b""}, Answer(0.1 + 0.2), Answer(0.3)),
        (ast.outline, _SOURCE, Answer(_OUTLINE | {"unchecked": []}), Answer(_OUTLINE)),
        (ast.outline, _SOURCE, Answer(error=InvalidSource("")), Answer(_OUTLINE)),
        (ast.outline, _SOURCE, Answer(error=InvalidSource("")), Answer(error=NotSupportedInLane(""))),
    ],
)
def test_a_difference_that_the_parity_allows_is_none(
    operation: OperationTask[..., Any], arguments: dict[str, object], sandboxed: Answer, plain: Answer
) -> None:
    parity.assert_agree(operation.operation, arguments, sandboxed, plain)


def test_a_value_of_another_type_than_the_declared_one_is_seen() -> None:
    with pytest.raises(msgspec.ValidationError):
        parity.assert_well_formed(digest.digest.operation, 1)
    with pytest.raises(msgspec.ValidationError):
        parity.assert_well_formed(ast.outline.operation, {})


@pytest.mark.parametrize("end", _ENDS)
def test_texts_reach_every_kind_of_line_end(end: str) -> None:
    an_example(values.of(msgspec.inspect.StrType()), lambda text: end in text and len(text) > 2)


def test_numbers_reach_their_edges() -> None:
    whole, real = values.of(msgspec.inspect.IntType()), values.of(msgspec.inspect.FloatType())
    for edge in (0, -1, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 2**64):
        an_example(whole, lambda value, edge=edge: value == edge)
    for edge in (5e-324, float("inf"), 2.0**53):
        an_example(real, lambda value, edge=edge: value == edge)
    an_example(real, lambda value: value != value)


def test_bounds_of_a_type_are_kept() -> None:
    bounded = values.of(msgspec.inspect.IntType(ge=3, le=5))
    with pytest.raises(NoSuchExample):
        an_example(bounded, lambda value: not 3 <= value <= 5)


def test_calls_reach_what_only_the_counterpart_makes() -> None:
    def decodes(arguments: dict[str, Any]) -> bool:
        is_brotli = arguments.get("codec") == "brotli"
        return is_brotli and bool(parity.answer(compression.decompress.operation, "python", arguments).value)

    an_example(inputs.of(compression.decompress.operation), decodes)


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "  c  ` : ''}  d`",
            "() => /a  b/",
            "yield / 1  2 /",
            "<! --y",
            "\u2028",
            "Terms & Conditions",
            "?a=1&b=2",
        ),
        *(
            "constructor(readonly ",
            ">`a`",
            "interface I",
            "<\nT\n>",
            "static accessor",
            "import defer",
            "import('x').Y",
        ),
    ],
)
def test_programs_reach_what_lanes_have_read_differently(piece: str) -> None:
    an_example(programs.programs(), lambda arguments: piece in arguments["source"])
