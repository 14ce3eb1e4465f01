"""The modules there are, and what state each is in: absent, compiling, ready or failed.

A state is asked for, never remembered for long: a module that was missing and is repaired is used
again a second later, without a restart.
"""

import hashlib
import importlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from wasmfleet.config.settings import Settings
from wasmfleet.workers.errors import VersionMismatch
from wasmfleet.workers.runtime.section import Declared, declared

if TYPE_CHECKING:
    from wasmfleet.workers.runtime.engine import Engine

BUILT_IN: Final = Path(__file__).parents[2] / "wasm_bin"
_RETRY_S: Final = 1.0

State = Literal["absent", "compiling", "ready", "failed"]


class NotReady(Exception):
    """The module cannot serve now; `state` and the message say why."""

    def __init__(self, state: State, reason: str) -> None:
        super().__init__(reason)
        self.state = state


@dataclass(frozen=True, slots=True)
class Binary:
    """A .wasm file: its bytes' digest and what it declares."""

    name: str
    path: Path
    code: bytes
    sha256: str
    operations: dict[str, Declared]


@dataclass(slots=True)
class Loaded:
    """A module ready to be instantiated in this process."""

    binary: Binary
    engine: "Engine"
    pre: Any


@dataclass(slots=True)
class _Failure:
    error: NotReady
    until: float = field(default_factory=lambda: time.monotonic() + _RETRY_S)


def files(settings: Settings) -> dict[str, Path]:
    """Every module's file by name: the built-in ones, then the user's. A name stands for the first."""
    found = {name: BUILT_IN / f"{name}.wasm" for name in manifest()}
    for place in settings.modules:
        for path in sorted(place.glob("*.wasm")) if place.is_dir() else [place]:
            found.setdefault(path.stem, path)
    return found


def manifest() -> dict[str, dict[str, Any]]:
    """What wasm_bin/ must hold, by module."""
    entries: dict[str, dict[str, Any]] = msgspec.json.decode((BUILT_IN / "manifest.json").read_bytes())[
        "modules"
    ]
    return entries


def read(name: str, path: Path) -> Binary:
    """A module's file, checked against the manifest where it is built in. Raises NotReady."""
    try:
        code = path.read_bytes()
    except OSError as error:
        raise NotReady("absent", f"{path.name} cannot be read: {error.strerror}") from None
    sha256 = hashlib.sha256(code).hexdigest()
    if path.parent == BUILT_IN and manifest()[name]["sha256"] != sha256:
        raise NotReady(
            "failed", f"{path.name} is not the file that the manifest names; run `make wasm` or install again"
        )
    try:
        operations = {operation.name: operation for operation in declared(code)}
    except VersionMismatch as error:
        raise NotReady("failed", f"{path.name}: {error}") from None
    return Binary(name, path, code, sha256, operations)


class Modules:
    """The modules of one process. Loads on demand; a failure is kept for a second, then tried again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loaded: dict[str, Loaded] = {}
        self._failures: dict[str, _Failure] = {}
        self._engine: Engine | None = None

    def ready(self, name: str) -> Loaded:
        """The module, loaded. Raises NotReady."""
        if name in self._loaded:
            return self._loaded[name]
        failure = self._failures.get(name)
        if failure and time.monotonic() < failure.until:
            raise failure.error
        try:
            loaded = self._loaded[name] = self._load(name)
        except NotReady as error:
            self._failures[name] = _Failure(error)
            raise
        return loaded

    def load_all(self) -> None:
        """Loads what can be loaded, so that the first call does not wait for it."""
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
        engine = self._started_engine()
        return Loaded(binary, engine, _deserialized(engine, binary, self._settings))

    def _started_engine(self) -> "Engine":
        if self._engine is None:
            self._engine = wasmtime_part("engine").Engine()
        return self._engine


def state(name: str, path: Path, settings: Settings) -> tuple[State, str]:
    """A module's state as a fresh process would find it, without an engine: safe before fork."""
    try:
        binary = read(name, path)
        _artefact(binary, settings)
    except NotReady as error:
        return error.state, str(error)
    return "ready", ""


def states(settings: Settings) -> dict[str, tuple[State, str]]:
    return {name: state(name, path, settings) for name, path in files(settings).items()}


def wasmtime_part(name: str) -> Any:
    """A part of this package that imports wasmtime. Raises NotReady where wasmtime cannot be imported."""
    try:
        return importlib.import_module(f"wasmfleet.workers.runtime.{name}")
    except (ImportError, OSError) as error:
        importlib.invalidate_caches()
        raise NotReady("failed", f"wasmtime cannot be loaded: {error}") from None


def _artefact(binary: Binary, settings: Settings) -> Path:
    cache = wasmtime_part("cache")
    try:
        path: Path = cache.Cache(settings.data_dir / "compiled").artefact(binary.sha256)
    except cache.CacheMiss as error:
        raise NotReady("compiling", str(error)) from None
    except cache.CompileFailed as error:
        raise NotReady("failed", f"{binary.path.name} does not compile: {error}") from None
    return path


def _deserialized(engine: "Engine", binary: Binary, settings: Settings) -> Any:
    import wasmtime

    artefact = _artefact(binary, settings)
    try:
        module = wasmtime.Module.deserialize_file(engine.wasmtime, str(artefact))
        return wasmtime.Linker(engine.wasmtime).instantiate_pre(module)
    except wasmtime.WasmtimeError as error:
        raise NotReady(
            "failed", f"{binary.path.name} cannot be loaded: {str(error).splitlines()[0]}"
        ) from None
