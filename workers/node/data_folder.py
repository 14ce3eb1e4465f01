"""Checks of the data folder: nothing starts where another user of the machine could change it or read its secrets."""

from collections.abc import Iterator
from pathlib import Path

from wasmfleet.config.settings import Settings
from wasmfleet.workers.node import credentials, digests, private_files


def result_log(settings: Settings) -> Path:
    """Return the path of the SQLite file with one row for each outcome."""
    return settings.data_dir / "results.sqlite"


def troubles(settings: Settings) -> Iterator[private_files.NotPrivate]:
    """Yield a finding for all in the data folder that another user may change, and each secret that one may read.

    Where a folder is reported, nothing below it is.
    """
    log, compiled = result_log(settings), settings.data_dir / "compiled"
    written = [settings.data_dir, compiled, credentials.folder(settings), log]
    written += [log.with_name(log.name + end) for end in ("-wal", "-shm")]
    secrets = [compiled / "key", digests.key_file(settings)]
    secrets += [credentials.password_file(settings), credentials.users_file(settings)]
    told: set[Path] = set()
    for path in [*written, *secrets]:
        if told.isdisjoint(path.parents):
            for trouble in _trouble(path, secret=path in secrets):
                told.add(path)
                yield trouble


def refuse_shared(settings: Settings) -> None:
    """Raise NotPrivate where another user may change the data folder, or may read a secret in it or the keyring."""
    for trouble in troubles(settings):
        raise trouble
    if settings.keyring:
        for trouble in _trouble(settings.keyring, secret=True):
            raise trouble


def _trouble(path: Path, *, secret: bool) -> Iterator[private_files.NotPrivate]:
    try:
        private_files.check(path, secret=secret)
    except private_files.NotPrivate as trouble:
        yield trouble
    except OSError:  # missing or not accessible: whatever needs the file reports that
        return
