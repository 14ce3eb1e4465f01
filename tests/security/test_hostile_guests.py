"""Hostile guests called in this process: each costs its call a typed error, and harms nothing else."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from wasmfleet.config.settings import MIB, Settings, settings
from wasmfleet.workers.errors import BY_CODE
from wasmfleet.workers.runtime import invoke
from wasmfleet.workers.runtime.modules import Loaded, Modules

LIMITS = invoke.Limits(
    time_s=0.3, batch_s=3.0, memory_bytes=256 * MIB, reply_bytes=8 * MIB, reply_values=1_000_000
)


@pytest.fixture(scope="session")
def hostile(with_guests: Settings) -> Loaded:
    return Modules(with_guests).ready("hostile")


def call(module: Loaded, name: str, *requests: bytes) -> list[invoke.Reply]:
    return invoke.run(module, module.binary.operations[name], requests or [b"\x90"], LIMITS)


@pytest.mark.parametrize(
    ("operation", "code", "trap"),
    [
        ("spin", "DeadlineExceeded", "interrupt"),
        ("grow", "MemoryLimitExceeded", "unreachable"),
        ("five_gib", "SandboxTrap", "unreachable"),
        ("recurse", "InputTooDeep", "stack_overflow"),
        ("bad_pointer", "HostileReply", None),
        ("bad_length", "HostileReply", None),
        ("unreachable", "SandboxTrap", "unreachable"),
        ("load_outside", "SandboxTrap", "memory_out_of_bounds"),
        ("divide", "SandboxTrap", "integer_division_by_zero"),
        ("bad_call", "SandboxTrap", "indirect_call_to_null"),
        ("not_messagepack", "HostileReply", None),
        ("no_frames", "HostileReply", None),
        ("bad_frame", "HostileReply", None),
        ("unknown_code", "HostileReply", None),
        ("extension", "HostileReply", None),
    ],
)
def test_every_misdeed_is_a_typed_error_and_the_next_call_is_right(
    hostile: Loaded, operation: str, code: str, trap: str | None
) -> None:
    [reply] = call(hostile, operation)

    assert type(reply.error) is BY_CODE[code]
    assert reply.error.details.get("trap") == trap
    [after] = call(hostile, "echo", b"still right")
    assert after.value == b"still right"


def test_a_bad_pointer_is_no_crash_when_faulthandler_comes_after_the_engine(hostile: Loaded) -> None:
    done = elsewhere(
        hostile,
        "call(module, 'echo'); faulthandler.enable(); print(call(module, 'load_outside')[0].error.code)",
    )

    assert (done.returncode, done.stdout) == (0, "SandboxTrap\n"), done.stderr


def test_a_guest_that_hangs_where_python_has_no_frame_left_crashes_nobody(hostile: Loaded) -> None:
    """At one of these depths the recursion limit is met in the Python function that Wasmtime calls back."""
    done = elsewhere(
        hostile,
        "def dive(n): return dive(n - 1) if n else call(module, 'no_end', b'x', b'x')",
        "import contextlib, test_hostile_guests",
        "test_hostile_guests.LIMITS = replace(LIMITS, time_s=0.05)",
        "for left in range(8, 24):",
        "    with contextlib.suppress(RecursionError): dive(sys.getrecursionlimit() - left)",
        "print('alive')",
    )

    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def elsewhere(hostile: Loaded, *lines: str) -> "subprocess.CompletedProcess[str]":
    """Run these lines in another process, and return its output and exit code."""
    script = (
        "import sys, faulthandler; sys.path.insert(0, sys.argv[1])",
        "from test_hostile_guests import *",
        "here = replace(settings(), modules=(Path(sys.argv[2]),))",
        "module = Modules(here).ready('hostile')",
        *lines,
    )
    arguments = [
        sys.executable,
        "-c",
        "\n".join(script),
        str(Path(__file__).parent),
        str(hostile.binary.path.parent),
    ]
    return subprocess.run(arguments, capture_output=True, text=True, env=dict(os.environ), timeout=60)


def test_a_batch_of_endless_loops_ends_in_its_time(hostile: Loaded) -> None:
    replies = call(hostile, "spin", *[b"x"] * 20)

    assert [reply.error and reply.error.code for reply in replies] == ["DeadlineExceeded"] * 20
    assert "the batch used up its time" in str(replies[-1].error)


@pytest.mark.parametrize("bad", ["t", "h"])
def test_one_bad_item_among_a_thousand_costs_only_itself(hostile_batch: Loaded, bad: str) -> None:
    requests = [b"o"] * 1000
    requests[600] = bad.encode()

    replies = call(hostile_batch, "judge", *requests)

    failed = {index: reply.error.code for index, reply in enumerate(replies) if reply.error}
    assert failed == {600: {"t": "SandboxTrap", "h": "DeadlineExceeded"}[bad]}
    assert [reply.value for reply in replies if not reply.error] == [7] * 999


@pytest.fixture(scope="session")
def hostile_batch(hostile: Loaded) -> Loaded:
    return Modules(replace(settings(), modules=(hostile.binary.path.parent,))).ready("judging")


def test_a_guest_that_hides_its_progress_still_loses_only_the_bad_item(hostile_batch: Loaded) -> None:
    replies = call(hostile_batch, "judge_in_secret", b"o", b"t", b"o")

    assert [reply.error and reply.error.code for reply in replies] == [None, "SandboxTrap", None]


class _Struck(BaseException):
    """The exception that the signal handler of the next test raises."""


def _strike(number: int, frame: object) -> None:
    raise _Struck


@pytest.mark.parametrize("delay_s", [0.1, 0.3, 0.34])
def test_what_is_raised_while_a_guest_runs_ends_the_guest_and_is_not_lost(
    hostile_batch: Loaded, delay_s: float
) -> None:
    """Python runs the signal's handler in the first callback that Wasmtime makes into Python."""
    before = signal.signal(signal.SIGALRM, _strike)
    began = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, delay_s)
    try:
        with pytest.raises(_Struck):
            call(hostile_batch, "judge", b"h", b"o", b"o")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert time.monotonic() - began < 2 * LIMITS.time_s + 1


def test_the_slots_of_an_earlier_call_are_gone_before_the_next(hostile: Loaded) -> None:
    guest = invoke.new_guest(hostile, LIMITS)
    guest.call(0, b"x" * 100)

    guest._run(guest._reserve, 1, 0)

    assert guest._arguments[4:] == [0] * 4
