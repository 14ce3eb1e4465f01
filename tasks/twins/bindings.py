"""Find the imports and exports that only types need: TypeScript drops them, and a program could not load them."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from wasmfleet.tasks.twins.erasure import Erased, end_with
from wasmfleet.tasks.twins.literals import value
from wasmfleet.tasks.twins.naming import declared_names
from wasmfleet.tasks.twins.tokens import walk
from wasmfleet.workers.errors import NotSupportedInLane

_REFERENCES: Final = {"identifier", "shorthand_property_identifier"}
_TYPES: Final = {"interface_declaration", "type_alias_declaration"}
_DECLARING: Final = {"variable_declarator", "function_declaration", "class_declaration"}


def unneeded(root: Any, gone: list[Erased]) -> Iterator[Erased]:
    """Give the imports that are unused and the exports of types. Raises NotSupportedInLane where it is in doubt."""
    kept = _Kept(root, gone)
    for statement in root.named_children:
        if statement.type == "import_statement" and kept.has(statement):
            yield from _unused(statement, kept)
        elif statement.type == "export_statement" and kept.has(statement):
            yield from _of_types(statement, kept)


class _Kept:
    """The names in what is left of a source when its types have gone."""

    def __init__(self, root: Any, gone: list[Erased]) -> None:
        self._starts = [one.start for one in gone]
        self._ends = [one.end for one in gone]
        self.used: Counter[str] = Counter()
        self.declared: set[str] = set()
        for statement in root.named_children:
            if statement.child_by_field_name("source") is None and self.has(statement):
                self._note(statement)
        self.values = {
            name for statement in root.named_children if self.has(statement) for name in _bound(statement)
        }
        self.types = {
            name for statement in root.named_children for name in self._typed(statement)
        } - self.values

    def has(self, node: Any) -> bool:
        at = bisect_right(self._starts, node.start_byte) - 1
        return at < 0 or self._ends[at] < node.end_byte

    def _note(self, statement: Any) -> None:
        for node in walk(statement):
            if node.type in _REFERENCES and self.has(node):
                self.used[value(node)] += 1
            elif node.type in _DECLARING and self.has(node):
                self.declared |= set(_declared_by(node))

    def _typed(self, statement: Any) -> Iterator[str]:
        declared = statement.child_by_field_name("declaration") or statement
        if declared.type in _TYPES:
            yield value(declared.child_by_field_name("name"))
        elif statement.type == "import_statement":
            yield from (name for name, node in bindings(statement) if not self.has(node))


def _declared_by(node: Any) -> Iterator[str]:
    name = node.child_by_field_name("name")
    if name is not None:
        yield from (value(leaf) for leaf in walk(name) if not leaf.children)


def _bound(statement: Any) -> Iterator[str]:
    declared = statement.child_by_field_name("declaration") or statement
    if declared.type not in _TYPES and declared.type.endswith("declaration"):
        yield from declared_names(declared)


def bindings(statement: Any) -> Iterator[tuple[str, Any]]:
    """Give the local names that an import binds, each with the node that goes if the name is not needed."""
    for clause in statement.named_children:
        for child in clause.named_children if clause.type == "import_clause" else ():
            if child.type == "identifier":
                yield value(child), child
            elif child.type == "namespace_import":
                yield value(child.named_children[-1]), child
            else:
                for one in (one for one in child.named_children if one.type == "import_specifier"):
                    yield value(one.child_by_field_name("alias") or one.child_by_field_name("name")), one


def _unused(statement: Any, kept: _Kept) -> Iterator[Erased]:
    left = [(name, node) for name, node in bindings(statement) if kept.has(node)]
    unused = [node for name, node in left if not kept.used[name]]
    if left and len(unused) == len(left):
        yield Erased(statement.start_byte, end_with(statement, ";"), is_statement=True)
    else:
        yield from (Erased(node.start_byte, end_with(node, ",")) for node in unused)


def _of_types(statement: Any, kept: _Kept) -> Iterator[Erased]:
    exported = statement.child_by_field_name("value")
    if exported is not None and exported.type == "identifier" and value(exported) in kept.types:
        raise NotSupportedInLane("plain Python does not drop the default export of a type; use a sandbox")
    if statement.child_by_field_name("source") is not None:
        return
    for clause in (child for child in statement.named_children if child.type == "export_clause"):
        for one in (one for one in clause.named_children if one.type == "export_specifier" and kept.has(one)):
            name = value(one.child_by_field_name("name"))
            if name in kept.types and name in kept.declared:
                raise NotSupportedInLane(f"plain Python cannot tell whether {name} is a type; use a sandbox")
            if name in kept.types:
                yield Erased(one.start_byte, end_with(one, ","))
