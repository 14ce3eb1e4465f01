"""Kombu's Redis transport, with what a killed worker held handed on instead of lost: `wasmfleet+redis://`.

Wire-compatible: queues stay lists, `unacked` and `unacked_index` keep kombu's format; plain Celery producers,
workers and Flower may share the broker. New beside them: who holds what, and a bell for idle consumers.
"""

from kombu.transport import TRANSPORT_ALIASES


def register() -> None:
    """Makes the scheme known to kombu, which splits it into the transport before the plus sign and its address."""
    TRANSPORT_ALIASES["wasmfleet"] = "wasmfleet.workers.transport.connection:Transport"
