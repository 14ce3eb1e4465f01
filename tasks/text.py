"""Hash text."""

from typing import Any

from wasmfleet.tasks import digest
from wasmfleet.workers.calls.catalogue import alias


@alias(digest.digest)
def hash(text: str, *, algorithm: digest.Algorithm = "xxh3_64") -> Any:
    """Give the hash of a text in UTF-8 as lower-case hexadecimal digits; see `digest.digest`."""
    return {"data": text.encode(), "algorithm": algorithm}
