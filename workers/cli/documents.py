"""JSON for other programs, on standard output."""

import sys
from typing import Any


def echo_json(value: Any) -> None:
    """One indented document and a newline."""
    import msgspec

    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    sys.stdout.flush()
