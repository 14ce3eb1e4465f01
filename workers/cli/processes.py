"""`wasmfleet broker`, `wasmfleet worker` and `wasmfleet flower`: become one process of the Procfile each."""

import os
import sys
from typing import Annotated, Final, Literal, NoReturn

import typer

from wasmfleet.config import foreign
from wasmfleet.config.foreign import PREFIX
from wasmfleet.config.settings import Settings, settings

_BROKER_S: Final = 60.0
#: How often a worker tells Flower that it lives; Celery's default of 2 s is a fifth of all that an idle worker sends.
_ALIVE_EVERY_S: Final = 5


def broker() -> None:
    """Run the embedded Valkey of the data folder."""
    from wasmfleet.workers.node import broker as brokers
    from wasmfleet.workers.node import data_folder

    data_folder.refuse_shared(settings())
    brokers.run(settings())


def worker(role: Annotated[Literal["wasm", "python"], typer.Argument(help="Which kind to run.")]) -> None:
    """Run an accelerated (wasm) or a plain-Python worker."""
    from wasmfleet.workers.node import broker as brokers
    from wasmfleet.workers.node import data_folder

    data_folder.refuse_shared(settings())
    brokers.wait(settings(), _BROKER_S)
    name = f"{role}-{os.getpid()}@%h"
    consumed = ",".join(_queues(role, settings()))
    _become("celery", "worker", f"--queues={consumed}", f"--hostname={name}", *_quiet())


def flower() -> None:
    """Run Flower."""
    from wasmfleet.workers.node import addresses, data_folder
    from wasmfleet.workers.node import broker as brokers

    data_folder.refuse_shared(settings())
    brokers.wait(settings(), _BROKER_S)
    address = settings().flower_address
    port = brokers.free_port(address, settings().flower_port, "WASMFLEET_FLOWER_PORT")
    addresses.publish_flower(settings(), port)
    if settings().flower_auth:
        os.environ["FLOWER_BASIC_AUTH"] = settings().flower_auth  # `ps` shows arguments to everybody
    for name in ("KEYRING", "SEAL_KEY"):  # with them, Flower's pages and its API would open sealed results
        os.environ.pop(PREFIX + name, None)
    # Where a service is named `flower`, Kubernetes says so in the variable that Flower reads its port from.
    if foreign.is_address(os.environ.get("FLOWER_PORT", "")):
        del os.environ["FLOWER_PORT"]
    _become(
        "wasmfleet.workers.node.flower", "flower", "--logging=error", f"--address={address}", f"--port={port}"
    )


def _queues(role: str, settings: Settings) -> list[str]:
    from wasmfleet.config import celery as queues

    if role == "python":
        return queues.queues_of(queues.PYTHON, settings)
    return [*queues.queues_of(queues.WASM, settings), *queues.queues_of(queues.ANY, settings)]


def _quiet() -> list[str]:
    level = f"--loglevel={settings().log_level}"
    alive = f"--heartbeat-interval={_ALIVE_EVERY_S}"
    return ["--without-mingle", "--without-gossip", f"--concurrency={settings().concurrency}", level, alive]


def _become(module: str, *words: str) -> NoReturn:
    os.environ["PYTHONWARNINGS"] = "ignore:You're running the worker with superuser privileges"
    program = ("wasmfleet.workers.node.host", module, "--app=wasmfleet.workers.app", "--quiet")
    os.execv(sys.executable, [sys.executable, "-m", *program, *words])
