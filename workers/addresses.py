"""Where a running fleet's pages are."""

from wasmfleet.config.settings import Settings
from wasmfleet.workers import claims


class FlowerRecord(claims.Record, frozen=True, kw_only=True):
    """The Flower of a data folder."""

    port: int


def flower(settings: Settings) -> str:
    """Flower's address: that of the running one, else where it would be."""
    running = claims.owner(settings.data_dir / "flower.json", FlowerRecord)
    return f"http://{settings.flower_address}:{running.port if running else settings.flower_port}"


def publish_flower(settings: Settings, port: int) -> None:
    """Called by the process that becomes Flower: exec keeps its pid."""
    claims.publish(settings.data_dir / "flower.json", FlowerRecord.of_this_process(port=port))
