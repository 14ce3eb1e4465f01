"""How much memory this process may have, and what its control groups give: asking for more raises a MemoryError."""

import resource
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from wasmfleet.config.settings import MIB, Settings

#: MiB that a child may have beside the memory of its guests: arguments, results, machine code.
_CHILDS_OWN_MIB: Final = 512
#: MiB that a worker needs beside its children, and that each of them has without a guest.
_MAIN_MIB: Final = 192
_CHILD_MIB: Final = 96
#: MiB of a child that has little: for the arguments and the result of the call that its guest runs.
_CALL_MIB: Final = 64
_CGROUPS: Final = Path("/sys/fs/cgroup")
_NO_LIMIT: Final = 1 << 60  # cgroup v1 has a very large number where nothing is limited


def most_needed_bytes(settings: Settings) -> int:
    """Return how much memory a worker may need when every child runs a guest or a twin at its limit."""
    return (_MAIN_MIB + settings.concurrency * (_CHILD_MIB + settings.memory_limit)) * MIB


@cache
def guest_bytes(settings: Settings) -> int:
    """Return how much memory the guests of one process may have: the setting, or what its cgroup leaves for one child.

    With more, the kernel would kill the process where a typed error can say what was wanting.
    """
    given = cgroup_bytes()
    most = settings.memory_limit * MIB
    return most if given is None else max(MIB, min(most, given - (_MAIN_MIB + _CHILD_MIB + _CALL_MIB) * MIB))


def allow_child(settings: Settings) -> None:
    """Allow a worker's child what its guests and its calls may need, or what its cgroup leaves for one child."""
    given = cgroup_bytes()
    most = settings.memory_limit + _CHILDS_OWN_MIB
    allow(most if given is None else max(1, min(most, given // MIB - _MAIN_MIB - _CHILD_MIB)))


def cgroup_bytes() -> int | None:
    """Return the memory limit of this process's control groups, the lowest of all above it; None where there is none.

    Both versions of control groups are read, also where a container sees only its own.
    """
    limits = [limit for file in _limit_files() if (limit := _limit_in(file)) is not None]
    return min(limits, default=None)


def allow(mebibytes: int) -> None:
    """Allow this process so much private memory beyond what it has now.

    It sets RLIMIT_DATA, which counts writable memory (Linux 4.7 and later). RLIMIT_AS would also count the addresses
    that a sandbox reserves and never uses. Where /proc is not mounted, nothing is limited.
    """
    used = data_bytes()
    if used is not None:
        most = used + mebibytes * MIB
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (most if hard < 0 else min(most, hard), hard))


def _limit_files() -> Iterator[Path]:
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            yield from _upwards(_CGROUPS, path, "memory.max")
            yield from _upwards(_CGROUPS / "unified", path, "memory.max")
        elif "memory" in controllers.split(","):
            yield from _upwards(_CGROUPS / "memory", path, "memory.limit_in_bytes")


def _upwards(root: Path, path: str, name: str) -> Iterator[Path]:
    group = root / path.lstrip("/")
    yield from (above / name for above in (group, *group.parents) if above.is_relative_to(root))


def _limit_in(file: Path) -> int | None:
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() and int(text) < _NO_LIMIT else None


def data_bytes() -> int | None:
    """Return the bytes of this process that RLIMIT_DATA counts; None where they cannot be read."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[5])
    except (OSError, ValueError, IndexError):
        return None
    return pages * resource.getpagesize()
