"""The version of the installed package."""

from importlib.metadata import version as _of


def version() -> str:
    return _of("wasmfleet")
