"""The settings: one frozen object, read once from the variables `WASMFLEET_…` and checked.

A wrong value stops the start of a process with the variable's name, the value and what is allowed.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, get_args
from urllib.parse import urlsplit

import msgspec
from platformdirs import user_data_path

from wasmfleet.config import foreign
from wasmfleet.config.foreign import PREFIX

Lane = Literal["any", "wasm", "python"]
MIB: Final = 1 << 20
OWN_TRANSPORT: Final = "wasmfleet+"


class SettingsError(Exception):
    """A setting has a value that is not allowed; the message names it and what is."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user may set. Times are in seconds, sizes in MiB; the variable is the upper-case name."""

    broker_url: str = field(
        default="",
        metadata={
            "doc": "wasmfleet+redis://, redis:// (rediss for TLS) or amqp:// URL; empty: the embedded Valkey"
        },
    )
    result_url: str = field(default="", metadata={"doc": "where results are stored; empty is the broker"})
    state_url: str = field(default="", metadata={"doc": "where heartbeats are kept; empty is the broker"})
    data_dir: Path = field(
        default_factory=lambda: user_data_path("wasmfleet"),
        metadata={"doc": "log, compiled modules, embedded broker; one fleet a folder"},
    )
    keyring: Path | None = field(
        default=None, metadata={"doc": "JSON file of key id to base64 key, readable by its owner only"}
    )
    seal_key: str = field(
        default="",
        metadata={"doc": "id of the key that seals what crypto.* gets and gives; empty: it is not sealed"},
    )
    lane: Lane = field(default="any", metadata={"doc": "lane of a call that names none"})
    modules: tuple[Path, ...] = field(
        default=(), metadata={"doc": "your .wasm files, or folders of them, separated as in PATH"}
    )
    broker_port: int = field(
        default=7379, metadata={"doc": "first port the embedded Valkey tries", "range": (1, 65535)}
    )
    flower_port: int = field(default=5555, metadata={"doc": "first port Flower tries", "range": (1, 65535)})
    flower_address: str = field(default="127.0.0.1", metadata={"doc": "address Flower listens on"})
    flower_auth: str = field(default="", metadata={"doc": "user:password for Flower; demanded off loopback"})
    flower_hosts: tuple[str, ...] = field(default=(), metadata={"doc": "names of Flower behind a proxy: a,b"})
    concurrency: int = field(
        default_factory=lambda: os.cpu_count() or 1, metadata={"doc": "children a worker", "range": (1, 1024)}
    )
    time_limit: float = field(
        default=10.0, metadata={"doc": "seconds one call may run", "range": (0.05, 3600)}
    )
    memory_limit: int = field(
        default=1024, metadata={"doc": "MiB for all instances of one process", "range": (16, 4096)}
    )
    max_input: int = field(
        default=32, metadata={"doc": "MiB of arguments one message may carry", "range": (1, 512)}
    )
    max_output: int = field(
        default=64, metadata={"doc": "MiB the replies to one message may carry", "range": (1, 512)}
    )
    max_values: int = field(
        default=4_000_000,
        metadata={
            "doc": "values that the arguments of one message, or the replies to it, may hold",
            "range": (1000, 10**9),
        },
    )
    queue_limit: int = field(
        default=200_000,
        metadata={"doc": "messages that may wait in a queue; 0 for any number", "range": (0, 10**9)},
    )
    queue_age: float = field(
        default=0.0,
        metadata={"doc": "seconds the oldest message may have waited; 0 for any time", "range": (0, 10**6)},
    )
    busy_wait: float = field(
        default=0.0,
        metadata={"doc": "seconds a publisher waits for room before FleetBusy", "range": (0, 3600)},
    )
    retention_days: float = field(
        default=30.0, metadata={"doc": "age at which log rows are deleted", "range": (0, 36500)}
    )
    result_expires: float = field(
        default=3600.0,
        metadata={
            "doc": "seconds a result is kept for its caller; the log's row stays",
            "range": (60, 10**8),
        },
    )
    serve_default_queue: bool | None = field(
        default=None,
        metadata={
            "doc": "take calls of wasmfleet.* from the queue `celery`; unset: unless the broker is redis:// or amqp://"
        },
    )
    remote_control: Literal["safe", "all"] = field(
        default="safe", metadata={"doc": "orders obeyed; all: also to stop, to change limits, to end calls"}
    )
    log_level: Literal["debug", "info", "warning", "error"] = field(
        default="info", metadata={"doc": "what workers print"}
    )
    log_format: Literal["text", "json"] = field(default="text", metadata={"doc": "form of the logs' lines"})

    @property
    def hard_time_limit(self) -> float:
        """Seconds after which Celery kills a child: the call's own limit and time to report it."""
        return self.time_limit + 5.0

    @property
    def amqp(self) -> bool:
        """Whether the broker is RabbitMQ; results and heartbeats are then kept at `state_url`."""
        return self.broker_url.startswith("amqp")

    @property
    def own_transport(self) -> bool:
        """Whether messages travel by this package's own transport, which has leases."""
        return self.embedded or self.broker_url.startswith(OWN_TRANSPORT)

    @property
    def serves_default_queue(self) -> bool:
        """Whether calls that name no queue are taken from Celery's default one."""
        return self.own_transport and self.serve_default_queue is not False

    @property
    def embedded(self) -> bool:
        """Whether the fleet runs on its own Valkey."""
        return not self.broker_url


#: The variables of all settings.
NAMES: Final = tuple(PREFIX + field.name.upper() for field in fields(Settings))


