"""Where a running fleet's pages are."""

from wasmfleet.config.settings import Settings


def flower(settings: Settings) -> str:
    return f"http://{settings.flower_address}:{settings.flower_port}"
