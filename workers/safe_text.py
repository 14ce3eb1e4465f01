"""Text that came from outside, made fit to be stored and to be shown: messages, guests and files may say anything."""

import logging
import re
from typing import Any, Final

STORED_CHARACTERS: Final = 1000
#: Longer than any address of a guest, whose memory has 32 bits: what is left is an address of this process.
_HOST_ADDRESS: Final = re.compile(r"0[xX][0-9a-fA-F]{9,}")
_ADDRESS_CHARACTERS: Final = 18  # it is cut out before a text is cut, or a part of it would stay


def storable(value: Any, most: int = STORED_CHARACTERS, *, addresses: bool = False) -> str:
    """Any value as text that UTF-8 can carry, of at most `most` characters.

    What looks like an address of this process is cut out, unless `addresses` are kept: an id is whatever its sender
    chose.
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
    """The same as one printable line: what moves a cursor, ends a line or turns its direction is escaped."""
    text = storable(value, most=100_000)
    return text if text.isprintable() else "".join(map(_printable, text))


class LineFormatter(logging.Formatter):
    """Formats a record whose message came from outside: its message is one line, none of it holds an address."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and a traceback of ours below it where there is one."""
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