def load(environment: Mapping[str, str]) -> Settings:
    """Read the settings from an environment. Raises SettingsError for a wrong value, or a setting that is misspelt.

    A variable that only begins as ours do is ignored, with a warning unless Kubernetes or Docker sets it for a service.
    """
    known = dict(zip(NAMES, fields(Settings), strict=True))
    foreigners = {one.variable: one for one in foreign.found(environment, known)}
    for variable, one in foreigners.items():
        if one.meant:
            allowed = f"known are {', '.join(known)}; did you mean {one.meant}?"
            raise SettingsError(f"{variable} is not a setting; {allowed}")
        one.warn()
    values = {
        field.name: _parse(field.name, environment[variable], field.metadata)
        for variable, field in known.items()
        if environment.get(variable) and variable not in foreigners
    }
    settings = Settings(**values)
    _check_flower(settings)
    _check_state(settings)
    _check_default_queue(settings)
    _check_seal(settings)
    return settings


@cache
def settings() -> Settings:
    """Give this process's settings, which are read at first use and stay. Raises SettingsError."""
    return load(os.environ)


def without_password(url: str) -> str:
    """A URL as it may be shown, or what was given for one: nothing before its last @, and no query."""
    before, at, place = url.partition("?")[0].rpartition("@")
    scheme, mark, _ = before.rpartition("://")
    return f"{scheme}{mark}***@{place}" if at else place


def _parse(name: str, text: str, metadata: Mapping[str, Any]) -> Any:
    value = _PARSERS.get(name, _as_declared(name))(name, text)
    low, high = metadata.get("range", (None, None))
    if low is not None and not low <= value <= high:
        raise _wrong(name, text, f"from {low} to {high}")
    return value


def _as_declared(name: str) -> Callable[[str, str], Any]:
    declared = Settings.__annotations__[name]

    def parse(name: str, text: str) -> Any:
        try:
            return msgspec.convert(text, declared, strict=False)
        except msgspec.ValidationError:
            raise _wrong(name, text, _allowed(declared)) from None

    return parse


def _allowed(declared: Any) -> str:
    choices = get_args(declared)
    if choices and all(isinstance(choice, str) for choice in choices):
        return "one of " + ", ".join(choices)
    return {int: "a whole number", float: "a number"}.get(declared, "true or false")


def _url(name: str, text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise _wrong(name, without_password(text), "redis://host:port/db or rediss://host:port/db")
    return text


def _broker_url(name: str, text: str) -> str:
    parts = urlsplit(text.removeprefix(OWN_TRANSPORT))
    if parts.scheme not in ("redis", "rediss", "amqp", "amqps") or not parts.hostname:
        allowed = "wasmfleet+redis://host:port/db (rediss for TLS), redis:// or amqp://"
        raise _wrong(name, without_password(text), allowed)
    return text


def _folder(name: str, text: str) -> Path:
    return Path(text).expanduser().absolute()


def _file(name: str, text: str) -> Path:
    path = _folder(name, text)
    if not path.is_file():
        raise _wrong(name, text, "an existing file")
    return path


def _hosts(name: str, text: str) -> tuple[str, ...]:
    hosts = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    if not all(re.fullmatch(r"[a-z0-9.-]+|\[[0-9a-f:.]+\]", host) for host in hosts):
        raise _wrong(name, text, "names without a port, such as flower.example.org")
    return hosts


def _module_paths(name: str, text: str) -> tuple[Path, ...]:
    paths = tuple(_folder(name, part) for part in text.split(os.pathsep) if part)
    for path in paths:
        if not (path.is_dir() or (path.is_file() and path.suffix == ".wasm")):
            raise _wrong(name, str(path), "existing .wasm files or folders of them")
    return paths


_PARSERS: Final[dict[str, Callable[[str, str], Any]]] = {
    "broker_url": _broker_url,
    "result_url": _url,
    "state_url": _url,
    "data_dir": _folder,
    "keyring": _file,
    "modules": _module_paths,
    "flower_address": lambda _, text: text,
    "flower_hosts": _hosts,
}


def _check_flower(settings: Settings) -> None:
    if settings.flower_address not in ("127.0.0.1", "::1", "localhost") and not settings.flower_auth:
        raise _wrong(
            "flower_address",
            settings.flower_address,
            "127.0.0.1, or any address together with WASMFLEET_FLOWER_AUTH",
        )


def _check_default_queue(settings: Settings) -> None:
    if settings.serve_default_queue and not settings.own_transport:
        raise SettingsError(
            f"{PREFIX}SERVE_DEFAULT_QUEUE=true needs a broker reached as {OWN_TRANSPORT}redis://: over redis:// and "
            "amqp:// a worker cannot leave in the queue what is other programs'; name the queue wasmfleet.any in calls"
        )


def _check_state(settings: Settings) -> None:
    if settings.amqp and not settings.state_url:
        raise SettingsError(
            f"{PREFIX}BROKER_URL is RabbitMQ's; give {PREFIX}STATE_URL, a redis:// URL for results and heartbeats"
        )


def _check_seal(settings: Settings) -> None:
    if settings.seal_key and settings.keyring is None:
        raise SettingsError(f"{PREFIX}SEAL_KEY names a key; give {PREFIX}KEYRING, the file that has it")


def _wrong(name: str, value: str, allowed: str) -> SettingsError:
    return SettingsError(f"{PREFIX}{name.upper()}={value!r} is not allowed; give {allowed}")
