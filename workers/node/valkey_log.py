"""Valkey's log lines, told in the form of ours."""

import os
import re
import signal
import sys
from collections.abc import Callable
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


def relay(tell: Callable[[str], None]) -> None:
    """Have all that this process prints from now on passed to `tell` by a child, line by line; it ends with this one.

    The server, which this process becomes, cannot write another form of log itself.
    """
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(writing)
        # What ends the server must not end this process: its last lines are still to come.
        for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(ending, signal.SIG_IGN)
        with os.fdopen(reading, encoding="utf-8", errors="replace") as output:
            for line in output:
                if told := retold(line.rstrip()):
                    tell(told)
        os._exit(0)
    os.close(reading)
    for stream in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(writing, stream)
