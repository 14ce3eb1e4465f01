"""Find what of TypeScript has no meaning when the program runs, and refuse what has one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from wasmfleet.tasks.twins import languages
from wasmfleet.tasks.twins.tokens import LINE_END
from wasmfleet.workers.errors import NotSupportedInLane

_TYPES: Final = {
    "accessibility_modifier",
    "asserts_annotation",
    "implements_clause",
    "override_modifier",
    "type_annotation",
    "type_arguments",
    "type_parameters",
    "type_predicate_annotation",
}
_STATEMENTS: Final = {
    "ambient_declaration",
    "function_signature",
    "interface_declaration",
    "type_alias_declaration",
}
_MEMBERS: Final = {"abstract_method_signature", "index_signature", "method_signature"}
#: What TypeScript's grammar has and JavaScript's does not, but what is kept but for its types.
_KEPT: Final = {
    "abstract_class_declaration",
    "as_expression",
    "extends_clause",
    "instantiation_expression",
    "non_null_expression",
    "optional_parameter",
    "public_field_definition",
    "required_parameter",
    "satisfies_expression",
    "type_identifier",
}
_REFUSED: Final = {
    "decorator": "decorators",
    "enum_declaration": "enums",
    "export_assignment": "`export =`",
    "import_alias": "import aliases",
    "import_require_clause": "`import = require()`",
    "internal_module": "namespaces",
    "module": "modules",
    "type_assertion": "type assertions in angle brackets",
}
#: Words that are plain names where a line ends behind them.
_ONE_LINE: Final = {"abstract", "declare", "interface", "readonly", "type"}
#: Words that are modifiers even where a line ends behind them.
_ACROSS_LINES: Final = {"accessor", "get", "set", "static"}
_MODIFIERS: Final = {"abstract", "declare", "readonly"}
_OPTIONAL: Final = {
    "method_definition",
    "optional_parameter",
    "public_field_definition",
    "variable_declarator",
}
_CASTS: Final = {"as_expression", "satisfies_expression"}
#: Types that a line end before their bracket ends; the grammar reads on.
_BRACKETED: Final = {"array_type", "generic_type", "lookup_type"}


@dataclass(frozen=True, slots=True)
class Erased:
    """A stretch of the source without meaning, in bytes. A statement or a member may need a semicolon in its place."""

    start: int
    end: int
    is_statement: bool = False
    is_member: bool = False
    #: What follows may go on with the member before, once this word is gone.
    is_first_in_member: bool = False
    #: No line may end here, or what is around would be read otherwise.
    is_joined: bool = False


def erased(source: bytes, root: Any) -> Iterator[Erased]:
    """Give the stretches to erase, in the order of the source. Raises NotSupportedInLane for what cannot be erased."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        _refuse(source, node)
        whole = _whole(node)
        if whole:
            _refuse_broken_types(source, node)
            yield whole
        else:
            yield from _parts(node)
            gone = {(part.start, part.end) for part in _parts(node)}
            kept = [child for child in node.children if not _is_within(child, gone)]
            waiting += reversed(kept)


def _is_within(node: Any, spans: set[tuple[int, int]]) -> bool:
    return any(start <= node.start_byte and node.end_byte <= end for start, end in spans)


def _refuse(source: bytes, node: Any) -> None:
    if node.is_named and node.type in _REFUSED and node.parent is not None:
        raise NotSupportedInLane(f"plain Python cannot lower {_REFUSED[node.type]}; use a sandbox")
    known = _TYPES | _STATEMENTS | _MEMBERS | _KEPT
    if node.is_named and node.type not in known and node.type not in _javascript():
        raise NotSupportedInLane(f"plain Python cannot lower the TypeScript of {node.type}; use a sandbox")
    if node.type == "public_field_definition" and _is_modifier(node):
        raise NotSupportedInLane("plain Python cannot tell a name from a modifier here; use a sandbox")
    if node.type in ("required_parameter", "optional_parameter"):
        _refuse_properties(node)
    if node.type in _CASTS and _is_continued(node):
        raise NotSupportedInLane("plain Python cannot tell where a type ends here; use a sandbox")
    for child, following in zip(node.children, node.children[1:], strict=False):
        is_broken = LINE_END.search(source[child.end_byte : following.start_byte].decode())
        is_bound = child.type in _ONE_LINE or child.type in ("accessibility_modifier", "override_modifier")
        is_bound |= following.type in ("as", "satisfies", "!") and following.is_named is False
        if is_broken and is_bound and node.type != "unary_expression":
            raise NotSupportedInLane("plain Python cannot tell a name from a modifier here; use a sandbox")


def _is_modifier(field: Any) -> bool:
    """Whether what the grammar takes for a field is a modifier of the member on the next line."""
    following = field.next_sibling
    is_bare = len(field.children) == 1 and field.children[0].text.decode() in _ACROSS_LINES
    return is_bare and following is not None and following.type not in (";", "}")


def _refuse_properties(parameter: Any) -> None:
    modifiers = {"accessibility_modifier", "override_modifier", "readonly"}
    if any(child.type in modifiers for child in parameter.children):
        raise NotSupportedInLane("plain Python cannot lower parameter properties; use a sandbox")


