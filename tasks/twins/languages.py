"""Decide which language a source is in, as the sandbox does, and parse it with that language's grammar."""

from collections.abc import Iterator
from typing import Any, Final

import tree_sitter
import tree_sitter_javascript
import tree_sitter_typescript

from wasmfleet.tasks.twins.tokens import walk

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
    """Give the tree-sitter tree of a source in UTF-8.

    The grammars refuse a lone `&` in the text and the attributes of JSX (seen in 0.25 and 0.23.2), where it is plain
    text: it is parsed as if it were `|`.
    """
    parser = tree_sitter.Parser(_grammar(language))
    tree = parser.parse(source)
    if b"&" not in source or language == "typescript" or not tree.root_node.has_error:
        return tree
    mended = bytearray(source)
    for node in _texts_of_jsx(parser.parse(source.replace(b"&", b"|")).root_node):
        span = slice(node.start_byte, node.end_byte)
        mended[span] = mended[span].replace(b"&", b"|")
    return parser.parse(bytes(mended))


def _texts_of_jsx(root: Any) -> Iterator[Any]:
    for node in walk(root):
        if node.type == "jsx_text" or (node.type == "string" and node.parent.type == "jsx_attribute"):
            yield node


def _grammar(language: str) -> Any:
    grammars = {
        "typescript": tree_sitter_typescript.language_typescript,
        "tsx": tree_sitter_typescript.language_tsx,
    }
    return tree_sitter.Language(grammars.get(language, tree_sitter_javascript.language)())


def kinds(language: str) -> frozenset[str]:
    """Give the kinds of named nodes that a language's grammar knows."""
    grammar = _grammar(language)
    return frozenset(
        grammar.node_kind_for_id(kind) or ""
        for kind in range(grammar.node_kind_count)
        if grammar.node_kind_is_named(kind) and grammar.node_kind_is_visible(kind)
    )
