"""Valkey's log lines, told in the form of ours."""

import re
from datetime import datetime
from typing import Final

#: A line of its log: `pid:role day month year time level text`.
_LINE: Final = re.compile(r"\d+:[XCSM] (\d+ \w+ \d+ [\d:]+)\.(\d+) ([.\-*#]) (?:WARNING:? )?(.*)", re.DOTALL)
_LEVELS: Final = {"#": "WARNING", "*": "INFO", "-": "INFO", ".": "DEBUG"}
#: What it says while it obeys an order to stop, which whoever gave the order has said already.
_FAREWELL: Final = re.compile(r"scheduling shutdown\.\.\.|User requested shutdown|ready to exit, bye bye")


def retold(line: str) -> str:
    """Write one of its lines as time, level, `valkey` and text; a farewell becomes "", anything else stays as it is."""
    if _FAREWELL.search(line):
        return ""
    found = _LINE.fullmatch(line)
    if not found:
        return line
    at = f"{datetime.strptime(found[1], '%d %b %Y %H:%M:%S'):%Y-%m-%d %H:%M:%S},{found[2]}"
    return f"{at} {_LEVELS[found[3]]:<7} valkey: {found[4]}"
