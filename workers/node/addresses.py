"""Where a running fleet's pages are."""

from typing import Annotated

import msgspec

from wasmfleet.config.settings import Settings
from wasmfleet.workers.node import claims


class FlowerRecord(claims.Record, frozen=True, kw_only=True):
    """The Flower of a data folder."""

    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]


def flower(settings: Settings) -> str:
    """Flower's address: that of the running one, else where it would be."""
    running = claims.owner(settings.data_dir / "flower.json", FlowerRecord)
    address = f"[{settings.flower_address}]" if ":" in settings.flower_address else settings.flower_address
    return f"http://{address}:{running.port if running else settings.flower_port}"


def publish_flower(settings: Settings, port: int) -> None:
    """Called by the process that becomes Flower: exec keeps its pid."""
    claims.publish(settings.data_dir / "flower.json", FlowerRecord.of_this_process(port=port))
