"""A number and what it counts, in the singular or the plural."""


def counted(count: int, one: str, several: str) -> str:
    """Give a number with the words that follow it: `one` after 1, `several` after any other."""
    return f"{count:,} {one if count == 1 else several}"
