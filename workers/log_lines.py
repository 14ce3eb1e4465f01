"""How every process writes its log: as lines of text, or one JSON object a line, as WASMFLEET_LOG_FORMAT says."""

import logging
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from wasmfleet.config.settings import Settings
from wasmfleet.workers.safe_text import LineFormatter, shown

_TEXT: Final = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_OURS: Final = re.compile(
    r"[0-9-]{10} [0-9:]{8},[0-9]{3} (DEBUG|INFO|WARNING|ERROR|CRITICAL) +([\w.]{1,80}): (.*)", re.ASCII
)
#: Finds the id of the call that this thread runs and the operation's name; both are empty between calls.
CurrentCall = Callable[[], tuple[str, str]]


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A line of the log as JSON. `time` is UTC in ISO 8601; `process` is a pid, or its name in the Procfile."""

    time: str
    level: str
    logger: str
    process: str
    message: str
    task_id: str = ""
    operation: str = ""
    traceback: str = ""


class JsonFormatter(logging.Formatter):
    """A formatter that writes a `Line`. Like a line of text, it shows no address and no control character."""

    def __init__(self, current_call: CurrentCall) -> None:
        super().__init__()
        self._current_call = current_call

    def format(self, record: logging.LogRecord) -> str:
        """Give the record as one JSON object in one line."""
        task_id, operation = _call_of(record) or self._current_call()
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        return _encoded(
            Line(
                time=_iso(record.created),
                level=record.levelname.lower(),
                logger=shown(record.name),
                process=str(record.process),
                message=shown(record.getMessage()),
                task_id=shown(task_id),
                operation=shown(operation),
                traceback="\n".join(map(shown, trace.splitlines())),
            )
        )


def formatter(settings: Settings, current_call: CurrentCall = lambda: ("", "")) -> logging.Formatter:
    """Make the formatter that the settings ask for."""
    return JsonFormatter(current_call) if settings.log_format == "json" else LineFormatter(_TEXT)


def of_other(settings: Settings, process: str, text: str) -> str:
    """Give a line that a process printed in the form that the settings ask for; one of ours gets the process's name."""
    if settings.log_format != "json":
        return text
    try:
        return _encoded(msgspec.structs.replace(msgspec.json.decode(text, type=Line), process=process))
    except msgspec.MsgspecError:
        return _encoded(_of_text(process, text))


def _of_text(process: str, text: str) -> Line:
    """Make a line of a text that a process printed. Where it has the form of our log, its parts are told apart."""
    found = _OURS.fullmatch(text)
    level, logger, message = found.groups() if found else ("info", process, text)
    return Line(
        time=_iso(time.time()), level=level.lower(), logger=logger, process=process, message=shown(message)
    )


def _call_of(record: logging.LogRecord) -> tuple[str, str] | None:
    """Return the id and the name of the call that a record of Celery is about (5.7, `celery.app.trace`)."""
    data: Any = getattr(record, "data", None)
    return (str(data.get("id", "")), str(data.get("name", ""))) if isinstance(data, dict) else None


def _encoded(line: Line) -> str:
    """Write a line as JSON, with the escapes of JSON for what is not printable."""
    text = msgspec.json.encode(line).decode()
    return text if text.isprintable() else "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
