"""JavaScript, JSX, TypeScript and TSX: parsed, validated, optimised, transformed, outlined."""

from typing import Any, Literal, TypedDict

from wasmfleet.workers.calls.catalogue import operation

Language = Literal["auto", "javascript", "jsx", "typescript", "tsx"]
SourceType = Literal["auto", "script", "module"]
Jsx = Literal["automatic", "classic", "preserve"]
Target = Literal[
    "es5",
    "es2015",
    "es2016",
    "es2017",
    "es2018",
    "es2019",
    "es2020",
    "es2021",
    "es2022",
    "es2023",
    "es2024",
    "es2025",
    "es2026",
    "esnext",
]


class Diagnostic(TypedDict):
    """One finding. `line` and `column` count from 1, `offset` from 0, all in code points."""

    code: str
    message: str
    severity: Literal["error", "warning"]
    line: int
    column: int
    offset: int
    length: int
    hint: str


class Validation(TypedDict):
    """`unchecked` names what the serving lane does not check; it is empty in the sandbox."""

    valid: bool
    language: str
    diagnostics: list[Diagnostic]
    unchecked: list[str]


class Tree(TypedDict):
    """`estree` is JSON in UTF-8, or objects where they were asked for."""

    language: str
    estree: Any
    unchecked: list[str]


class Optimized(TypedDict):
    """`map` is a source map (version 3) in JSON, or None."""

    code: str
    map: str | None
    input_bytes: int
    output_bytes: int


class Transformed(TypedDict):
    """`map` is a source map (version 3) in JSON, or None."""

    code: str
    map: str | None
    unchecked: list[str]


class Import(TypedDict):
    """`import`, `export … from`, `import("x")` or `require("x")`; `names` are the local ones."""

    source: str
    names: list[str]
    start: int
    end: int
    line: int


class Export(TypedDict):
    """One exported name (`default`, `*`) and the span of its statement."""

    name: str
    start: int
    end: int
    line: int


class Function(TypedDict):
    """Named by its declaration or by what holds it, a method as `Class.method`; empty where nothing names it."""

    name: str
    start: int
    end: int
    line: int
    end_line: int
    complexity: int


class Class(TypedDict):
    """Named like a function."""

    name: str
    start: int
    end: int
    line: int
    end_line: int


class Todo(TypedDict):
    """TODO, FIXME, HACK or XXX in a comment, with the rest of its line."""

    tag: str
    text: str
    start: int
    end: int
    line: int


class Outline(TypedDict):
    """Everything in the order of the source; spans in code points."""

    language: str
    imports: list[Import]
    exports: list[Export]
    functions: list[Function]
    classes: list[Class]
    todos: list[Todo]
    complexity: int


@operation(parity="reduced")
def validate(
    source: str,
    *,
    filename: str = "",
    language: Language = "auto",
    source_type: SourceType = "auto",
) -> Validation:
    """Whether a source text is valid, with every syntax and early error.

    The language follows from the file name unless given; without either it is JSX. The plain-Python twin
    parses with tree-sitter and knows syntax errors only, which its `unchecked` says.
    """
    from wasmfleet.tasks.twins import syntax

    report: Validation = syntax.validate(source, filename, language)
    return report


@operation(parity="reduced")
def parse(
    source: str,
    *,
    filename: str = "",
    language: Language = "auto",
    source_type: SourceType = "auto",
    objects: bool = False,
) -> Tree:
    """A source as ESTree (for TypeScript in the dialect of typescript-estree), with `start` and `end`.

    The tree is JSON bytes, or objects with `objects=True`. Source that does not parse is InvalidSource with its
    place. The plain-Python twin knows ECMAScript 2017 and JSX; newer syntax and TypeScript are NotSupportedInLane.
    """
    from wasmfleet.tasks.twins import estree

    tree: Tree = estree.parse(source, filename, language, source_type, objects)
    return tree


@operation(parity="equivalent")
def optimize(
    source: str,
    *,
    filename: str = "",
    language: Language = "auto",
    source_type: SourceType = "auto",
    compress: bool = True,
    mangle: bool = True,
    source_map: bool = False,
) -> Optimized:
    """A source made small: comments and white space gone, and unless told otherwise code compressed and local names
    shortened.

    Types of TypeScript are removed first. Source that does not parse is InvalidSource. The plain-Python twin removes
    comments and white space only; TypeScript, JSX and source maps are NotSupportedInLane there.
    """
    from wasmfleet.tasks.twins import minify

    optimized: Optimized = minify.optimize(source, filename, language, source_map)
    return optimized


@operation(parity="reduced")
def transform(
    source: str,
    *,
    filename: str = "",
    language: Language = "auto",
    source_type: SourceType = "auto",
    target: Target = "esnext",
    jsx: Jsx = "automatic",
    source_map: bool = False,
) -> Transformed:
    """A source for older engines: TypeScript to JavaScript, JSX to calls, newer syntax to what `target` knows.

    es2015 is the oldest target; es5 is NotSupportedInLane. Helpers are imported from `@oxc-project/runtime`. The
    plain-Python twin writes blanks over types, for the target esnext and without JSX; it keeps imports that are
    used as types only.
    """
    from wasmfleet.tasks.twins import blanking

    transformed: Transformed = blanking.transform(source, filename, language, target, source_map)
    return transformed


@operation(parity="exact")
def outline(
    source: str,
    *,
    filename: str = "",
    language: Language = "auto",
    source_type: SourceType = "auto",
) -> Outline:
    """What a source imports, exports and declares, how complex its functions are, and what is left to do.

    Complexity is McCabe's: one, and one for each if, ?:, loop, case, catch, &&, || and ?? of the function itself;
    the whole has one more and the decisions outside all functions. Source that does not parse is InvalidSource.
    """
    from wasmfleet.tasks.twins import outline as outlining

    outlined: Outline = outlining.outline(source, filename, language)
    return outlined
