"""The broker's side: kombu's Redis transport (`wasmfleet+redis://`), whose messages outlive the worker that holds them.

It runs in every process that has a connection to the broker, with a thread that renews leases where messages are
consumed. Only the head of a message is decoded here, never its body. Queues, `unacked` and `unacked_index` keep
kombu's format, so that plain Celery clients, workers and Flower may share the broker.
"""

from kombu.transport import TRANSPORT_ALIASES


def register() -> None:
    """Makes the scheme known to kombu, which splits it into the transport before the plus sign and its address."""
    TRANSPORT_ALIASES["wasmfleet"] = "wasmfleet.workers.transport.connection:Transport"
