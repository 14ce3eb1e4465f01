"""The lookout: a thread that hears of messages whose publishers ring no bell, and rings it for them.

Plain Celery clients ring none. Of the consumers of a queue, one has the lookout; see renew.lua. With CLIENT TRACKING
the broker tells its connection, once, that a list has changed which look.lua has read there. Every user of a broker may
ask for that, and no server has to be configured for it. Each look reads the lists anew, so nothing is missed: the look
finds what was there before, and the broker tells of what comes later.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, NamedTuple

from redis import ConnectionPool
from redis.exceptions import RedisError, ResponseError

from wasmfleet.workers.internals.redis import read_any
from wasmfleet.workers.transport.store import BELL_S, source

#: Seconds between two looks, where the broker has told of no change.
_AGAIN_S: Final = 10.0
#: The same, where the broker refuses to tell: usually, and in the second after a look that found something.
_UNTOLD_S: Final = 0.25
_UNTOLD_BUSY_S: Final = 0.02
#: Seconds that pass between two looks at least: usually, and after many that found nothing.
_PAUSE_S: Final = 0.005
_FRUITLESS_PAUSE_S: Final = 0.05
_FRUITLESS: Final = 10
_ANSWER_S: Final = 5.0
#: Seconds within which the waiting thread sees that it has something else to look at.
_STEP_S: Final = 1.0
_UNTOLD: Final = (
    "the broker does not tell of messages that other programs queue (%s); looking for them four times a second. "
    "Give its user the right +client|tracking"
)
_log = logging.getLogger("wasmfleet.transport")


class Claim(NamedTuple):
    """What is ours in a queue that other programs use too: the calls of tasks whose names begin with `prefix`.

    A consumer of the queue `target` moves them there, and leaves every other message of `source` where it is.
    """

    source: str
    prefix: str
    target: str

    @property
    def role(self) -> str:
        """The name under which the consumers agree on the one that does it."""
        return f"{self.source} to {self.target}"


@dataclass(frozen=True, slots=True)
class Look:
    """What a lookout looks at: `lists`, with the bell of each in `bells`.

    The calls whose tasks' names begin with `prefix` are moved from each list of `shared` to that of `targets`, whose
    bell is `target_bell`, while those have fewer messages than `limit`; 0 is no limit.
    """

    lists: Sequence[str]
    bells: Sequence[str]
    shared: Sequence[str] = ()
    targets: Sequence[str] = ()
    target_bell: str = ""
    prefix: str = ""
    limit: int = 0

    def command(self, script: str) -> list[Any]:
        """Give the command that looks; `script` is the digest of look.lua."""
        keys = [*self.lists, *self.bells, *self.shared, *self.targets]
        keys += [self.target_bell] if self.shared else []
        own = [len(self.lists), len(self.shared), self.prefix, self.limit, BELL_S]
        return ["EVALSHA", script, len(keys), *keys, *own]


class Lookout(threading.Thread):
    """The thread, with a connection of its own. It starts when there is something to look at."""

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__(name="wasmfleet-lookout", daemon=True)
        # In RESP3 the broker may tell something between two answers.
        self._connection: Any = ConnectionPool(**options | {"protocol": 3}).make_connection()
        self._is_open = self._is_told = self._has_complained = self._ended = False
        self._script = ""
        self._look: Look | None = None
        self._changed = threading.Event()
        self._fruitless = 0
        self._found_at = 0.0

    def look_at(self, look: Look | None) -> None:
        """Look at this from now on, or at nothing."""
        if look != self._look:
            self._look = look
            self._changed.set()
        if look and not self.is_alive():
            self.start()

    def end(self) -> None:
        """Let the thread end, within a second."""
        self._ended = True
        self._changed.set()

    def run(self) -> None:
        while not self._ended:
            self._changed.clear()
            try:
                self._turn()
            except (RedisError, OSError):
                self._close()
                self._changed.wait(_STEP_S)
            except Exception:  # noqa: BLE001 - without this thread, messages of other programs wait for seconds
                _log.exception("looking for messages failed; trying again in a second")
                self._close()
                self._changed.wait(_STEP_S)
        self._close()

    def _turn(self) -> None:
        look = self._look
        if look is None:
            self._close()
            self._changed.wait()
            return
        self._open()
        if any(self._ask(*look.command(self._script))):
            self._fruitless, self._found_at = 0, monotonic()
        else:
            self._fruitless += 1
        if self._is_told:
            self._changed.wait(_PAUSE_S if self._fruitless < _FRUITLESS else _FRUITLESS_PAUSE_S)
            self._wait_until_told()
        else:
            self._changed.wait(_UNTOLD_BUSY_S if monotonic() - self._found_at < 1 else _UNTOLD_S)

    def _open(self) -> None:
        """Connect, unless that is done, and ask the broker to tell of changes."""
        if self._is_open:
            return
        self._connection.connect()
        self._script = self._ask("SCRIPT", "LOAD", source("look"))
        try:
            self._ask("CLIENT", "TRACKING", "ON", "NOLOOP")
            self._is_told = True
        except ResponseError as error:
            self._is_told = False
            if not self._has_complained:
                _log.warning(_UNTOLD, error)
            self._has_complained = True
        self._is_open = True

    def _close(self) -> None:
        self._is_open = False
        self._connection.disconnect()

    def _ask(self, *command: Any) -> Any:
        """Send a command and read its answer; what the broker told before is older, and the command makes it void."""
        self._connection.send_command(*command, check_health=False)
        while (answer := read_any(self._connection, _ANSWER_S)) is None:
            pass
        return answer

    def _wait_until_told(self) -> None:
        again_at = monotonic() + _AGAIN_S
        while not self._changed.is_set() and monotonic() < again_at:
            if self._connection.can_read(timeout=_STEP_S):
                return
