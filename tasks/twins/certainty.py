"""Tell a source that is surely faulty from one that tree-sitter's grammar may be too old, or too tolerant, to judge."""

import contextlib
import re
from itertools import pairwise
from typing import Any, Final

import esprima

from wasmfleet.tasks.twins.tokens import BETWEEN, leaves

#: What no edition of ECMAScript or TypeScript lets follow an operator that needs a right operand.
_ENDS: Final = frozenset([";", ")", "]", ",", "="])
_OPERATORS: Final = {
    *("=", "+=", "-=", "**=", "%=", "&&=", "||=", "??=", "&&", "||", "??", "+", "-", "%", "^", "=="),
    *("===", "!=", "!==", "=>", "."),
}
_PAIRS: Final = frozenset(
    {(operator, end) for operator in _OPERATORS for end in _ENDS}
    | {("(", "]"), ("(", "}"), ("[", ")"), ("[", "}"), ("{", ")"), ("{", "]"), (",", ";")}
    | {(":", "="), (":", ")"), (":", ","), (":", "]")}
)
#: Words that newer editions and proposals have given a meaning to: what follows one may be new.
_NEWER_WORDS: Final = {
    *("accessor", "as", "async", "await", "defer", "enum", "from", "get", "import", "let", "module"),
    *("of", "set", "source", "static", "type", "using", "yield"),
}
_SEPARATORS: Final = re.compile("[\u2028\u2029]")
_LAST_WORD: Final = re.compile(r"([\w$]*)\W*$")
_NAME: Final = re.compile(r"[\w$]")


def is_sound(source: str, language: str) -> bool:
    """Whether esprima, which knows ECMAScript 2017, parses a source that tree-sitter refuses. It knows no types."""
    return language in ("javascript", "jsx") and _failures(source, jsx=False) == []


def is_faulty(source: str, language: str, root: Any, errors: list[Any]) -> bool:
    """Whether no edition of the language can know a source, whose tree has these errors, first one first."""
    first = errors[0]
    if len(errors) == 1 and first.is_missing and first.type == "}":
        return not source.encode()[first.end_byte :].strip()
    if language in ("javascript", "jsx") and _is_refused_by_both(source, language, first):
        return True
    return "</" not in source and "/>" not in source and _has_impossible_pair(source.encode(), root, first)


def _is_refused_by_both(source: str, language: str, first: Any) -> bool:
    """Whether esprima meets, where tree-sitter does, a token that no newer syntax explains."""
    failures = _failures(source, jsx=language == "jsx")
    if not failures:
        return False
    error = max(failures, key=lambda failure: int(failure.index))
    at, before = error.index, source[: error.index]
    if at >= len(source.rstrip()) or error.message.endswith("missing /"):
        # ECMAScript 2018 takes more escapes in tagged templates; esprima reports one where the source ends.
        return not ("`" in source and "\\" in source and error.message.endswith("ILLEGAL"))
    data = source.encode()
    place, until = len(before.encode()), first.end_byte
    is_there = first.start_byte <= place and BETWEEN.fullmatch(data[until : max(until, place)].decode())
    word = _LAST_WORD.search(before)
    return bool(
        is_there
        and not re.search(r"\bclass\b", before)
        and not (word and word[1] in _NEWER_WORDS)
        and _is_old(source, at, error.message)
    )


def _is_old(source: str, at: int, message: str) -> bool:
    """Whether the offending token is one that ECMAScript 2017 has, and no part of a newer one."""
    offending = source[at]
    if message.endswith("ILLEGAL"):
        return offending in "'\"" and not _SEPARATORS.search(source)
    if offending in ";)],}:":
        return True
    if offending == "=":
        return source[at - 1 : at] not in ("|", "&", "?")
    return bool(_NAME.match(offending)) and not re.match(r"(?:assert|await|with)\b", source[at:])


def _failures(source: str, *, jsx: bool) -> list[Any] | None:
    """The errors of esprima for a script and for a module: none where either parses, None where it gives up."""
    found = []
    for parse in (esprima.parseScript, esprima.parseModule):
        try:
            parse(source, {"jsx": jsx})
        except esprima.Error as error:
            found.append(error)
        except RecursionError:
            return None
        else:
            return []
    return found


def _has_impossible_pair(source: bytes, root: Any, first: Any) -> bool:
    """Whether two tokens side by side, at the first error, belong to no language at hand."""
    for before, token in pairwise(leaves(root)):
        if token.start_byte > first.end_byte and before.start_byte >= first.end_byte:
            return False
        pair = before.text.decode(), token.text.decode()
        if token.end_byte >= first.start_byte and pair in _PAIRS:
            with contextlib.suppress(UnicodeDecodeError):
                between = source[before.end_byte : token.start_byte].decode()
                doubtful = source[first.start_byte : before.start_byte]
                return bool(BETWEEN.fullmatch(between)) and not re.search(rb"[/`'\"]", doubtful)
    return False
