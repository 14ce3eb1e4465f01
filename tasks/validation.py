"""Validate documents."""

from typing import Any

from wasmfleet.tasks import ast
from wasmfleet.workers.calls.catalogue import alias


@alias(ast.validate)
def javascript(
    source: str,
    *,
    filename: str = "",
    language: ast.Language = "auto",
    source_type: ast.SourceType = "auto",
) -> Any:
    """Tell whether a JavaScript or TypeScript source is valid; see `ast.validate`."""
    return {"source": source, "filename": filename, "language": language, "source_type": source_type}
