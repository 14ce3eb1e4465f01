"""JavaScript, JSX, TypeScript and TSX: parsed, validated, optimised, transformed, outlined."""

from typing import Literal, TypedDict

from wasmfleet.workers.operation import operation

Language = Literal["auto", "javascript", "jsx", "typescript", "tsx"]
SourceType = Literal["auto", "script", "module"]


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

    return syntax.validate(source, filename, language)