def _is_continued(cast: Any) -> bool:
    """Whether the grammar goes on behind a type as no source can on the same line: it overlooked the line's end."""
    parent = cast.parent
    return parent.type in ("call_expression", "member_expression", "subscript_expression") and (
        parent.children[0] == cast
    )


def _refuse_broken_types(source: bytes, node: Any) -> None:
    """Refuse a type that the grammar continues on a line on which TypeScript begins something else."""
    waiting = [node]
    while waiting:
        inner = waiting.pop()
        waiting += inner.children
        if inner.type in _BRACKETED:
            first, second = inner.children[0], inner.children[1]
            if LINE_END.search(source[first.end_byte : second.start_byte].decode()):
                raise NotSupportedInLane("plain Python cannot tell where a type ends here; use a sandbox")


def _whole(node: Any) -> Erased | None:
    """The stretch of a node that goes as a whole, with what belongs to it."""
    if node.type in _TYPES:
        return Erased(
            node.start_byte,
            node.end_byte,
            is_first_in_member=_is_first_in_member(node),
            is_joined=node.parent.type == "arrow_function",
        )
    if node.type in _STATEMENTS:
        return _statement(node.parent if node.parent.type == "export_statement" else node)
    if node.type in ("import_statement", "export_statement") and _is_of_types(node):
        return _statement(node)
    if node.type in _MEMBERS or (node.type == "public_field_definition" and _is_declared_only(node)):
        return Erased(node.start_byte, end_with(node, ";"), is_member=True)
    if node.type == "required_parameter" and node.children[0].type == "this":
        return Erased(node.start_byte, end_with(node, ","))
    if node.type in ("import_specifier", "export_specifier") and _has(node, "type"):
        return Erased(node.start_byte, end_with(node, ","))
    return None


def _statement(node: Any) -> Erased:
    return Erased(node.start_byte, end_with(node, ";"), is_statement=True)


def end_with(node: Any, mark: str) -> int:
    """Give the end of a node with the mark that follows it, if it does."""
    following = node.next_sibling
    end: int = following.end_byte if following is not None and following.type == mark else node.end_byte
    return end


def _has(node: Any, word: str) -> bool:
    return any(child.type == word and not child.is_named for child in node.children)


def _is_declared_only(field: Any) -> bool:
    return _has(field, "declare") or _has(field, "abstract")


def _is_first_in_member(node: Any) -> bool:
    member = node.parent
    return member.parent is not None and member.parent.type == "class_body" and member.children[0] == node


def _is_of_types(statement: Any) -> bool:
    """Whether an import or export names types only, so that the whole statement goes."""
    if _has(statement, "type"):
        return True
    declared = statement.child_by_field_name("declaration")
    if declared is not None:
        return declared.type in _STATEMENTS
    if statement.child_by_field_name("source") is None:
        return False
    specifiers = [
        child for child in _clauses(statement) if child.type in ("import_specifier", "export_specifier")
    ]
    others = [child for child in _clauses(statement) if child.type in ("identifier", "namespace_import")]
    return bool(specifiers) and not others and all(_has(specifier, "type") for specifier in specifiers)


def _clauses(statement: Any) -> Iterator[Any]:
    for clause in statement.named_children:
        if clause.type in ("import_clause", "export_clause"):
            for child in clause.named_children:
                yield child
                yield from child.named_children if child.type == "named_imports" else ()


def _parts(node: Any) -> Iterator[Erased]:
    """The stretches that go of a node that stays."""
    children = node.children
    if node.type in _CASTS:
        yield Erased(children[0].end_byte, node.end_byte)
    elif node.type == "non_null_expression":
        yield Erased(children[-1].start_byte, node.end_byte)
    for child in children:
        if not child.is_named and (
            child.type in _MODIFIERS or (child.type in ("?", "!") and node.type in _OPTIONAL)
        ):
            yield Erased(child.start_byte, child.end_byte, is_first_in_member=_is_first_in_member(child))


@cache
def _javascript() -> frozenset[str]:
    return languages.kinds("javascript")


#: How a list of type arguments may begin that the grammar reads as a comparison, and what ends the search for its end.
_NO_TYPE: Final = re.compile(r"[;)\]}]|&&|\|\||\?\??|[*/%+=!^]=*|[<>]=")

#: How many tokens are looked at; where they do not tell, the source is refused.
_FARTHEST: Final = 1000


def refuse_ambiguous(leaves: list[Any]) -> None:
    """Refuse `f<T>` that the grammar reads as two comparisons (seen in tree-sitter-typescript 0.23.2)."""
    for at, leaf in enumerate(leaves):
        if leaf.type == "<" and leaf.parent.type == "binary_expression" and _closes(leaves, at + 1):
            raise NotSupportedInLane(
                "plain Python cannot tell type arguments from comparisons here; use a sandbox"
            )


def _closes(leaves: list[Any], at: int) -> bool:
    depth = 0
    for leaf in leaves[at : at + _FARTHEST]:
        text = leaf.text.decode()
        if text in ("(", "[", "{", "${"):
            depth += 1
        elif text in (")", "]", "}") and depth:
            depth -= 1
        elif depth == 0 and text in (">", ">>", ">>>"):
            return True
        elif depth == 0 and text != "=>" and _NO_TYPE.fullmatch(text):
            return False
    return at + _FARTHEST < len(leaves)
