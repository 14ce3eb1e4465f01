"""The checks of `wasmfleet doctor` on this machine: data folder, wasmtime, modules, hand-overs, keyring."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from wasmfleet.config.settings import MIB, Settings, SettingsError
from wasmfleet.workers.cli import fleet_checkups
from wasmfleet.workers.cli.checkup import Checkup, ok, problem, warning
from wasmfleet.workers.counting import counted

if TYPE_CHECKING:
    from wasmfleet.workers.runtime.modules import NotReady, State

_HOUR_S: Final = 3600.0
_MOST_WAITING: Final = 256 * MIB
_LEAST_FREE: Final = 256 * MIB


def examine(settings: Settings) -> Iterator[Checkup]:
    """Make every check, those of the fleet included, in an order in which each comes after those it depends on."""
    shared = list(_shared(settings))
    yield from shared
    if not shared:
        yield from _own_data(settings)
    yield _memory(settings)
    yield _wasmtime()
    if not shared:
        yield from _own_modules(settings)
        yield from fleet_checkups.examine(settings)
    yield _keyring(settings)


def _own_data(settings: Settings) -> Iterator[Checkup]:
    folder = _data_folder(settings)
    yield folder
    if folder.state != "problem":
        yield from _modules(settings)
        yield from _log_size(settings)
        yield _hand_overs(settings)


def _data_folder(settings: Settings) -> Checkup:
    from wasmfleet.workers.node import data_folder, private_files
    from wasmfleet.workers.records import filesystem

    what, folder = "data folder", settings.data_dir
    try:
        private_files.folder(folder)
        private_files.create(data_folder.result_log(settings))
        with data_folder.result_log(settings).open("ab"):
            pass
    except SettingsError as error:
        return problem(what, str(error), "set WASMFLEET_DATA_DIR to a folder of this user")
    except OSError as error:
        return problem(
            what,
            f"the log {error.filename} cannot be written: {error.strerror}",
            "give the file to this user",
        )
    kind = filesystem.kind(folder)
    if kind in filesystem.REMOTE:
        mend = "SQLite's locks do not hold there; set WASMFLEET_DATA_DIR to a folder on a local disk"
        return problem(what, f"{folder} is on the network filesystem {kind}", mend)
    return ok(what, f"{folder} is writable, on {kind}")


def _shared(settings: Settings) -> Iterator[Checkup]:
    """Report what other users may change or read. What depends on it is checked only when that is mended."""
    from wasmfleet.workers.node import data_folder

    for trouble in data_folder.troubles(settings):
        yield problem("data folder", trouble.finding, trouble.mend)


def _log_size(settings: Settings) -> Iterator[Checkup]:
    """Tell how large the log and its write-ahead log are. The latter is emptied each minute, unless a reader stays."""
    from wasmfleet.workers.node import data_folder

    log = data_folder.result_log(settings)
    size, waiting = (_size(path) for path in (log, log.with_name(f"{log.name}-wal")))
    finding = f"{size / MIB:,.1f} MiB, and {waiting / MIB:,.1f} MiB in its write-ahead log"
    if waiting > _MOST_WAITING:
        mend = "end the programs that read it for long; a running worker then empties it within a minute"
        yield warning("log", finding, mend)
    elif (free := shutil.disk_usage(log.parent).free) < _LEAST_FREE:
        yield warning("log", f"{finding}; its disk has {free / MIB:,.0f} MiB left", "make room on that disk")
    else:
        yield ok("log", finding)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _memory(settings: Settings) -> Checkup:
    """Tell what limits this process has, as those have that are started from here."""
    import resource

    from wasmfleet.workers.fleet_state import reported

    if troubles := reported.troubles(settings):
        return warning("memory", "; ".join(troubles), reported.MEND_TROUBLES)
    space = resource.getrlimit(resource.RLIMIT_AS)[0]
    limit = "no limit" if space == resource.RLIM_INFINITY else f"{space // MIB:,} MiB"
    return ok("memory", f"address space: {limit}; control groups leave room for every child")


def _wasmtime() -> Checkup:
    from importlib.metadata import PackageNotFoundError, version

    from wasmfleet.workers.runtime import modules

    try:
        modules.wasmtime_part("engine")
        return ok("wasmtime", version("wasmtime"))
    except (modules.NotReady, PackageNotFoundError) as error:
        mend = "reinstall it: pip install --force-reinstall wasmtime; until then plain Python serves"
        return problem("wasmtime", str(error), mend)


def _modules(settings: Settings) -> Iterator[Checkup]:
    """Tell each module's state; one that seems ready is loaded, and a guest of it is made."""
    from wasmfleet.workers.runtime import modules

    tried, states = modules.Modules(settings), modules.states(settings)
    yield from _uncompiled(states)
    for name, (state, reason) in states.items():
        what, found = f"module {name}", modules.NotReady(state, reason)
        if state == "compiling":
            continue
        if state == "ready":
            try:
                tried.ready(name)
                yield ok(what, "ready")
                continue
            except modules.NotReady as error:
                found = error
        yield problem(what, f"{found.state}: {found}", _module_mend(name, found))


def _uncompiled(states: "Mapping[str, tuple[State, str]]") -> Iterator[Checkup]:
    """Tell once for all modules that are to be compiled; in a new data folder these are all of them."""
    reasons = {name: reason for name, (state, reason) in states.items() if state == "compiling"}
    for reason in sorted(set(reasons.values())):
        names = ", ".join(name for name in reasons if reasons[name] == reason)
        mend = "`wasmfleet compile` or the first worker compiles them; until then plain Python serves"
        yield warning("modules", f"{reason}: {names}", mend)


def _module_mend(name: str, found: "NotReady") -> str:
    from wasmfleet.workers.runtime import modules

    if found.state == "compiling":
        return "run `wasmfleet compile`"
    if isinstance(found, modules.HostLacks):
        return "raise the limit (ulimit -v, the container's), or set WASMFLEET_MEMORY_LIMIT lower"
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
    for module, reason in refused.items():
        yield problem(
            f"your module {module}",
            f"refused: {reason}",
            "mend the file, or take it out of WASMFLEET_MODULES",
        )


def _hand_overs(settings: Settings) -> Checkup:
    from wasmfleet.workers.cli import tallies

    by_reason = tallies.handed_over(settings, _HOUR_S)
    if not by_reason:
        return ok("fallback", "no task was handed over to plain Python in the last hour")
    reasons = "; ".join(f"{count:,} ({reason})" for reason, count in by_reason.most_common(5))
    items = counted(by_reason.total(), "item of the last hour was", "items of the last hour were")
    finding = f"{items} handed over to plain Python: {reasons}"
    return warning("fallback", finding, "mend the modules above; `wasmfleet results --since 1h` shows them")


def _keyring(settings: Settings) -> Checkup:
    from wasmfleet.workers.node import private_files

    path = settings.keyring
    if path is None:
        return ok("keyring", "none is set, so operations that need a key are refused")
    try:
        entries = msgspec.json.decode(private_files.read(path, secret=True), type=dict[str, str])
    except private_files.NotPrivate as trouble:
        return problem("keyring", trouble.finding, trouble.mend)
    except (OSError, msgspec.DecodeError) as error:
        return problem(
            "keyring", f"{path} cannot be read: {error}", "it must be JSON of key id to base64 key"
        )
    return ok("keyring", f"{path} has {counted(len(entries), 'key', 'keys')}")
