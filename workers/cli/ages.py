"""An age as somebody types it, such as 90s, 30m, 1h or 7d."""

import re
from typing import Final

from wasmfleet.workers.errors import InvalidArguments

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(text: str, option: str) -> float:
    """Return the seconds of an age. Raises InvalidArguments, which names the option, for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text, re.ASCII)
    if not found:
        raise InvalidArguments(f"{option} {text[:40]!r}: write a number and s, m, h or d, such as 90s or 1h")
    return float(found[1]) * _SECONDS[found[2]]
