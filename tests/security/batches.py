"""Hostile guests that misbehave when they are called with a batch. zoo.py says what the fields of a `Beast` mean."""

from typing import Final

from tests.security.zoo import OK, Beast, value

#: Guests called with `items` calls in one batch.
BATCHES: Final = [
    Beast(
        "one_bad",
        "answers one of a thousand items with what is no MessagePack",
        OK,
        "(drop (call $many REPLY (call $items (local.get $size)))) (i32.store8 (i32.const 0x20106c) (i32.const 0xc1))"
        " (call $answer (i32.const 0x200000) (i32.mul (i32.const 7) (call $items (local.get $size))))",
        reply=value(b"\xc3"),
        items=1000,
        answers={600: "HostileReply"},
    ),
    Beast(
        "bombs",
        "answers a hundred items with half a MiB each",
        OK,
        "(memory.fill (i32.const 0x100000) (i32.const 0xff) (i32.const 0x80000))"
        " (memory.copy (i32.const 0x100000) REPLY) (i32.store (i32.const 0x100000) (i32.const 0x7fffc))"
        " (call $many (i32.const 0x100000) (i32.const 0x80000) (call $items (local.get $size)))",
        reply=value(b"\xc6\x00\x07\xff\xf5"),
        items=100,
        answers=dict.fromkeys(range(48, 100), "OutputTooLarge"),
    ),
    Beast(
        "too_few_frames",
        "answers one item less than it was asked",
        "HostileReply",
        "(call $many REPLY (i32.sub (call $items (local.get $size)) (i32.const 1)))",
        reply=value(b"\xc0"),
        items=3,
    ),
    Beast(
        "frame_outside",
        "sends a frame that is longer than the reply",
        "HostileReply",
        "(i32.store (i32.const 4096) (i32.const 0x7fffffff)) (call $answer (i32.const 4096) (i32.const 4))",
        items=3,
    ),
    Beast(
        "overlap",
        "answers over its own request",
        OK,
        "(memory.copy (i32.const 2048) REPLY) (memory.copy (i32.const 2055) REPLY)"
        " (call $answer (i32.const 2048) (i32.mul (i32.const 7) (call $items (local.get $size))))",
        reply=value(b"\xc0"),
        items=2,
    ),
    Beast(
        "progress_beyond",
        "says that it died at an item that nobody sent",
        "SandboxTrap",
        "(call $progress (i32.const 99) (i32.const 4096) (i32.const 0)) unreachable",
        items=3,
    ),
    Beast(
        "progress_outside",
        "says that its replies are behind its memory",
        "SandboxTrap",
        "(call $progress (i32.const 1) (i32.const 0xffffff00) (i32.const 0xffffffff)) unreachable",
        items=3,
    ),
    Beast(
        "progress_few",
        "says that it finished items for which it has no replies",
        "SandboxTrap",
        "(call $progress (i32.const 2) (i32.const 4096) (i32.const 0)) unreachable",
        items=3,
    ),
    Beast(
        "progress_moving",
        "says at every instant that it is at another item",
        "DeadlineExceeded",
        "(loop $l (local.set $n (i32.xor (local.get $n) (i32.const 1)))"
        " (call $progress (local.get $n) (i32.const 4096) (i32.const 0)) (br $l)) (i64.const 0)",
        items=2,
    ),
    Beast(
        "progress_counting",
        "says at every instant that it is at an item far beyond the last",
        "DeadlineExceeded",
        "(loop $l (local.set $n (i32.add (local.get $n) (i32.const 1)))"
        " (call $progress (local.get $n) (i32.const 4096) (i32.const 0)) (br $l)) (i64.const 0)",
        items=2,
    ),
    Beast(
        "deep_and_spin",
        "leaves the host's callback little stack",
        "DeadlineExceeded",
        "(drop (call $deep_then_spin (i32.const 25000))) (i64.const 0)",
        items=2,
    ),
]
