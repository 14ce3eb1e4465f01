"""The findings of `wasmfleet check`, and how they are written: as text for people, as JSON, as SARIF."""

from collections.abc import Iterable
from pathlib import PurePath
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

import msgspec

_SHOWN_COLUMNS: Final = 100
_SARIF: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One finding. Line and column count from 1, offset from 0; columns, offset and length are in code points."""

    path: str
    line: int = 1
    column: int = 1
    offset: int = 0
    length: int = 0
    severity: Literal["error", "warning", "note"] = "error"
    code: str
    message: str
    hint: str = ""
    excerpt: str = ""
    unchecked: list[str] = []


_Place = Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]


class Diagnostic(msgspec.Struct, frozen=True, kw_only=True):
    """One diagnostic of ast.validate, as a worker sends it."""

    line: _Place
    column: _Place
    offset: _Place
    length: _Place
    severity: Literal["error", "warning", "note"]
    code: str
    message: str
    hint: str


class Validation(msgspec.Struct, frozen=True, kw_only=True):
    """The result of ast.validate for one file, as a worker sends it."""

    diagnostics: list[Diagnostic]
    unchecked: list[str]


def of_diagnostic(path: str, source: str, told: Diagnostic, unchecked: list[str]) -> Finding:
    """Make a finding from a diagnostic of ast.validate, with an excerpt of the line it is about."""
    excerpt = _excerpt(source, told.offset, told.column)
    return Finding(path=path, excerpt=excerpt, unchecked=unchecked, **msgspec.structs.asdict(told))


def as_text(finding: Finding) -> str:
    """Write a finding as `path:line:column: error[code] message`, the source line, and a caret below the place."""
    place = f"{_printable(finding.path)}:{finding.line}:{finding.column}"
    lines = [f"{place}: {finding.severity}[{finding.code}] {_printable(finding.message)}"]
    if finding.excerpt.strip():
        lines += _with_caret(finding)
    if finding.hint:
        lines.append(f"    hint: {_printable(finding.hint)}")
    return "\n".join(lines)


def as_sarif(findings: Iterable[Finding], version: str) -> dict[str, Any]:
    """Write findings as one run of SARIF 2.1.0; notes about the run itself become notifications."""
    told = list(findings)
    results = [finding for finding in told if finding.severity != "note"]
    notes = [finding for finding in told if finding.severity == "note"]
    run = {
        "tool": {"driver": _driver(results, version)},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {"executionSuccessful": True, "toolExecutionNotifications": [_notification(n) for n in notes]}
        ],
        "results": [_result(finding) for finding in results],
    }
    return {"$schema": _SARIF, "version": "2.1.0", "runs": [run]}


def _excerpt(source: str, offset: int, column: int) -> str:
    """Cut out the line of the place, or the part of a long line around it."""
    start = offset - (column - 1) + _first_shown(column)
    end = source.find("\n", offset)
    return source[start : end if end >= 0 else None][:_SHOWN_COLUMNS].rstrip("\r")


def _first_shown(column: int) -> int:
    return max(0, column - 1 - _SHOWN_COLUMNS // 2)


def _with_caret(finding: Finding) -> list[str]:
    from rich.cells import cell_len

    at = finding.column - 1 - _first_shown(finding.column)
    marked = _printable(finding.excerpt[at:][: max(1, finding.length)])
    before = _printable(finding.excerpt[:at])
    return [
        f"    {_printable(finding.excerpt)}",
        f"    {' ' * cell_len(before)}{'^' * max(1, cell_len(marked))}",
    ]


def _printable(text: str) -> str:
    """Replace the characters that a terminal would take for commands instead of showing them."""
    return "".join(
        c if c.isprintable() else " " if c in "\t\n" else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def _driver(results: list[Finding], version: str) -> dict[str, Any]:
    codes = sorted({finding.code for finding in results})
    rules = [{"id": code, "shortDescription": {"text": code.replace("-", " ")}} for code in codes]
    return {"name": "wasmfleet", "version": version, "rules": rules}


def _notification(note: Finding) -> dict[str, Any]:
    return {"level": "note", "message": {"text": note.message}, "descriptor": {"id": note.code}}


def _result(finding: Finding) -> dict[str, Any]:
    region = {"startLine": finding.line, "startColumn": finding.column}
    if finding.length:
        region |= {"charOffset": finding.offset, "charLength": finding.length}
    place = {"artifactLocation": {"uri": _uri(finding.path)}, "region": region}
    return {
        "ruleId": finding.code,
        "level": finding.severity,
        "message": {"text": f"{finding.message} ({finding.hint})" if finding.hint else finding.message},
        "locations": [{"physicalLocation": place}],
    }


def _uri(path: str) -> str:
    pure = PurePath(path)
    return ("file://" if pure.is_absolute() else "") + quote(pure.as_posix())
