"""Text from outside is made safe to store and to show, whatever it contains."""

import logging
import re

from hypothesis import given
from hypothesis import strategies as st

from wasmfleet.workers.safe_text import LineFormatter, shown, storable

_TEXT = st.text() | st.text(st.sampled_from("\x1b[31m\n\r\t\u202e\u2028\ud800\0ab0xfx7"))
_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{9,}")


class _Hostile:
    def __str__(self) -> str:
        raise ValueError("no text")


@given(_TEXT)
def test_what_is_stored_is_utf_8_of_bounded_length_and_names_no_address(text: str) -> None:
    stored = storable(text + " <object at 0x7f3a12345678>" + text)

    assert len(stored.encode()) <= 4000
    assert not _ADDRESS.search(stored)


@given(st.integers(950, 1050))
def test_no_part_of_an_address_stays_where_a_text_is_cut(before: int) -> None:
    assert "7f3a" not in storable("x" * before + " 0x7f3a12345678 more")


@given(_TEXT)
def test_what_is_shown_is_one_printable_line(text: str) -> None:
    assert shown(text).isprintable()
    assert len(shown(text).splitlines()) <= 1


@given(_TEXT)
def test_a_log_line_is_a_line(text: str) -> None:
    record = logging.LogRecord("n", logging.INFO, "f", 1, "%s", (text,), None)

    assert LineFormatter("%(name)s: %(message)s").format(record).isprintable()


def test_a_value_without_text_has_some() -> None:
    assert storable(_Hostile()) == "<a _Hostile without text: ValueError>"


def test_an_address_of_a_guest_stays_and_one_of_the_host_goes() -> None:
    assert (
        storable("guest 0xfffffff0, host 0x7f3a12345678 and 0xffffffffffffffffff")
        == "guest 0xfffffff0, host 0x… and 0x…"
    )
