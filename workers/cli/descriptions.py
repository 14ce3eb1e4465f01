"""An operation in words, as `wasmfleet ops` tells them."""

import inspect
from collections.abc import Iterator
from typing import Any

from wasmfleet.workers.calls.task import OperationTask
from wasmfleet.workers.cli import signatures

Task = OperationTask[..., Any]


def of(task: Task) -> Iterator[str]:
    """Give all that is known of an operation, line by line."""
    yield spelled(task)
    yield f"parity {parity(task)}; lanes {lanes(task)}"
    if task.operation.alias_of is not None:
        yield f"runs as {task.operation.target.name}"
    yield ""
    yield from (inspect.getdoc(task) or "It has no description.").split("\n")


def spelled(task: Task) -> str:
    """Give an operation's whole name and its signature."""
    return f"{task.name}{signatures.spelled(task.operation)}"


def parity(task: Task) -> str:
    """Give how the plain-Python lane compares with the sandbox, or `none` where there is no such lane."""
    return task.operation.parity or "none"


def lanes(task: Task) -> str:
    """Name the lanes that can serve an operation."""
    return "any, wasm, python" if task.operation.twin is not None else "any, wasm"


def first_line(task: Task) -> str:
    """Give the first line of an operation's description."""
    return (inspect.getdoc(task) or "").partition("\n")[0]
