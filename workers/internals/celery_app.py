"""Celery's app in a forked child; `celery.py` and `kombu.py` list the names that are used here."""

import os
from typing import Any

from kombu import pools


def renew_after_fork(app: Any) -> None:
    """Let each child that is forked from this process, in whatever way, open connections to the broker of its own.

    Celery and kombu (5.7) do the same, but only in children of billiard or multiprocessing, and there only where the
    child's main function runs. The parent's connections are left as they are: it goes on using them.
    """

    def forget() -> None:
        app._after_fork()
        pools.producers.clear()
        pools.connections.clear()

    os.register_at_fork(after_in_child=forget)
