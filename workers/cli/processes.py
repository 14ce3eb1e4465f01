"""The processes of the Procfile as commands: each waits for the broker, then becomes the real thing."""

import os
import sys
from typing import Annotated, Literal, NoReturn

import typer

from wasmfleet.config import celery as queues
from wasmfleet.config.settings import Settings, settings
from wasmfleet.workers import broker as brokers

_BROKER_S = 60.0


def up() -> None:
    """Placeholder until the supervisor lands."""
    raise typer.Exit(2)


def broker() -> None:
    """Run the embedded Valkey of the data folder."""
    brokers.run(settings())


def worker(role: Annotated[Literal["wasm", "python"], typer.Argument()]) -> None:
    """Run an accelerated or a plain-Python worker."""
    brokers.wait(settings(), _BROKER_S)
    consumed = ",".join(_queues(role, settings()))
    _become(
        "worker", "-Q", consumed, "-n", f"{role}-{os.getpid()}@%h", "--without-mingle", "--without-gossip"
    )


def flower() -> None:
    """Run Flower."""
    brokers.wait(settings(), _BROKER_S)
    port = brokers.free_port("127.0.0.1", settings().flower_port, "WASMFLEET_FLOWER_PORT")
    _become("flower", f"--address={settings().flower_address}", f"--port={port}")


def _queues(role: str, settings: Settings) -> list[str]:
    if role == "python":
        return [queues.PYTHON]
    serve_default = (
        settings.embedded if settings.serve_default_queue is None else settings.serve_default_queue
    )
    return [queues.ANY, queues.WASM] + ([queues.DEFAULT] if serve_default else [])


def _become(*words: str) -> NoReturn:
    os.execv(sys.executable, [sys.executable, "-m", "celery", "-A", "wasmfleet.workers.app", *words])
