"""The modules of this node and their states: absent, compiling, ready or failed.

A state is found out when somebody asks, and remembered for a second at most. So a module that was missing and is
repaired is used a second later, without a restart.
"""

import contextlib
import importlib
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from wasmfleet.config.celery import BATCH
from wasmfleet.config.settings import MIB, Settings, SettingsError
from wasmfleet.workers.errors import WasmfleetError
from wasmfleet.workers.runtime import module_file
from wasmfleet.workers.runtime.interface import Interface, Unfit
from wasmfleet.workers.runtime.module_file import Absent, Identity, Unreadable
from wasmfleet.workers.runtime.section import Declared
from wasmfleet.workers.safe_text import shown, storable

if TYPE_CHECKING:
    from wasmfleet.workers.runtime.cache import Artefact
    from wasmfleet.workers.runtime.engine import Engine

BUILT_IN: Final = Path(__file__).parents[2] / "wasm_bin"
_FAMILIES: Final = Path(__file__).parents[2] / "tasks"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_RETRY_S: Final = 1.0
_TRIAL_S: Final = 1.0

State = Literal["absent", "compiling", "ready", "failed"]


class NotReady(Exception):
    """A module cannot serve calls now; `state` and the message say why."""

    def __init__(self, state: State, reason: str) -> None:
        super().__init__(reason)
        self.state = state


class HostLacks(NotReady):
    """The host cannot give a guest what it needs; no call is to blame for it."""

    def __init__(self, reason: str) -> None:
        super().__init__("failed", reason)


@dataclass(frozen=True, slots=True)
class Binary:
    """A module's file: its SHA-256, the operations it declares and its interface."""

    name: str
    path: Path
    sha256: str
    operations: Mapping[str, Declared]
    interface: Interface


@dataclass(slots=True)
class Loaded:
    """A module that can be instantiated in this process; `pre` is a wasmtime.InstancePre."""

    binary: Binary
    engine: "Engine"
    pre: Any


@dataclass(slots=True)
class _Failure:
    """Why a module could not be loaded, and until when that is believed."""

    error: NotReady
    until: float = field(default_factory=lambda: time.monotonic() + _RETRY_S)


def files(settings: Settings) -> dict[str, Path]:
    """Return every module's file by the module's name: the built-in ones, then the user's."""
    return _found(settings)[0]


def refused(settings: Settings) -> dict[str, str]:
    """Return the user's files that cannot be modules because of their names, each with the reason."""
    return _found(settings)[1]


def _found(settings: Settings) -> tuple[dict[str, Path], dict[str, str]]:
    found = {name: BUILT_IN / f"{name}.wasm" for name in manifest()}
    reserved = found.keys() | {family.stem for family in _FAMILIES.glob("*.py")} | {BATCH.rpartition(".")[2]}
    refused = {}
    for path in _own(settings):
        name = path.name.removesuffix(".wasm")
        if not _NAME.fullmatch(name):
            refused[shown(path.name)] = (
                "its name must be lower-case letters, digits and _, 64 at most, a letter first"
            )
        elif name in reserved:
            refused[path.name] = f"the name {name!r} is taken by a family of wasmfleet"
        elif found.setdefault(name, path) != path:
            refused[path.name] = "another module already has its name"
    return found, refused


def _own(settings: Settings) -> Iterator[Path]:
    for place in settings.modules:
        if place.is_dir():
            yield from sorted(place.glob("*.wasm"))
        elif place.suffix == ".wasm":  # else it was a folder, which is gone
            yield place


def manifest() -> dict[str, dict[str, Any]]:
    """Return what the manifest says of each built-in module."""
    entries: dict[str, dict[str, Any]] = msgspec.json.decode((BUILT_IN / "manifest.json").read_bytes())[
        "modules"
    ]
    return entries


def read(name: str, path: Path) -> Binary:
    """Read a module's file, and compare a built-in one with the manifest. Raises NotReady."""
    try:
        contents = module_file.contents(path)
    except Unreadable as error:
        raise NotReady("absent" if isinstance(error, Absent) else "failed", f"{path.name} {error}") from None
    if path.parent == BUILT_IN and manifest()[name]["sha256"] != contents.sha256:
        raise NotReady(
            "failed", f"{path.name} is not the file that the manifest names; run `make wasm` or install again"
        )
    if contents.refused:
        raise NotReady("failed", f"{path.name}: {contents.refused}")
    return Binary(name, path, contents.sha256, contents.operations, contents.interface)


