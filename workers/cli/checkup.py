"""One thing that the doctor looked at, and what came of it."""

from typing import Literal

import msgspec


class Checkup(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at; `mend` says what to do unless it is ok."""

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
