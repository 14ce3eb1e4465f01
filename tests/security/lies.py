"""Guests that send hostile replies. zoo.py says what the fields of a `Beast` mean."""

from typing import Final

import msgspec

from tests.security.zoo import OK, Beast, value


def error(*parts: object) -> bytes:
    """Encode a reply that is an error with these parts: its code, its message and its place."""
    return msgspec.msgpack.encode([1, *parts])


#: Guests whose reply is framed correctly, and hostile in its MessagePack.
REPLIES: Final = [
    Beast("not_messagepack", "sends a byte that begins nothing", "HostileReply", reply=b"\xc1"),
    Beast("cut_short", "ends within a value", "HostileReply", reply=value(b"\xda\xff\xff")),
    Beast("too_few", "sends an error without a place", "HostileReply", reply=error("CorruptData", "no")),
    Beast(
        "huge_list", "announces four billion elements", "HostileReply", reply=value(b"\xdd\xff\xff\xff\xff")
    ),
    Beast("bad_utf8", "sends text that is none", "HostileReply", reply=value(b"\xa2\xff\xfe")),
    Beast("surrogate", "sends a lone surrogate", "HostileReply", reply=value(b"\xa3\xed\xa0\x80")),
    Beast("number_name", "names a member by a number", "HostileReply", reply=value(b"\x81\x01\x02")),
    Beast("bytes_name", "names a member by bytes", "HostileReply", reply=value(b"\x81\xc4\x01a\x02")),
    Beast("list_name", "names a member by a list", "HostileReply", reply=value(b"\x81\x91\x01\x02")),
    Beast("map_name", "names a member by a map", "HostileReply", reply=value(b"\x81\x80\x02")),
    Beast(
        "deep_name",
        "hides such a name in lists",
        "HostileReply",
        reply=value(b"\x91\x91\x81\xa1a\x91\x81\x01\x02"),
    ),
    Beast("timestamp", "sends a time", "HostileReply", reply=value(b"\xd6\xff\0\0\0\x01")),
    Beast("extension", "sends an extension type", "HostileReply", reply=value(b"\xd4\x05\0")),
    Beast(
        "hidden_time", "hides a time in a map", "HostileReply", reply=value(b"\x81\xa1a\xd6\xff\0\0\0\x01")
    ),
    Beast(
        "typed_map",
        "sends a map that kombu's JSON takes for a date",
        "HostileReply",
        reply=value(msgspec.msgpack.encode({"__type__": "date", "__value__": "x"})),
    ),
    Beast("deep", "nests 129 levels", "HostileReply", reply=value(b"\x91" * 129 + b"\xc0")),
    Beast("deeper", "nests 50,000 levels", "HostileReply", reply=value(b"\x91" * 50_000 + b"\xc0")),
    Beast(
        "largest",
        "sends the largest numbers there are",
        OK,
        reply=value(b"\x92\xcf" + b"\xff" * 8 + b"\xd3\x80" + b"\0" * 7),
    ),
    Beast("not_a_number", "sends NaN and infinity", OK, reply=value(b"\x92\xca\x7f\xc0\0\0\xca\x7f\x80\0\0")),
    Beast("code_unknown", "sends a code that nobody knows", "HostileReply", reply=error("No", "no", None)),
    Beast(
        "code_quarantined",
        "says that it is set aside",
        "HostileReply",
        reply=error("Quarantined", "no", None),
    ),
    Beast(
        "code_cancelled", "says that it was cancelled", "HostileReply", reply=error("Cancelled", "no", None)
    ),
    Beast(
        "code_broker",
        "says that the broker is away",
        "HostileReply",
        reply=error("BrokerUnavailable", "x", None),
    ),
    Beast(
        "code_deadline",
        "says that its time is up",
        "HostileReply",
        reply=error("DeadlineExceeded", "x", None),
    ),
    Beast("code_dunder", "sends a name of Python's", "HostileReply", reply=error("__class__", "x", None)),
    Beast("place_half", "sends half a place", "HostileReply", reply=error("CorruptData", "x", {"line": 1})),
    Beast(
        "place_more",
        "sends more than a place",
        "HostileReply",
        reply=error("CorruptData", "x", {"offset": 1, "x": 1}),
    ),
    Beast(
        "place_text",
        "sends text as a place",
        "HostileReply",
        reply=error("CorruptData", "x", {"offset": "1"}),
    ),
    Beast(
        "place_true",
        "sends true as a place",
        "HostileReply",
        reply=error("CorruptData", "x", {"offset": True}),
    ),
    Beast(
        "place_below",
        "sends a place below zero",
        "HostileReply",
        reply=error("CorruptData", "x", {"offset": -1}),
    ),
    Beast(
        "place_beyond",
        "sends a place beyond 2^53",
        "HostileReply",
        reply=error("CorruptData", "x", {"offset": 2**53 + 1}),
    ),
    Beast(
        "place_whole",
        "sends a whole place",
        "CorruptData",
        reply=error("CorruptData", "x", {"line": 1, "column": 2, "offset": 3}),
    ),
    Beast(
        "escapes",
        "paints a terminal with a message",
        "CorruptData",
        reply=error("CorruptData", "\x1b]0;x\x07\x1b[2J\n\r", None),
    ),
    Beast(
        "address",
        "shows an address of the host",
        "CorruptData",
        reply=error("CorruptData", "at 0x7f3a5c001230", None),
    ),
    Beast(
        "long_message",
        "sends a message of 60 kB",
        "CorruptData",
        reply=error("CorruptData", "x" * 60_000, None),
    ),
    Beast(
        "empty_maps",
        "sends 20 MiB of empty maps, gigabytes as objects",
        "OutputTooLarge",
        # The head of a list of 20 Mi elements, then as many bytes 0x80, each an empty map.
        "(call $room (i32.const 0x1700000)) (memory.fill (i32.const 0x20000b) (i32.const 0x80) (i32.const 0x1400000))"
        " (memory.copy (i32.const 0x200000) REPLY)"
        " (i32.store (i32.const 0x200000) (i32.const 0x1400007))"
        " (call $answer (i32.const 0x200000) (i32.const 0x140000b))",
        reply=value(b"\xdd\x01\x40\0\0"),
    ),
]