class Modules:
    """The modules that one process has loaded. Each is loaded at its first use; a failure is tried again after 1 s.

    A guest may have `guest_bytes` of memory, and gets so much address space; by default WASMFLEET_MEMORY_LIMIT.
    """

    def __init__(self, settings: Settings, guest_bytes: int = 0) -> None:
        self._settings = settings
        self._guest_bytes = guest_bytes or settings.memory_limit * MIB
        self._loaded: dict[str, Loaded] = {}
        self._failures: dict[str, _Failure] = {}
        self._engine: Engine | None = None

    def ready(self, name: str) -> Loaded:
        """Return a module, loaded. Raises NotReady."""
        if name in self._loaded:
            return self._loaded[name]
        failure = self._failures.get(name)
        if failure and time.monotonic() < failure.until:
            raise failure.error
        try:
            self._loaded[name] = self._load(name)
        except MemoryError:
            self.fail(name, HostLacks("the host does not give the memory to load the module"))
        except NotReady as error:
            self.fail(name, error)
        if name not in self._loaded:
            raise self._failures[name].error
        return self._loaded[name]

    def fail(self, name: str, error: NotReady) -> None:
        """Take a module out of use; it is loaded and tried again after 1 s."""
        self._loaded.pop(name, None)
        self._failures[name] = _Failure(error)

    def load_all(self) -> None:
        """Load all modules that can be loaded, so that the first call need not wait for it."""
        for name in files(self._settings):
            try:
                self.ready(name)
            except NotReady:
                continue

    def _load(self, name: str) -> Loaded:
        path = files(self._settings).get(name)
        if path is None:
            raise NotReady("absent", f"there is no module {name!r}")
        binary = read(name, path)
        _check_memory(binary, self._settings)
        engine = self._started_engine()
        loaded = Loaded(binary, engine, _deserialized(engine, binary, self._settings))
        _try_out(loaded)
        return loaded

    def _started_engine(self) -> "Engine":
        if self._engine is None:
            try:
                self._engine = wasmtime_part("engine").Engine(self._guest_bytes)
            except (OSError, RuntimeError) as error:  # no thread left, or no memory for one
                raise HostLacks(f"the sandbox's engine cannot be started: {first_line(error)}") from None
        return self._engine


def state(name: str, path: Path, settings: Settings) -> tuple[State, str]:
    """Return a module's state, as a new process would find it, and the reason. No engine is made: it may fork later."""
    try:
        binary = read(name, path)
        _check_memory(binary, settings)
        _check_artefact(binary, settings)
    except NotReady as error:
        return error.state, str(error)
    except OSError as error:
        return "failed", shown(f"what is compiled of {path.name} cannot be read: {error.strerror}")
    return "ready", ""


def states(settings: Settings) -> dict[str, tuple[State, str]]:
    """Return every module's state and its reason, by name."""
    return {name: state(name, path, settings) for name, path in files(settings).items()}


def _check_memory(binary: Binary, settings: Settings) -> None:
    """Raise NotReady where the module needs more memory from its start than WASMFLEET_MEMORY_LIMIT allows."""
    if binary.interface.memory_bytes > settings.memory_limit * MIB:
        needed = f"{-(-binary.interface.memory_bytes // MIB):,} MiB of memory"
        allowed = f"WASMFLEET_MEMORY_LIMIT allows {settings.memory_limit:,}"
        raise NotReady("failed", f"{binary.path.name} needs {needed}; {allowed}")


def wasmtime_part(name: str) -> Any:
    """Import a file of this room that imports wasmtime. Raises NotReady where wasmtime cannot be imported."""
    try:
        return importlib.import_module(f"wasmfleet.workers.runtime.{name}")
    except (ImportError, MemoryError, OSError) as error:
        importlib.invalidate_caches()
        raise NotReady("failed", f"wasmtime cannot be loaded: {first_line(error)}") from None


def first_line(error: BaseException) -> str:
    """Return the first line of an error of Wasmtime; the others are a backtrace with names that the guest chose."""
    return shown(storable(error).partition("\n")[0])


def _check_artefact(binary: Binary, settings: Settings) -> None:
    """Raise NotReady unless the cache has usable machine code. It is verified again only where its files changed."""
    seen = wasmtime_part("cache").Cache(settings.data_dir / "compiled").seen(binary.sha256)
    if seen is None or _verified.get(binary.sha256) != seen:
        with _artefact(binary, settings):
            pass
        _verified[binary.sha256] = seen


_verified: Final[dict[str, tuple[Identity, ...] | None]] = {}


@contextlib.contextmanager
def _artefact(binary: Binary, settings: Settings) -> "Iterator[Artefact]":
    cache = wasmtime_part("cache")
    try:
        with cache.Cache(settings.data_dir / "compiled").artefact(binary.sha256) as artefact:
            yield artefact
    except cache.CacheMiss as error:
        raise NotReady("compiling", str(error)) from None
    except cache.CompileFailed as error:
        raise NotReady("failed", f"{binary.path.name} does not compile: {error}") from None
    except SettingsError as error:
        raise NotReady("failed", str(error)) from None


def _try_out(loaded: Loaded) -> None:
    """Make a guest and drop it. Raises HostLacks where the host cannot give what it needs."""
    instance = wasmtime_part("instance")
    # A module that traps as it starts is not the host's failure: its calls get that error.
    with contextlib.suppress(WasmfleetError):
        memory_bytes = loaded.engine.memory_bytes
        instance.Guest(loaded.engine, loaded.pre, memory_bytes=memory_bytes, time_s=_TRIAL_S)


def _deserialized(engine: "Engine", binary: Binary, settings: Settings) -> Any:
    import wasmtime

    try:
        with _artefact(binary, settings) as artefact:
            module = artefact.deserialize(engine.wasmtime)
        wasmtime_part("compiled").check_compiled(module)
        return wasmtime.Linker(engine.wasmtime).instantiate_pre(module)
    except (wasmtime.WasmtimeError, Unfit) as error:
        raise NotReady("failed", f"{binary.path.name} cannot be loaded: {first_line(error)}") from None
