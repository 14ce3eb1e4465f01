"""The type of the filesystem that a folder is on: SQLite's locks do not hold on network filesystems."""

from functools import cache
from pathlib import Path
from typing import Final

from wasmfleet.config.settings import SettingsError

REMOTE: Final = frozenset(
    ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "lustre", "afs", "fuse.sshfs"]
)


@cache
def refuse_network_filesystem(folder: Path) -> None:
    """Raise SettingsError where the folder is on a network filesystem."""
    found = kind(folder)
    if found in REMOTE:
        raise SettingsError(
            f"WASMFLEET_DATA_DIR={str(folder)!r} is on the network filesystem {found}; "
            "give a folder on a local disk"
        )


def kind(folder: Path) -> str:
    """Find the type of the filesystem that holds the folder: that of the longest mount point above it.

    Where /proc is not mounted, it is an unknown one.
    """
    whole, best, name = folder.resolve(), "", "an unknown filesystem"
    for line in _mounts():
        _, point, found, *_ = line.split(" ")
        place = Path(point.replace("\\040", " "))
        if (whole == place or place in whole.parents) and len(point) >= len(best):
            best, name = point, found
    return name


def _mounts() -> list[str]:
    try:
        return Path("/proc/mounts").read_text().splitlines()
    except OSError:
        return []
