"""What every operation's contract takes and refuses, on calls made from the contract: subclasses, bounds, base64."""

import base64
import enum
from typing import Annotated, Any, get_args, get_origin

import msgspec.inspect
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, DrawFn

from tests.conformance import inputs, values
from tests.test_house import operations
from wasmfleet.workers.contracts import base64_text
from wasmfleet.workers.contracts.operation import Operation
from wasmfleet.workers.errors import InvalidArguments, WasmfleetError

_PLAIN = (str, bytes, int, float, bool, type(None), list, dict)


class Markup(str):
    """As a template engine's: what it holds is not what it shows."""

    def __str__(self) -> str:
        return "<b>"


class Data(bytes):
    def __bytes__(self) -> bytes:
        return b"something else"


class Number(float):
    def __float__(self) -> float:
        return -1.0


class Rows(list):  # type: ignore[type-arg]
    pass


class Names(dict):  # type: ignore[type-arg]
    pass


@st.composite
def dressed(draw: DrawFn, value: Any) -> Any:
    """Draw another object that stands for the same plain value."""
    match value:
        case bool() | None:
            return value
        case str():
            return draw(st.sampled_from([value, Markup(value)]))
        case bytes():
            return draw(st.sampled_from([value, Data(value), bytearray(value), memoryview(value)]))
        case int():
            return draw(st.sampled_from([value, enum.IntEnum("Member", {"ONE": value}).ONE]))  # type: ignore[attr-defined]
        case float():
            return draw(st.sampled_from([value, Number(value)]))
        case list():
            return draw(st.sampled_from([list, tuple, Rows]))([draw(dressed(inner)) for inner in value])
        case dict():
            pairs = {draw(dressed(name)): draw(dressed(inner)) for name, inner in value.items()}
            return draw(st.sampled_from([dict, Names]))(pairs)
    raise AssertionError(f"no plain value: {value!r}")


def outcome(operation: Operation, arguments: dict[str, Any]) -> Any:
    """Return the encoded arguments, which show every bit of them, or the code of the error."""
    try:
        checked = operation.contract.check((), arguments)
        assert_plain(checked)
        return operation.contract.encode(checked)
    except WasmfleetError as error:
        return error.code


def assert_plain(value: Any) -> None:
    assert type(value) in _PLAIN, type(value)
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        assert_plain(inner)


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.name)
def test_a_subclass_counts_as_what_it_is(operation: Operation) -> None:
    @settings(max_examples=25)
    @given(data=st.data())
    def agree(data: DataObject) -> None:
        arguments = data.draw(inputs.of(operation))
        disguised = {name: data.draw(dressed(value)) for name, value in arguments.items()}
        assert outcome(operation, disguised) == outcome(operation, arguments)

    agree()


def _bounded() -> list[Any]:
    return [
        pytest.param(operation, name, kind, id=f"{operation.name}.{name}")
        for operation in operations()
        for name, hint in operation.contract.types.items()
        for kind in [msgspec.inspect.type_info(hint)]
        if list(values.beyond(kind))
    ]


@pytest.mark.parametrize(("operation", "name", "kind"), _bounded())
def test_a_number_beyond_its_bounds_is_refused_by_name(
    operation: Operation, name: str, kind: msgspec.inspect.Type
) -> None:
    needed = {
        parameter: {bytes: b"", str: ""}.get(hint, {}) for parameter, hint in operation.contract.types.items()
    }
    known = {parameter: needed[parameter] for parameter in list(needed)[:1]}
    for value in values.beyond(kind):
        with pytest.raises(InvalidArguments, match=f"{operation.contract.name}: `{name}") as raised:
            operation.contract.check((), known | {name: value})
        assert " to " in raised.value.message or "finite" in raised.value.message, raised.value.message


def test_every_number_of_a_built_in_operation_has_bounds() -> None:
    for operation in operations():
        for name, hint in operation.contract.types.items():
            assert not _unbounded(hint), (operation.name, name)


def _unbounded(hint: Any) -> bool:
    """Whether a type has a number without bounds somewhere."""
    if get_origin(hint) is Annotated:
        base, *_ = get_args(hint)
        return False if base in (int, float) else _unbounded(base)
    return hint in (int, float) or any(map(_unbounded, get_args(hint)))


@given(data=st.binary(max_size=40), is_padded=st.booleans(), is_for_urls=st.booleans())
def test_base64_of_both_alphabets_is_read(data: bytes, is_padded: bool, is_for_urls: bool) -> None:
    text = (base64.urlsafe_b64encode if is_for_urls else base64.b64encode)(data).decode()

    assert base64_text.decoded(text if is_padded else text.rstrip("=")) == data


@given(text=st.text(st.sampled_from("AQgw+/-_= \n\u0661"), max_size=9))
def test_each_value_has_one_base64_text_in_each_alphabet(text: str) -> None:
    try:
        data = base64_text.decoded(text)
    except base64_text.NotBase64:
        return
    known = [code(data).decode() for code in (base64.b64encode, base64.urlsafe_b64encode)]
    assert text in [*known, *(one.rstrip("=") for one in known)]
