"""The signature of an operation as text, as a caller writes a call."""

import inspect
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from wasmfleet.workers.contracts import bounds
from wasmfleet.workers.contracts.contract import Supplied
from wasmfleet.workers.contracts.operation import Operation


def spelled(operation: Operation) -> str:
    """Write an operation's signature as Python does, without the parameters that the worker supplies."""
    if operation.twin is None:
        shown = ", ".join(f"{name}: {_type(kind)}" for name, kind in operation.contract.types.items())
        return f"({shown})"
    signature = inspect.signature(operation.twin)
    sent = [_spelled(p) for p in signature.parameters.values() if not isinstance(p.default, Supplied)]
    given = inspect.signature(operation.target.twin or operation.twin).return_annotation
    return str(signature.replace(parameters=sent, return_annotation=_spelled_type(given)))


def _spelled(parameter: inspect.Parameter) -> inspect.Parameter:
    return parameter.replace(annotation=_spelled_type(parameter.annotation))


class _Spelled:
    """A stand-in for a type, which a signature prints as the given text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _spelled_type(annotation: Any) -> Any:
    return _Spelled(_type(annotation))


def _type(annotation: Any) -> str:
    """Write a type as in the source, but a Literal as its values, and bounds in words: `int[1 to 2^53]`."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " | ".join(map(repr, parts))
    if origin is Annotated:
        told = bounds.told(annotation.__metadata__[0])
        return f"{_type(parts[0])}[{told}]" if told else _type(parts[0])
    if origin in (Union, UnionType):
        return " | ".join(map(_type, parts))
    if isinstance(origin, type) and parts:
        return f"{origin.__name__}[{', '.join(map(_type, parts))}]"
    if annotation is type(None):
        return "None"
    if isinstance(annotation, type):
        return annotation.__name__
    return str(annotation).replace("typing.", "").replace("wasmfleet.tasks.", "")
