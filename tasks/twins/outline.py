"""List what a source imports, exports and declares, with tree-sitter; the result equals the sandbox's."""

import re
from collections.abc import Iterator
from typing import Any, Final

from wasmfleet.tasks.twins import languages, syntax
from wasmfleet.tasks.twins.erasure import refuse_ambiguous
from wasmfleet.tasks.twins.literals import value
from wasmfleet.tasks.twins.naming import class_name, declared_names, function_name, is_function
from wasmfleet.tasks.twins.positions import Positions
from wasmfleet.tasks.twins.tokens import leaves, walk

_DECISIONS: Final = {
    "if_statement",
    "ternary_expression",
    "for_statement",
    "for_in_statement",
    "while_statement",
    "do_statement",
    "switch_case",
    "catch_clause",
}
_LOGICAL: Final = {"&&", "||", "??", "&&=", "||=", "??="}
_CLASSES: Final = {"class_declaration", "class", "abstract_class_declaration"}
_TYPES: Final = {
    "extends_type_clause",
    "implements_clause",
    "interface_declaration",
    "type_alias_declaration",
    "type_annotation",
    "type_arguments",
    "type_parameters",
    "type_predicate_annotation",
    "type_query",
}
_COMMENTS: Final = {"comment", "html_comment"}
_TAG: Final = re.compile(r"(?<![\w$])(TODO|FIXME|HACK|XXX)(?![\w$])", re.ASCII)
#: Unicode's White_Space, as the sandbox trims it; Python's own `strip` takes the separators U+001C to U+001F as well.
_WHITE_SPACE: Final = "".join(
    character
    for character in map(chr, range(0x3001))
    if character.isspace() and not "\x1c" <= character <= "\x1f"
)


def outline(source: str, filename: str, language: str) -> Any:
    chosen = languages.name(filename, language)
    root = syntax.parsed(source, chosen)
    if chosen in ("typescript", "tsx"):
        refuse_ambiguous(list(leaves(root)))
    positions = Positions(source)
    functions = [_function(node, positions) for node in walk(root) if is_function(node)]
    functions.sort(key=lambda found: (found["start"], found["end"]))
    return {
        "language": chosen,
        "imports": list(_imports(root, positions)),
        "exports": list(_exports(root, positions)),
        "functions": functions,
        "classes": [
            _class(node, positions) for node in walk(root) if node.is_named and node.type in _CLASSES
        ],
        "todos": list(_todos(root, source, positions)),
        "complexity": _complexity(root) + sum(found["complexity"] for found in functions),
        "unchecked": [syntax.UNCHECKED],
    }


def _span(node: Any, positions: Positions) -> dict[str, int]:
    start = positions.point(node.start_byte)
    return {"start": start, "end": positions.point(_end(node)), "line": positions.line(start)}


def _end(node: Any) -> int:
    """The end of a node's last token: the grammar counts a comment behind it in."""
    while parts := [child for child in node.children if child.type not in _COMMENTS]:
        node = parts[-1]
    end: int = node.end_byte
    return end


def _lines(node: Any, positions: Positions) -> dict[str, int]:
    span = _span(node, positions)
    return span | {"end_line": positions.line(span["end"])}


def _function(node: Any, positions: Positions) -> dict[str, Any]:
    return {
        "name": function_name(node),
        **_lines(node, positions),
        **_beginning(node, positions),
        "complexity": _complexity(node),
    }


def _beginning(node: Any, positions: Positions) -> dict[str, int]:
    """Where a node begins; the decorators before a method belong to it."""
    while node.prev_sibling is not None and node.type in ("method_definition", "decorator"):
        before = node.prev_sibling
        while before is not None and before.type == "comment":
            before = before.prev_sibling
        if before is None or before.type != "decorator":
            break
        node = before
    start = positions.point(node.start_byte)
    return {"start": start, "line": positions.line(start)}


def _class(node: Any, positions: Positions) -> dict[str, Any]:
    lines = _lines(node, positions)
    if node.parent.type == "ambient_declaration":  # `declare` belongs to the class
        lines |= {key: _span(node.parent, positions)[key] for key in ("start", "line")}
    return {"name": class_name(node), **lines}


