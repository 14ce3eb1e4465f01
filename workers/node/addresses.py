"""The address of Flower's pages, for whoever has to print it, and whether somebody answers there."""

import socket
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from wasmfleet.config.settings import Settings
from wasmfleet.workers.node import pidfiles


class FlowerRecord(pidfiles.Record, frozen=True, kw_only=True):
    """The record of the Flower that runs on a data folder."""

    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]


def flower(settings: Settings) -> str:
    """Return the URL of the running Flower, or the one that Flower would have if it ran."""
    running = pidfiles.owner(settings.data_dir / "flower.json", FlowerRecord)
    address = f"[{settings.flower_address}]" if ":" in settings.flower_address else settings.flower_address
    return f"http://{address}:{running.port if running else settings.flower_port}"


def flower_trouble(url: str, timeout_s: float) -> str:
    """Return why nobody answers at Flower's URL, or ""."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), timeout=timeout_s).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def publish_flower(settings: Settings, port: int) -> None:
    """Record the port of Flower. The process that will become Flower calls this, because exec keeps its pid."""
    pidfiles.publish(settings.data_dir / "flower.json", FlowerRecord.of_this_process(port=port))
