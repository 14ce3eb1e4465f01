"""Make text from outside fit to be stored and shown: messages, guests and files may say anything."""

import logging
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Final

STORED_CHARACTERS: Final = 1000
#: An address of this process: a guest's addresses have 32 bits, so eight digits at most.
_HOST_ADDRESS: Final = re.compile(r"0[xX][0-9a-fA-F]{9,}")
_ADDRESS_CHARACTERS: Final = 18  # kept over when a text is cut, so that no address is cut in two and missed


def storable(value: Any, most: int = STORED_CHARACTERS, *, addresses: bool = False) -> str:
    """Give any value as text that UTF-8 can carry, of at most `most` characters. Raises nothing.

    What looks like an address of this process is cut out, unless `addresses` are kept: an id is whatever its sender
    chose, and must stay the same.
    """
    if type(value) is str and value.isascii() and len(value) <= most and "0x" not in value.lower():
        return value
    try:
        text = str(value)
    except Exception as error:  # noqa: BLE001 - a class from outside may define it as it likes
        text = f"<a {type(value).__name__} without text: {type(error).__name__}>"
    text = text[: most + _ADDRESS_CHARACTERS].encode(errors="replace").decode()
    return (text if addresses else _without_addresses(text))[:most]


def shown(value: Any) -> str:
    """Give any value as one printable line: what moves a cursor, ends a line or turns its direction is escaped."""
    text = storable(value, most=100_000)
    return text if text.isprintable() else "".join(map(_printable, text))


def suggestion(given: Any, known: Iterable[str]) -> str:
    """Give the end of a sentence that suggests the known name most similar to a wrong one; empty where none is."""
    found = get_close_matches(storable(given, 100), list(known), 1)
    return f"; did you mean {found[0]!r}?" if found else ""


class LineFormatter(logging.Formatter):
    """A formatter of log records whose messages came from outside: a message is one line and shows no address."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the record as one line, with the traceback below it where there is one."""
        return "\n".join(shown(line) for line in super().format(record).splitlines())

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        record.message = shown(record.message)
        return super().formatMessage(record)


def _without_addresses(text: str) -> str:
    return _HOST_ADDRESS.sub("0x…", text)


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode()
