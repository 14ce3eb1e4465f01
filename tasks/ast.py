"""Parse, validate, optimise, transform and outline JavaScript, JSX, TypeScript and TSX."""

from typing import Any, Literal, TypedDict

from wasmfleet.workers.calls.catalogue import operation

Language = Literal["auto", "javascript", "jsx", "typescript", "tsx"]
SourceType = Literal["auto", "script", "module"]
Jsx = Literal["automatic", "classic", "preserve"]
_Older = Literal["es5", "es2015", "es2016", "es2017", "es2018", "es2019", "es2020"]
_Newer = Literal["es2021", "es2022", "es2023", "es2024", "es2025", "es2026", "esnext"]
Target = Literal[_Older, _Newer]


class Diagnostic(TypedDict):
    """One finding in a source. `line` and `column` count from 1, `offset` from 0; all, `length` too, in code points."""

    code: str
    message: str
    severity: Literal["error", "warning"]
    line: int
    column: int
    offset: int
    length: int
    hint: str


class Validation(TypedDict):
    """What `validate` found. `unchecked` names what the serving lane does not check; it is empty in the sandbox."""

    valid: bool
    language: str
    diagnostics: list[Diagnostic]
    unchecked: list[str]


class Tree(TypedDict):
    """A parsed source. `estree` is JSON in UTF-8, or objects where they were asked for."""

    language: str
    estree: Any
    unchecked: list[str]


class Optimized(TypedDict):
    """A source made small. `map` is a source map (version 3) in JSON, or None; `unchecked` names what is left out."""

    code: str
    map: str | None
    input_bytes: int
    output_bytes: int
    unchecked: list[str]


class Transformed(TypedDict):
    """A rewritten source. `map` is a source map (version 3) in JSON, or None.

    `unchecked` names what is not checked, and each piece of syntax that is left though the target does not know it.
    """

    code: str
    map: str | None
    unchecked: list[str]


class Import(TypedDict):
    """One loading of a module: `import`, `export … from`, `import("x")`, `require("x")`. `names` are the local ones."""

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
    """One function: named by its declaration or by what holds it, a method as `Class.method`; else nothing: ""."""

    name: str
    start: int
    end: int
    line: int
    end_line: int
    complexity: int


class Class(TypedDict):
    """One class, named as a function is."""

    name: str
    start: int
    end: int
    line: int
    end_line: int


class Todo(TypedDict):
    """TODO, FIXME, HACK or XXX in a comment, with the rest of its line. No ASCII letter, digit, _ or $ touches it."""

    tag: str
    text: str
    start: int
    end: int
    line: int


class Outline(TypedDict):
    """What a source holds, each list in the order of the source; `unchecked` is empty in the sandbox."""

    language: str
    imports: list[Import]
    exports: list[Export]
    functions: list[Function]
    classes: list[Class]
    todos: list[Todo]
    complexity: int
    unchecked: list[str]


