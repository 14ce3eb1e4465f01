"""Which language a source is in, from its arguments and its file name, as the sandbox decides it."""

from typing import Any, Final

import tree_sitter
import tree_sitter_javascript
import tree_sitter_typescript

_TYPESCRIPT: Final = (".ts", ".mts", ".cts")


def name(filename: str, language: str) -> str:
    """`javascript`, `jsx`, `typescript` or `tsx`."""
    if language != "auto":
        return language
    lower = filename.lower()
    if lower.endswith(".tsx"):
        return "tsx"
    return "typescript" if lower.endswith(_TYPESCRIPT) else "jsx"


def parse(source: bytes, language: str) -> Any:
    """The tree-sitter tree of a source in UTF-8."""
    return tree_sitter.Parser(_grammar(language)).parse(source)


def _grammar(language: str) -> Any:
    grammars = {
        "typescript": tree_sitter_typescript.language_typescript,
        "tsx": tree_sitter_typescript.language_tsx,
    }
    return tree_sitter.Language(grammars.get(language, tree_sitter_javascript.language)())
