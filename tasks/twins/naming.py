"""Name functions and classes: by their own name, or by that of what holds them."""

from collections.abc import Iterator
from typing import Any, Final

from wasmfleet.tasks.twins.literals import value

_FUNCTIONS: Final = {
    "arrow_function",
    "function_declaration",
    "function_expression",
    "generator_function",
    "generator_function_declaration",
    "method_definition",
}
_WRAPPERS: Final = {
    "parenthesized_expression",
    "as_expression",
    "satisfies_expression",
    "non_null_expression",
}
_TEXTS: Final = {"string", "template_string"}
_CONSTANTS: Final = {*_TEXTS, "number", "null", "regex"}
_FIELDS: Final = {"field_definition", "public_field_definition"}


def is_function(node: Any) -> bool:
    return node.is_named and node.type in _FUNCTIONS


def function_name(node: Any) -> str:
    own = node.child_by_field_name("name")
    if node.type == "method_definition":
        return _in_class(node, _key(own))
    return value(own) if own is not None else _holder_name(node)


def class_name(node: Any) -> str:
    own = node.child_by_field_name("name")
    return value(own) if own is not None else _holder_name(node)


def _holder_name(node: Any) -> str:
    """Give the name of the variable, property or field that a value is assigned to; empty where there is none."""
    while node.parent is not None and node.parent.type in _WRAPPERS:
        node = node.parent
    holder = node.parent
    if holder is None:
        return ""
    if holder.type in _FIELDS and holder.child_by_field_name("value") == node:
        return _in_class(holder, _key(_field_key(holder)))
    if holder.type == "variable_declarator" and holder.child_by_field_name("value") == node:
        return _plain(holder.child_by_field_name("name"))
    if holder.type == "assignment_expression" and holder.child_by_field_name("right") == node:
        return _assigned(holder.child_by_field_name("left"))
    if holder.type == "augmented_assignment_expression" and holder.child_by_field_name("right") == node:
        return _assigned(holder.child_by_field_name("left"))
    if holder.type == "pair" and holder.child_by_field_name("value") == node:
        return _key(holder.child_by_field_name("key"))
    return ""


def _field_key(field: Any) -> Any:
    return field.child_by_field_name("property") or field.child_by_field_name("name")


def _in_class(member: Any, name: str) -> str:
    body = member.parent
    if body is None or body.type != "class_body":
        return name
    outer = class_name(body.parent)
    return f"{outer}.{name}" if outer else name


def _key(node: Any) -> str:
    if node.type != "computed_property_name":
        return value(node)
    inner = node.named_children[0]
    return value(inner) if inner.type in _CONSTANTS else ""


def _assigned(left: Any) -> str:
    if left.type == "member_expression":
        return value(left.child_by_field_name("property"))
    if left.type == "subscript_expression":
        index = left.child_by_field_name("index")
        return value(index) if index.type in _TEXTS else ""
    return _plain(left)


def _plain(node: Any) -> str:
    return value(node) if node.type == "identifier" else ""


def declared_names(declaration: Any) -> Iterator[str]:
    """Give the names that a declaration binds."""
    if declaration.type == "ambient_declaration":
        declaration = declaration.named_children[0]
    if declaration.type in ("lexical_declaration", "variable_declaration"):
        for declarator in (
            child for child in declaration.named_children if child.type == "variable_declarator"
        ):
            yield from _pattern_names(declarator.child_by_field_name("name"))
    elif (name := declaration.child_by_field_name("name")) is not None:
        yield value(name)


def _pattern_names(pattern: Any) -> Iterator[str]:
    if pattern.type in ("identifier", "shorthand_property_identifier_pattern"):
        yield value(pattern)
    elif pattern.type == "pair_pattern":
        yield from _pattern_names(pattern.child_by_field_name("value"))
    elif pattern.type in ("assignment_pattern", "object_assignment_pattern"):
        yield from _pattern_names(pattern.child_by_field_name("left"))
    else:
        for child in pattern.named_children:
            yield from _pattern_names(child)
