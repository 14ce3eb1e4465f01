"""Decide which language a source is in, as the sandbox does, and parse it with that language's grammar."""

from typing import Any, Final

import tree_sitter
import tree_sitter_javascript
import tree_sitter_typescript

_TYPESCRIPT: Final = (".ts", ".mts", ".cts")


def name(filename: str, language: str) -> str:
    """Name the language of a source: `javascript`, `jsx`, `typescript` or `tsx`."""
    if language != "auto":
        return language
    lower = filename.lower()
    if lower.endswith(".tsx"):
        return "tsx"
    return "typescript" if lower.endswith(_TYPESCRIPT) else "jsx"


def parse(source: bytes, language: str) -> Any:
    """Give the tree-sitter tree of a source in UTF-8."""
    return tree_sitter.Parser(_grammar(language)).parse(source)


def _grammar(language: str) -> Any:
    grammars = {
        "typescript": tree_sitter_typescript.language_typescript,
        "tsx": tree_sitter_typescript.language_tsx,
    }
    return tree_sitter.Language(grammars.get(language, tree_sitter_javascript.language)())
