"""Strategies for calls of an operation, made from its contract, from its vectors and from the operation it undoes."""

import inspect
from typing import Any, Final

import msgspec.inspect
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.conformance import counterparts, frames, mutation, programs, values, vectors
from wasmfleet.workers.contracts.operation import PREFIX, Operation
from wasmfleet.workers.errors import WasmfleetError

#: The family whose `source` is a program.
_OF_PROGRAMS: Final = "ast"


def of(operation: Operation) -> SearchStrategy[dict[str, Any]]:
    """Draw the arguments of a call, by name. Without vectors or a counterpart, they come from the contract alone."""
    parameters = {name: _values(operation, name) for name in operation.contract.wire}
    found = [_from_contract(operation, parameters)]
    known = [vector["arguments"] for vector in vectors.by_operation().get(_short(operation), [])]
    if known:
        found.append(_near(st.sampled_from(known), parameters))
        if operation.parity == "exact" and bytes in operation.contract.types.values():
            found.append(_reframed(st.sampled_from(known)))
    if operation.module == _OF_PROGRAMS:
        found.append(_near(programs.programs(), parameters))
    maker = counterparts.making(operation)
    if maker is not None:
        found.append(_near(_made(maker, operation), parameters))
    return _evenly(*found)


def _short(operation: Operation) -> str:
    return operation.name.removeprefix(PREFIX)


def _values(operation: Operation, name: str) -> SearchStrategy[Any]:
    """Draw values of a parameter's type, those that any vector gives to a parameter of its name, or changed copies."""
    declared = operation.contract.types[name]
    kind = msgspec.inspect.type_info(declared)
    fresh = values.of(kind)
    if beyond := list(values.beyond(kind)):
        fresh = st.integers(0, 9).flatmap(
            lambda one: st.sampled_from(beyond) if one == 9 else values.of(kind)
        )
    seeds = [seed for seed in vectors.arguments_called(name) if _is(seed, declared)]
    return _evenly(fresh, st.sampled_from(seeds), mutation.of(seeds, fresh)) if seeds else fresh


def _evenly(*choices: SearchStrategy[Any]) -> SearchStrategy[Any]:
    """Draw from each of the strategies equally often; `one_of` would prefer those that have alternatives themselves."""
    return st.sampled_from(choices).flatmap(lambda chosen: chosen)


def _is(value: Any, declared: Any) -> bool:
    try:
        msgspec.convert(value, declared, builtin_types=(bytes,))
    except msgspec.ValidationError:
        return False
    return True


def _from_contract(
    operation: Operation, parameters: dict[str, SearchStrategy[Any]]
) -> SearchStrategy[dict[str, Any]]:
    signature = inspect.signature(operation.twin).parameters
    is_needed = {name: signature[name].default is inspect.Parameter.empty for name in parameters}
    return st.fixed_dictionaries(
        {name: given for name, given in parameters.items() if is_needed[name]},
        optional={name: given for name, given in parameters.items() if not is_needed[name]},
    )


@st.composite
def _near(
    draw: DrawFn, known: SearchStrategy[dict[str, Any]], parameters: dict[str, SearchStrategy[Any]]
) -> dict[str, Any]:
    """Draw a known call with some arguments replaced and some added."""
    arguments = dict(draw(known))
    for name, given in parameters.items():
        if draw(st.integers(0, 3)) == 3:
            arguments[name] = draw(given)
    return arguments


@st.composite
def _reframed(draw: DrawFn, known: SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    """Draw a known call whose bytes are one of several frames or members, where they are any."""
    arguments = draw(known)
    return {
        name: draw(frames.around(value)) if isinstance(value, bytes) else value
        for name, value in arguments.items()
    }


@st.composite
def _made(draw: DrawFn, maker: Operation, operation: Operation) -> dict[str, Any]:
    """Draw a call whose input is a result of the operation that this one undoes, unchanged or changed."""
    arguments = draw(of(maker))
    try:
        made = counterparts.call(maker, "python", arguments)
    except WasmfleetError:
        made = b""
    if draw(st.booleans()):
        made = draw(mutation.of([made], st.nothing()))
    return counterparts.arguments_of(operation, made, arguments)
