"""Parser of the signatures that WebAssembly modules declare for their operations, such as `(name: str) -> str`.

A module may write anything there. Python's own parser reads the text, and whatever is more than a plain signature is
refused.
"""

import ast
import inspect
import keyword
import re
from typing import Any, Final

import msgspec

from wasmfleet.workers.errors import VersionMismatch

MOST_PARAMETERS: Final = 32
_TYPES: Final[dict[str, Any]] = {
    "str": str,
    "bytes": bytes,
    "int": int,
    "float": float,
    "bool": bool,
    "list": list,
    "dict": dict,
    "object": Any,
}
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)
_DEFAULTS: Final = (type(None), bool, int, float, str, bytes, list, dict)


def parsed(signature: str) -> tuple[inspect.Signature, dict[str, Any]]:
    """Parse a signature into its parameters and their types by name. Raises VersionMismatch where it is none."""
    try:
        arguments = _arguments(signature)
        hints = {argument.arg: _type(argument.annotation) for argument in arguments.args}
        return inspect.Signature(_parameters(arguments, hints)), hints
    except VersionMismatch:
        raise
    except Exception:  # noqa: BLE001 - Python's parser has many ways to refuse text, RecursionError among them
        raise VersionMismatch(
            f"{signature[:80]!r} is not a signature such as (name: str) -> str; types are {', '.join(_TYPES)}"
        ) from None


def _arguments(signature: str) -> ast.arguments:
    [function] = ast.parse(f"def operation{signature}: ...").body
    if not isinstance(function, ast.FunctionDef) or [type(part) for part in function.body] != [ast.Expr]:
        raise ValueError("more than a signature")
    if function.returns and ast.unparse(function.returns) != "None":
        _type(function.returns)
    arguments = function.args
    if arguments.posonlyargs or arguments.kwonlyargs or arguments.vararg or arguments.kwarg:
        raise VersionMismatch(f"{signature[:80]!r} has a `*` or a `/`; give each parameter by its name alone")
    if len(arguments.args) > MOST_PARAMETERS:
        raise VersionMismatch(f"{signature[:80]!r} has more than {MOST_PARAMETERS} parameters")
    return arguments


def _parameters(arguments: ast.arguments, hints: dict[str, Any]) -> list[inspect.Parameter]:
    defaults = [inspect.Parameter.empty] * (len(arguments.args) - len(arguments.defaults))
    values = defaults + [ast.literal_eval(default) for default in arguments.defaults]
    return [_parameter(a.arg, hints[a.arg], v) for a, v in zip(arguments.args, values, strict=True)]


def _parameter(name: str, hint: Any, default: Any) -> inspect.Parameter:
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise VersionMismatch(
            f"a parameter has the name {name[:80]!r}; give letters, digits and _, a letter first"
        )
    if default is not inspect.Parameter.empty and default is not None:
        _check_default(name, hint, default)
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)


def _check_default(name: str, hint: Any, default: Any) -> None:
    """Refuse a default that a caller could not send: one of another type than the parameter's, or no plain data."""
    try:
        sent = msgspec.msgpack.decode(msgspec.msgpack.encode(default))
        if (
            not isinstance(default, _DEFAULTS)
            or msgspec.convert(sent, hint, builtin_types=(bytes,)) != default
        ):
            raise TypeError
    except Exception:  # noqa: BLE001 - a literal may hold anything, and encoders raise what they like
        raise VersionMismatch(
            f"the default of {name!r} must be a value of its type that a message can carry"
        ) from None


def _type(annotation: ast.expr | None) -> Any:
    return _TYPES[ast.unparse(annotation)] if annotation else Any
