"""Undocumented parts of billiard, Celery's pool of child processes, that Wasmfleet depends on."""

import signal
from typing import Final

from billiard.util import set_pdeathsig  # type: ignore[attr-defined]

from wasmfleet.workers.internals.named import Internal, within

READ_IN: Final = "4.3.2"
INTERNALS: Final[tuple[Internal, ...]] = (
    Internal(
        "billiard.util:set_pdeathsig", "(sig)", "`end_with_parent`; Python's library has nothing like it"
    ),
    *within(
        "billiard.pool:",
        (
            "GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT",
            "",
            "set by `wait_for_last_answers`: looks for an answer",
        ),
        (
            "GUARANTEE_MESSAGE_CONSUMPTION_RETRY_INTERVAL",
            "",
            "read by `wait_for_last_answers`: seconds between them",
        ),
        (
            "Pool.maintain_pool",
            "(self)",
            "what Celery's pool calls to replace dead children; called twice a second",
        ),
    ),
    Internal(
        "billiard.einfo:ExceptionInfo",
        "(exc_info=None, internal=False)",
        "the form in which Celery's request takes an error; its `exception` may hold the error in `exc`",
    ),
    *within(
        "billiard.exceptions:",
        ("Terminated", "", "how the pool tells of a child that was ended on order"),
        (
            "TimeLimitExceeded",
            "",
            "how the pool tells of a child that was killed; its first argument is seconds",
        ),
        ("WorkerLostError", "", "how the pool tells of a child that died by itself"),
    ),
)


def end_with_parent() -> None:
    """Let the kernel kill this process when its parent dies, however that happens."""
    set_pdeathsig(signal.SIGKILL)


def wait_for_last_answers(seconds: float) -> None:
    """Limit how long each child waits at its end for its worker to take the answers it gave.

    Billiard's own limit is 30 s. If another child was killed before, a child waits all that time in vain.
    """
    from billiard import pool  # a client, which loads this file too, has no pool

    pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = round(
        seconds / pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_INTERVAL
    )