def _complexity(owner: Any) -> int:
    """Count the decisions inside a function that belong to no inner function, and one."""
    count, waiting = 1, list(owner.children)
    while waiting:
        node = waiting.pop()
        if not is_function(node):
            count += _decides(node)
            waiting += node.children
    return count


def _decides(node: Any) -> bool:
    if node.type in ("binary_expression", "augmented_assignment_expression"):
        return node.child_by_field_name("operator").type in _LOGICAL
    return node.is_named and node.type in _DECISIONS


def _imports(root: Any, positions: Positions) -> Iterator[dict[str, Any]]:
    for node in walk(root):
        source = (
            node.child_by_field_name("source")
            if node.type in ("import_statement", "export_statement")
            else None
        )
        if node.type == "call_expression" and not _is_type(node):
            source = _loaded(node)
        if source is not None:
            names = _local_names(node) if node.type == "import_statement" else []
            yield {"source": value(source), "names": names, **_span(node, positions)}


def _is_type(call: Any) -> bool:
    """Whether `import("x")` stands in a type, which loads nothing."""
    inner, outer = call, call.parent
    while outer is not None and not outer.type.endswith(("statement", "block", "body")):
        if outer.type in _TYPES or outer.type.endswith("_type"):
            return True
        if outer.type in ("as_expression", "satisfies_expression") and outer.children[0] != inner:
            return True
        inner, outer = outer, outer.parent
    return False


def _loaded(call: Any) -> Any:
    """Give the literal that `import("x")` or `require("x")` names, or None for any other call."""
    callee, arguments = call.child_by_field_name("function"), call.child_by_field_name("arguments")
    given = arguments.named_children if arguments is not None else []
    is_loading = callee.type == "import" or (
        callee.type == "identifier" and value(callee) == "require" and len(given) == 1
    )
    return given[0] if is_loading and given and given[0].type == "string" else None


def _local_names(statement: Any) -> list[str]:
    clause = next((child for child in statement.children if child.type == "import_clause"), None)
    if clause is None:
        return []
    return [name for child in clause.named_children for name in _bound(child)]


def _bound(node: Any) -> list[str]:
    if node.type == "identifier":
        return [value(node)]
    if node.type == "namespace_import":
        return [value(node.named_children[-1])]
    specifiers = [child for child in node.named_children if child.type == "import_specifier"]
    return [value(one.child_by_field_name("alias") or one.child_by_field_name("name")) for one in specifiers]


def _exports(root: Any, positions: Positions) -> Iterator[dict[str, Any]]:
    for node in walk(root):
        if node.type == "export_statement":
            for name in _exported(node):
                yield {"name": name, **_span(node, positions)}


def _exported(statement: Any) -> Iterator[str]:
    declaration = statement.child_by_field_name("declaration")
    for child in statement.children:
        if child.type == "default":
            yield "default"
            return
        if child.type == "*":
            yield "*"
        elif child.type == "import_alias":
            yield value(child.named_children[0])
        elif child.type == "namespace_export":
            yield value(child.named_children[-1])
        elif child.type == "export_clause":
            for one in (one for one in child.named_children if one.type == "export_specifier"):
                yield value(one.child_by_field_name("alias") or one.child_by_field_name("name"))
    if declaration is not None:
        yield from declared_names(declaration)


def _todos(root: Any, source: str, positions: Positions) -> Iterator[dict[str, Any]]:
    for node in walk(root):
        if node.type in _COMMENTS:
            start = positions.point(node.start_byte)
            content = source[start : positions.point(node.end_byte)].removesuffix("*/")
            yield from _tags(content, start, positions)


def _tags(content: str, start: int, positions: Positions) -> Iterator[dict[str, Any]]:
    for line in content.split("\n"):
        if found := _TAG.search(line):
            rest, at = line[found.end() :], start + found.start()
            end = start + found.end() + len(rest.rstrip(_WHITE_SPACE))
            yield {
                "tag": found[1],
                "text": rest.strip(_WHITE_SPACE),
                "start": at,
                "end": end,
                "line": positions.line(at),
            }
        start += len(line) + 1
