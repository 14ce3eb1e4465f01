"""The result of one check that `wasmfleet doctor` makes, as data."""

from typing import Literal

import msgspec


class Checkup(msgspec.Struct, frozen=True, kw_only=True):
    """What was checked, its state, and what was found; `mend` says what to do about a warning or a problem."""

    what: str
    state: Literal["ok", "warning", "problem"]
    finding: str
    mend: str = ""


def ok(what: str, finding: str) -> Checkup:
    return Checkup(what=what, state="ok", finding=finding)


def problem(what: str, finding: str, mend: str) -> Checkup:
    return Checkup(what=what, state="problem", finding=finding, mend=mend)


def warning(what: str, finding: str, mend: str) -> Checkup:
    return Checkup(what=what, state="warning", finding=finding, mend=mend)
