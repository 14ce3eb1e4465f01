"""What the doctor looks at, one function each: data folder, modules, broker, workers, log, Flower, keyring."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from wasmfleet.config.settings import Settings, SettingsError
from wasmfleet.workers.errors import BrokerUnavailable

if TYPE_CHECKING:
    from redis import Redis

    from wasmfleet.workers.presence import Presence

_REMOTE: Final = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "ceph",
    "glusterfs",
    "lustre",
    "afs",
    "fuse.sshfs",
}
_HOUR_S: Final = 3600.0
_BROKER_S: Final = 1.0


class Checkup(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at; `mend` says what to do unless it is ok."""

    what: str
    state: Literal["ok", "warning", "problem"]
    finding: str
    mend: str = ""


def examine(settings: Settings) -> Iterator[Checkup]:
    """Every checkup, in the order in which one depends on another."""
    folder = _data_folder(settings)
    yield folder
    yield _wasmtime()
    if folder.state != "problem":
        yield from _modules(settings)
    yield from _own_modules(settings)
    yield from _broker_and_workers(settings)
    if folder.state != "problem":
        yield _hand_overs(settings)
    yield _keyring(settings)


def _ok(what: str, finding: str) -> Checkup:
    return Checkup(what=what, state="ok", finding=finding)


def _problem(what: str, finding: str, mend: str) -> Checkup:
    return Checkup(what=what, state="problem", finding=finding, mend=mend)


def _warning(what: str, finding: str, mend: str) -> Checkup:
    return Checkup(what=what, state="warning", finding=finding, mend=mend)


def _data_folder(settings: Settings) -> Checkup:
    from wasmfleet.workers import claims, outcomes

    what, folder = "data folder", settings.data_dir
    try:
        claims.private_folder(folder)
        with outcomes.path(settings).open("ab"):
            pass
    except SettingsError as error:
        return _problem(what, str(error), "set WASMFLEET_DATA_DIR to a folder of this user")
    except OSError as error:
        return _problem(
            what,
            f"the log {error.filename} cannot be written: {error.strerror}",
            "give the file to this user",
        )
    kind = _filesystem(folder)
    if kind in _REMOTE:
        mend = "SQLite's locks do not hold there; set WASMFLEET_DATA_DIR to a folder on a local disk"
        return _problem(what, f"{folder} is on the network filesystem {kind}", mend)
    return _ok(what, f"{folder} is writable, on {kind}")


def _filesystem(folder: Path) -> str:
    """The type of the filesystem that holds the folder: that of the longest mount point above it."""
    whole, best, kind = folder.resolve(), "", "an unknown filesystem"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, point, found, *_ = line.split(" ")
        place = Path(point.replace("\\040", " "))
        if (whole == place or place in whole.parents) and len(point) >= len(best):
            best, kind = point, found
    return kind


def _wasmtime() -> Checkup:
    from importlib.metadata import PackageNotFoundError, version

    from wasmfleet.workers.runtime import modules

    try:
        modules.wasmtime_part("engine")
        return _ok("wasmtime", version("wasmtime"))
    except (modules.NotReady, PackageNotFoundError) as error:
        mend = "install it again: pip install --force-reinstall wasmtime; until then plain Python serves"
        return _problem("wasmtime", str(error), mend)


def _modules(settings: Settings) -> Iterator[Checkup]:
    from wasmfleet.workers.runtime import modules

    for name, (state, reason) in modules.states(settings).items():
        what = f"module {name}"
        if state == "ready":
            yield _ok(what, "ready")
        else:
            yield _problem(what, f"{state}: {reason}", _module_mend(name, state))


def _module_mend(name: str, state: str) -> str:
    from wasmfleet.workers.runtime import modules

    if state == "compiling":
        return "run `wasmfleet compile`"
    if name not in modules.manifest():
        return "build the file again, or take it out of WASMFLEET_MODULES"
    is_checkout = (modules.BUILT_IN.resolve().parent / "wasm_src").is_dir()
    return (
        "run `make wasm`, then `wasmfleet compile`"
        if is_checkout
        else "install wasmfleet again, then run `wasmfleet compile`"
    )


def _own_modules(settings: Settings) -> Iterator[Checkup]:
    if not settings.modules:
        return
    from wasmfleet.workers.cli import catalogue

    _, refused = catalogue.operations(settings)
    for module, reason in (refused | _shadowed(settings)).items():
        yield _problem(
            f"your module {module}",
            f"refused: {reason}",
            "mend the file, or take it out of WASMFLEET_MODULES",
        )