@operation(parity="reduced")
def validate(
    source: str,
    *,
    filename: str = "",
    language: Language = "auto",
    source_type: SourceType = "auto",
) -> Validation:
    """Tell whether a source text is valid, with every syntax error and early error (ECMA-262) that it has.

    Arguments:

    - `source`: the text.
    - `filename`: decides the language: TSX for `.tsx`, TypeScript for `.ts`, `.mts`, `.cts`, else JSX.
    - `language`: the language, if not by the name.
    - `source_type`: `script`, `module`, or `auto`, which decides by the name (`.mjs`, `.cjs`) and the source.

    The result lists the errors as diagnostics with their places; an invalid source is a result, not an error. The
    plain-Python twin parses with tree-sitter and knows syntax errors only, which its `unchecked` says; a source that
    its grammar may be too old for is NotSupportedInLane.
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
    """Parse a source into its tree in ESTree, for TypeScript in the dialect of typescript-estree.

    Arguments:

    - `source`: the text.
    - `filename`: decides the language: TSX for `.tsx`, TypeScript for `.ts`, `.mts`, `.cts`, else JSX.
    - `language`: the language, if not by the name.
    - `source_type`: `script`, `module`, or `auto`, which decides by the name (`.mjs`, `.cjs`) and the source.
    - `objects`: give the tree as objects instead of JSON bytes. There, a lone surrogate is U+FFFD and an infinite
      number is None.

    Each node has `start` and `end`, in code points from 0. Raises InvalidSource with the place where the source does
    not parse. The plain-Python twin knows ECMAScript 2017 and JSX; newer syntax and TypeScript are
    NotSupportedInLane.
    """
    from wasmfleet.tasks.twins import estree

    tree: Tree = estree.parse(source, filename, language, source_type, objects)
    return tree


@operation(parity="reduced")
def optimize(
    source: str,
    *,
    filename: str = "",
    language: Language = "auto",
    source_type: SourceType = "auto",
    compress: bool = True,
    mangle: bool = True,
    source_map: bool = False,
    keep_names: bool = False,
) -> Optimized:
    """Make a source small: remove comments and white space, fold code, shorten local names.

    Arguments:

    - `source`: the text; types of TypeScript are removed first.
    - `filename`: decides the language: TSX for `.tsx`, TypeScript for `.ts`, `.mts`, `.cts`, else JSX.
    - `language`: the language, if not by the name.
    - `source_type`: `script`, `module`, or `auto`, which decides by the name (`.mjs`, `.cjs`) and the source.
    - `compress`: fold constants and remove code that cannot run.
    - `mangle`: shorten the names of local variables.
    - `source_map`: give a source map (version 3) as well.
    - `keep_names`: keep the names of functions and classes, for code that reads their `name`.

    The result has the code, its size and that of the source in bytes of UTF-8. Raises InvalidSource with the place
    where the source does not parse. The plain-Python twin removes comments and white space only, and knows no early
    errors, which `unchecked` says; TypeScript, JSX, source maps and what it might change are NotSupportedInLane there.

    `compress` and `mangle` assume of a source what minifiers assume:

    - Nobody reads the text of a function, nor its `name` and that of a class unless `keep_names` is given.
    - Built-in objects are those of ECMAScript, well-known globals exist, and reading one has no effect.
    - `toString`, `valueOf` and `Symbol.toPrimitive` only convert; `document.all` is not used.
    - No variable is read before its declaration has run, and no class extends what is no constructor.
    - What a direct `eval` declares is used inside it only; no string or array exceeds the engine's longest.
    - What a comment `@__PURE__` or `@__NO_SIDE_EFFECTS__` calls pure is pure.

    Where one of these does not hold, give `compress=False` and `mangle=False`, which a `with` statement implies.
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
    """Rewrite a source for older engines: TypeScript to JavaScript, JSX to calls, newer syntax to what `target` knows.

    Arguments:

    - `source`: the text.
    - `filename`: decides the language: TSX for `.tsx`, TypeScript for `.ts`, `.mts`, `.cts`, else JSX.
    - `language`: the language, if not by the name.
    - `source_type`: `script`, `module`, or `auto`, which decides by the name (`.mjs`, `.cjs`) and the source.
    - `target`: the edition of ECMAScript that the engine knows, es2015 at least; es5 is NotSupportedInLane.
    - `jsx`: call `react/jsx-runtime` (`automatic`) or `React.createElement` (`classic`), or leave JSX as it is.
    - `source_map`: give a source map (version 3) as well.

    Where newer syntax needs helper functions, they are imported from `@oxc-project/runtime`; what an engine lacks of
    ECMAScript's objects (Promise, WeakMap) is not added. What is newer than the target and is not lowered is named in
    `unchecked`: BigInt, top-level `await`, syntax of regular expressions, attributes of imports, and for every target
    what no edition of ECMAScript has: decorators, `accessor` fields, `import defer`. Raises InvalidSource with the
    place where the source does not parse, and NotSupportedInLane for what would be lowered to other code than
    TypeScript's: names that two blocks of one namespace or enum share, and exported variables that a namespace writes
    to.

    The plain-Python twin writes blanks over types, for the target esnext and without JSX. What has a meaning when the
    program runs is NotSupportedInLane there: enums, namespaces, import aliases, decorators, properties that
    parameters declare. It keeps an import whose name occurs outside types, even where that is another name.
    """
    from wasmfleet.tasks.twins import blanking

    transformed: Transformed = blanking.transform(source, filename, language, target, source_map)
    return transformed


@operation(parity="reduced")
def outline(
    source: str,
    *,
    filename: str = "",
    language: Language = "auto",
    source_type: SourceType = "auto",
) -> Outline:
    """List what a source imports, exports and declares, how complex its functions are, and what is left to do.

    Arguments:

    - `source`: the text.
    - `filename`: decides the language: TSX for `.tsx`, TypeScript for `.ts`, `.mts`, `.cts`, else JSX.
    - `language`: the language, if not by the name.
    - `source_type`: `script`, `module`, or `auto`, which decides by the name (`.mjs`, `.cjs`) and the source.

    Complexity is McCabe's (1976): one, and one for each if, ?:, loop, case, catch, &&, || and ?? of the function
    itself; that of the whole source counts one more and the decisions outside all functions. Spans are in code points
    from 0, lines from 1. Types load nothing: `import("x")` in a type is no import. Raises InvalidSource with the place
    where the source does not parse. The plain-Python twin parses with tree-sitter, which accepts some faulty sources,
    as `unchecked` says; what its grammar may be too old for is NotSupportedInLane. For a source that both lanes
    accept, the outlines are equal.
    """
    from wasmfleet.tasks.twins import outline as outlining

    outlined: Outline = outlining.outline(source, filename, language)
    return outlined
