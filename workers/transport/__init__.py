"""The broker's side: kombu's Redis transport (`wasmfleet+redis://`), whose messages outlive the worker that holds them.

It runs in every process that has a connection to the broker, with a thread that renews leases where messages are
consumed. Only the head of a message is decoded here, never its body. Queues, `unacked` and `unacked_index` keep
kombu's format, so that plain Celery clients, workers and Flower may share the broker.
"""

from kombu.transport import TRANSPORT_ALIASES


def register() -> None:
    """Make the scheme known to kombu, which takes the part before the plus sign for the transport's name and leaves the
    rest of the URL to that transport."""
    TRANSPORT_ALIASES["wasmfleet"] = "wasmfleet.workers.transport.connection:Transport"
