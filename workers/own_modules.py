"""Your own modules: a `.wasm` file in WASMFLEET_MODULES becomes tasks by its custom section.

`tools.wasm` that declares `reverse` becomes `wasmfleet.tools.reverse(data: bytes) -> bytes`. They run in
a sandbox only: there is no twin.
"""

import ast
import inspect
from collections.abc import Iterable
from typing import Any, Final

from wasmfleet.config.settings import Settings
from wasmfleet.workers.app import app
from wasmfleet.workers.contract import Arguments, Contract
from wasmfleet.workers.errors import VersionMismatch
from wasmfleet.workers.operation import PREFIX, Operation
from wasmfleet.workers.runtime.modules import NotReady, files, manifest, read
from wasmfleet.workers.runtime.section import Declared

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


class _BytesContract(Contract):
    """Bytes in, bytes out: the request is the data itself."""

    def encode(self, arguments: Arguments) -> bytes:
        data: bytes = arguments["data"]
        return data


def register(settings: Settings) -> dict[str, str]:
    """Makes every operation of every user's module a task; gives the refused files, each with the reason."""
    built_in, refused = manifest(), {}
    for name, path in files(settings).items():
        if name not in built_in:
            try:
                _register_file(name, read(name, path).operations.values())
            except (NotReady, VersionMismatch) as error:
                refused[path.name] = str(error)
    return refused


def _register_file(name: str, operations: Iterable[Declared]) -> None:
    for declared in operations:
        contract = _contract(f"{name}.{declared.name}", declared)
        body = {
            "name": f"{PREFIX}{name}.{declared.name}",
            "contract": contract,
            "module": name,
            "function": declared.name,
            "twin": None,
            "parity": None,
            "__doc__": f"An operation of {name}.wasm: {declared.signature or 'bytes in, bytes out'}.",
        }
        app.register_task(type(declared.name, (Operation,), body)())


def _contract(name: str, declared: Declared) -> Contract:
    if not declared.signature:
        return _BytesContract(name, *_parsed("(data: bytes) -> bytes"))
    return Contract(name, *_parsed(declared.signature))


def _parsed(signature: str) -> tuple[inspect.Signature, dict[str, Any]]:
    """A signature's parameters and their types. Raises VersionMismatch where it is not one."""
    try:
        [function] = ast.parse(f"def operation{signature}: ...").body
        assert isinstance(function, ast.FunctionDef)
        hints = {argument.arg: _type(argument.annotation) for argument in function.args.args}
        return inspect.Signature(_parameters(function.args)), hints
    except (SyntaxError, ValueError, KeyError, AssertionError):
        known = ", ".join(_TYPES)
        raise VersionMismatch(
            f"{signature[:80]!r} is not a signature such as (name: str) -> str; types are {known}"
        ) from None


def _parameters(arguments: ast.arguments) -> list[inspect.Parameter]:
    defaults = [inspect.Parameter.empty] * (len(arguments.args) - len(arguments.defaults))
    values = defaults + [ast.literal_eval(default) for default in arguments.defaults]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return [inspect.Parameter(a.arg, kind, default=v) for a, v in zip(arguments.args, values, strict=True)]


def _type(annotation: ast.expr | None) -> Any:
    return _TYPES[ast.unparse(annotation)] if annotation else Any
