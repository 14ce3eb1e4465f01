"""Every placeholder that `make new-op` wrote is replaced: no file of an operation still says UNFINISHED."""

from pathlib import Path

_ROOT = Path(__file__).parents[2]
_MARK = "UNFINISHED"
_PLACES = ["tasks/*.py", "wasm_src/*/Cargo.toml", "wasm_src/*/src/*.rs", "tests/vectors/*/*.json"]


def unfinished() -> list[str]:
    """List the lines that an author still has to replace, each with its file and number."""
    return [
        f"{path.relative_to(_ROOT)}:{number}: {line.strip()}"
        for pattern in _PLACES
        for path in sorted(_ROOT.glob(pattern))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if _MARK in line
    ]


def test_nothing_in_the_catalogue_is_unfinished() -> None:
    left = unfinished()

    assert left == [], "replace these lines:\n" + "\n".join(left)
