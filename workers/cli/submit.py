"""`wasmfleet submit`: publish one call, wait for it and print its result."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wasmfleet.config.settings import Lane, settings
from wasmfleet.workers.cli import catalogue, completion, fleet, lines
from wasmfleet.workers.errors import InvalidArguments, RuntimeUnavailable

if TYPE_CHECKING:
    from celery.result import AsyncResult

    from wasmfleet.workers.calls.task import OperationTask


def submit(
    operation: Annotated[
        str,
        typer.Argument(
            metavar="OP",
            help="Its name, as `wasmfleet ops` lists it.",
            autocompletion=completion.operations,
        ),
    ],
    arg: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="An argument: text and bytes as they are, any other type as JSON.",
            show_default=False,
        ),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PATH", help="An argument from a file; - is stdin.", show_default=False),
    ] = None,
    json: Annotated[
        str | None,
        typer.Option(
            metavar="OBJECT", help="Arguments as a JSON object; bytes in base64.", show_default=False
        ),
    ] = None,
    lane: Annotated[
        Lane | None, typer.Option(help="Which lane may serve; default: WASMFLEET_LANE.", show_default=False)
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait; then the call expires.")] = 60.0,
    output: Annotated[
        Path | None, typer.Option(help="Write the result to this file.", show_default=False)
    ] = None,
) -> None:
    """Publish one call, wait for it, and print its result as JSON, or unchanged where it is bytes.

    Exits with 0 when there is a result, 1 when the operation failed, 2 when the call could not run.
    """
    known, _ = catalogue.operations(settings())
    target = catalogue.named(known, operation)
    arguments = _arguments(target, arg or [], file or [], json)
    target.operation.contract.check((), arguments)
    chosen = lane or settings().lane
    fleet.demand(settings(), chosen, target.operation.target.module)
    _print(_answer(target, arguments, chosen, timeout), output)


def _arguments(
    target: "OperationTask[..., Any]", args: list[str], files: list[str], json: str | None
) -> dict[str, Any]:
    kinds = target.operation.contract.types
    given = _object(target, json) if json is not None else {}
    for text in args:
        name, value = _split(text, "--arg")
        given[name] = _typed(target, name, kinds.get(name, str), value)
    for text in files:
        name, path = _split(text, "--file")
        content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        given[name] = content if kinds.get(name) is bytes else _text(target, name, path, content)
    return given


def _split(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidArguments(f"{option} {text[:80]!r}: write NAME=VALUE")
    return name, value


def _typed(target: "OperationTask[..., Any]", name: str, kind: Any, value: str) -> Any:
    if kind is bytes:
        return value.encode(errors="surrogateescape")
    if _takes_text(kind):
        return value
    return _parsed(
        value,
        lambda reason: f"{target.operation.contract.name}: `{name}`: {value[:80]!r} is not JSON ({reason})",
    )


def _takes_text(kind: Any) -> bool:
    """Tell whether an argument of this type is text, not JSON: `str`, `str | None`, or a choice of texts."""
    from types import UnionType
    from typing import Literal, Union, get_args, get_origin

    if get_origin(kind) in (Union, UnionType):
        return any(map(_takes_text, get_args(kind)))
    return kind is str or (
        get_origin(kind) is Literal and all(isinstance(one, str) for one in get_args(kind))
    )


def _object(target: "OperationTask[..., Any]", text: str) -> dict[str, Any]:
    value = _parsed(text, lambda reason: f"--json is not JSON: {reason}")
    if not isinstance(value, dict):
        raise InvalidArguments(f"--json must be an object of argument names, not {type(value).__name__}")
    kinds = target.operation.contract.types
    return {name: _with_bytes(name, kinds.get(name), inner) for name, inner in value.items()}


def _with_bytes(name: str, kind: Any, value: Any) -> Any:
    from wasmfleet.workers.contracts import base64_text

    try:
        return base64_text.with_bytes(value, kind)
    except base64_text.NotBase64:
        raise InvalidArguments(f"--json: `{name}` takes bytes; write them in base64") from None


def _parsed(text: str, complaint: Callable[[str], str]) -> Any:
    import msgspec

    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise InvalidArguments(complaint(str(error))) from None


def _text(target: "OperationTask[..., Any]", name: str, path: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        reason = f"{path} is not UTF-8 at byte {error.start:,}, and `{name}` takes text"
        raise InvalidArguments(f"{target.operation.contract.name}: {reason}") from None


def _answer(
    target: "OperationTask[..., Any]", arguments: dict[str, Any], lane: Lane, timeout_s: float
) -> Any:
    sent = target.apply_async(kwargs=arguments, lane=lane, expires=timeout_s)
    try:
        return _await(sent, lane, target, timeout_s)
    except KeyboardInterrupt:
        sent.revoke()
        raise


def _await(sent: "AsyncResult[Any]", lane: Lane, target: "OperationTask[..., Any]", timeout_s: float) -> Any:
    from celery.exceptions import TimeoutError as NotYet

    try:
        answer = sent.get(timeout=timeout_s, propagate=False)
    except NotYet:
        sent.revoke()
        sent.forget()  # else its destructor would use the result store while the interpreter shuts down
        fleet.demand(settings(), lane, target.operation.target.module)
        raise RuntimeUnavailable(f"no answer within {timeout_s:g} s; the call is cancelled") from None
    if isinstance(answer, RuntimeUnavailable):
        raise answer
    if isinstance(answer, Exception):
        lines.fail(f"{type(answer).__name__}: {answer}")
        raise typer.Exit(1)
    return answer


def _print(value: Any, output: Path | None) -> None:
    raw = isinstance(value, bytes)
    content = value if raw else lines.json_of(value)
    if output is not None:
        output.write_bytes(content)
    elif raw and sys.stdout.isatty():
        lines.say(f"{len(content):,} bytes; use --output FILE, or send stdout to a file or a pipe", err=True)
    else:
        lines.write(content)
