"""What the names and literals of a source stand for: escapes decoded, numbers as ECMAScript writes them."""

import re
from decimal import Decimal
from typing import Any, Final

_ESCAPE: Final = re.compile(
    r"\\(?:u\{(?P<code>[0-9a-fA-F]+)\}|u(?P<four>[0-9a-fA-F]{4})|x(?P<two>[0-9a-fA-F]{2})"
    r"|(?P<octal>[0-3][0-7]{0,2}|[4-7][0-7]?)|(?P<end>\r\n|[\n\r\u2028\u2029])|(?P<plain>.))",
    re.DOTALL,
)
_CONTROLS: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_MOST_WHOLE_DIGITS: Final = 21


def text(node: Any) -> str:
    """The source of a node."""
    data: bytes = node.text
    return data.decode()


def value(node: Any) -> str:
    """The property that a key, an identifier or a literal names; empty for what only a run could tell."""
    source = text(node)
    if node.type == "string":
        return _unescaped(source[1:-1])
    if node.type == "template_string":
        is_plain = all(child.type != "template_substitution" for child in node.children)
        return _unescaped(source[1:-1].replace("\r\n", "\n").replace("\r", "\n")) if is_plain else ""
    return _number(source.replace("_", "")) if node.type == "number" else _unescaped(source)


def _unescaped(source: str) -> str:
    if "\\" not in source:
        return source
    units = _ESCAPE.sub(_character, source).encode("utf-16-le", "surrogatepass")
    return units.decode("utf-16-le", "replace")


def _character(found: re.Match[str]) -> str:
    hexadecimal = found["code"] or found["four"] or found["two"]
    if hexadecimal:
        return chr(int(hexadecimal, 16))
    if found["octal"]:
        return chr(int(found["octal"], 8))
    return "" if found["end"] else _CONTROLS.get(found["plain"], found["plain"])


def _number(source: str) -> str:
    """A numeric literal as the property name it is (ECMA-262, Number::toString)."""
    lower = source.lower()
    if lower.endswith("n") and not lower.startswith("0x"):
        return str(int(lower[:-1], 0))
    if lower.startswith(("0x", "0o", "0b")):
        whole = int(lower.removesuffix("n"), 0)
        return str(whole) if lower.endswith("n") else _shortest(float(whole))
    is_octal = len(lower) > 1 and lower[0] == "0" and all(digit in "01234567" for digit in lower)
    return _shortest(float(int(lower, 8)) if is_octal else float(lower))


def _shortest(number: float) -> str:
    if number == float("inf"):
        return "Infinity"
    _, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    shown, point = "".join(map(str, digits)), len(digits) + int(exponent)
    if number == 0:
        return "0"
    if len(shown) <= point <= _MOST_WHOLE_DIGITS:
        return shown.ljust(point, "0")
    if 0 < point <= _MOST_WHOLE_DIGITS:
        return f"{shown[:point]}.{shown[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{shown}"
    fraction = f".{shown[1:]}" if len(shown) > 1 else ""
    return f"{shown[0]}{fraction}e{point - 1:+d}"