def _shadowed(settings: Settings) -> dict[str, str]:
    from wasmfleet.workers.runtime import modules

    used = set(modules.files(settings).values())
    mine = [
        path for place in settings.modules for path in (place.glob("*.wasm") if place.is_dir() else [place])
    ]
    return {path.name: "another module already has its name" for path in mine if path not in used}


def _broker_and_workers(settings: Settings) -> Iterator[Checkup]:
    from redis import RedisError

    from wasmfleet.workers import broker, presence

    try:
        url = broker.wait(settings, _BROKER_S)
    except BrokerUnavailable as error:
        mend = (
            "start the fleet with `wasmfleet up`"
            if settings.embedded
            else "start it, or correct WASMFLEET_BROKER_URL"
        )
        yield _problem("broker", str(error), mend)
        return
    yield _ok("broker", f"{'embedded' if settings.embedded else 'external'}, {broker.without_password(url)}")
    try:
        with presence.client(settings) as connection:
            if not settings.embedded:
                yield from _durability(url)
            yield from _workers(presence.present(connection))
    except RedisError as error:
        yield _problem(
            "workers", f"the heartbeats cannot be read: {error}", "look at WASMFLEET_STATE_URL and its server"
        )
    yield _flower(settings)


def _durability(url: str) -> Iterator[Checkup]:
    """An external broker may lose what it confirmed; ours may not."""
    import redis

    with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as connection:
        for name, wanted, risk in (
            ("appendonly", "yes", "a restart of it loses tasks"),
            ("maxmemory-policy", "noeviction", "it may drop queued tasks when memory is short"),
        ):
            value = _configured(connection, name)
            if value != wanted:
                yield _warning(
                    "broker", f"{name} is {value or 'hidden'}: {risk}", f"CONFIG SET {name} {wanted} on it"
                )


def _configured(connection: "Redis", name: str) -> str:
    import redis

    try:
        found: Any = connection.config_get(name)
    except redis.ResponseError:
        return ""
    return next((v.decode() if isinstance(v, bytes) else str(v) for v in found.values()), "")


def _workers(seen: "list[Presence]") -> Iterator[Checkup]:
    if not seen:
        yield _problem(
            "workers", "none is seen", "start the fleet with `wasmfleet up`, or `wasmfleet worker`"
        )
    elif not any(worker.accelerated for worker in seen):
        yield _warning(
            "workers", "no accelerated worker is seen; plain Python serves", "start `wasmfleet worker wasm`"
        )
    for worker in sorted(seen, key=lambda one: one.worker):
        yield _worker(worker)


def _worker(worker: "Presence") -> Checkup:
    what = f"worker {worker.worker}"
    unready = [
        f"{name} {state} ({reason})" for name, (state, reason) in worker.modules.items() if state != "ready"
    ]
    if unready:
        return _problem(what, f"{worker.role}; {'; '.join(unready)}", "see the modules above on its node")
    ready = f", {len(worker.modules)} modules ready" if worker.accelerated else ""
    return _ok(what, f"{worker.role}, pid {worker.pid} on {worker.node}{ready}")


def _hand_overs(settings: Settings) -> Checkup:
    from wasmfleet.workers.cli import tallies

    counted = tallies.handed_over(settings, _HOUR_S)
    if not counted:
        return _ok("fallback", "no task was handed over to plain Python in the last hour")
    reasons = "; ".join(f"{count:,} because {reason}" for reason, count in counted.most_common(5))
    finding = f"{counted.total():,} items of the last hour were handed over to plain Python: {reasons}"
    return _warning("fallback", finding, "mend the modules above; `wasmfleet results --since 1h` shows them")


def _flower(settings: Settings) -> Checkup:
    from wasmfleet.workers.cli import addresses

    return _ok("Flower", addresses.flower(settings))


def _keyring(settings: Settings) -> Checkup:
    path = settings.keyring
    if path is None:
        return _ok("keyring", "none is set; crypto with keys is refused")
    try:
        entries = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
        open_to = stat.S_IMODE(path.stat().st_mode) & 0o077
    except (OSError, msgspec.DecodeError) as error:
        return _problem(
            "keyring", f"{path} cannot be read: {error}", "it must be JSON of key id to base64 key"
        )
    if open_to:
        return _problem("keyring", f"others can read {path}", f"chmod 600 {path}")
    return _ok("keyring", f"{path} has {len(entries)} keys")
