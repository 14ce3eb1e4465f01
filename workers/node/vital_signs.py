"""Signs of life that each worker leaves in the data folder, from which `wasmfleet healthy` judges that one process.

A thread of the worker writes the file each second, with the times at which the event loop and the heart were last seen:
a worker in which one of the three stands still shows it. A worker whose broker is away lives, and is not ready.
Times are seconds of the monotonic clock, which all processes of a boot share.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec

from wasmfleet.config.settings import Settings
from wasmfleet.workers.node import liveness, pidfiles, private_files

#: Longer than anything that a healthy worker waits for: a connection attempt, a write to a busy log.
SILENT_S: Final = 30.0
#: A worker whose heartbeat was answered within this time reaches its broker or state store.
ANSWERED_S: Final = 10.0
#: The file keeps its size and is written over, so that a full disk does not make a worker look dead.
_FILE_BYTES: Final = 2048


class VitalSigns(pidfiles.Record, frozen=True, kw_only=True):
    """What one worker last wrote.

    `phase` is `starting` until it consumes for the first time, and `reconnecting` while its consumer is made anew.
    `turned_at` is the time of the event loop's last turn, or None where its pool has no event loop of ours; `beat_at`
    that of the heart; `manned_at` when a child was last there; `answered_at` when the state store last answered;
    `written_at` that of this writing.
    `closed_because` says why it takes no messages.
    """

    name: str
    node: str
    phase: Literal["starting", "running", "reconnecting"] = "starting"
    turned_at: float | None = None
    written_at: float = 0.0
    beat_at: float = 0.0
    manned_at: float = 0.0
    answered_at: float = 0.0
    closed_because: str = ""

    @property
    def role(self) -> str:
        """`wasm` or `python`, with which its name begins."""
        return self.name.partition("-")[0]

    def dead_because(self, now: float) -> str:
        """Return why the worker must be restarted, or ""."""
        if self.phase == "starting":
            return ""
        ages = {"it has not written this": self.written_at}
        if self.phase == "running":
            ages |= {
                "its heart has not beaten": self.beat_at,
                "its event loop has not turned": self.turned_at or now,
                "it has had no child": self.manned_at,
            }
        return "; ".join(f"{what} for {now - at:.0f} s" for what, at in ages.items() if now - at > SILENT_S)

    def unready_because(self, now: float) -> str:
        """Return why the worker takes no calls now, or ""."""
        if dead := self.dead_because(now):
            return dead
        if self.phase != "running":
            return f"it is {self.phase}"
        if self.closed_because:
            return f"it takes no messages: {self.closed_because}"
        if now - self.answered_at > ANSWERED_S:
            return f"the state store has not answered for {now - self.answered_at:.0f} s"
        return ""


def write(settings: Settings, signs: VitalSigns) -> None:
    """Leave a worker's signs. Raises OSError.

    Nothing is flushed to the disk: after a crash of the machine the process is gone anyway.
    """
    descriptor = os.open(_path(settings, signs.name), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(descriptor, msgspec.json.encode(signs).ljust(_FILE_BYTES), 0)
    finally:
        os.close(descriptor)


def begin(settings: Settings, signs: VitalSigns) -> None:
    """Leave the first signs of a worker, and remove those of workers of this node that are gone.

    Raises OSError, SettingsError.
    """
    private_files.folder(_folder(settings))
    for old in _written(settings, signs.node):
        if not liveness.is_running(old.pid, old.started_ticks):
            remove(settings, old.name)
    write(settings, signs)


def remove(settings: Settings, name: str) -> None:
    """Remove the signs of a worker that stops."""
    with contextlib.suppress(OSError):
        _path(settings, name).unlink()


def of_node(settings: Settings, node: str) -> list[VitalSigns]:
    """List the workers of this data folder that run on this node, by name. Raises NotPrivate."""
    found = [one for one in _written(settings, node) if liveness.is_running(one.pid, one.started_ticks)]
    return sorted(found, key=lambda one: one.name)


def _written(settings: Settings, node: str) -> Iterator[VitalSigns]:
    for path in _folder(settings).glob("*.json"):
        signs = pidfiles.last(path, VitalSigns)
        if signs and signs.node == node:
            yield signs


def _folder(settings: Settings) -> Path:
    return settings.data_dir / "alive"


def _path(settings: Settings, name: str) -> Path:
    return _folder(settings) / f"{name.replace('/', '_')}.json"


def now() -> float:
    """Return the time of the clock in which signs are written."""
    return time.monotonic()
