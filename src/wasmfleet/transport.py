"""The transport by itself, for a Celery app that uses nothing else of this package.

Where this package is installed, `broker_url="wasmfleet+redis://…"` is all that an app needs: kombu loads the entry
point of `pyproject.toml` that names this module. Importing the module does the same, for programs that use kombu
without Celery, or that are packed without their packages' metadata. docs/transport.md has the options.
"""

from typing import Final

from wasmfleet.workers.transport import register

register()

#: What kombu registers for the entry point: a name for messages that nobody can write or read, and no more. It is an
#: entry point of `kombu.serializers` because kombu 5.7 loads no others by itself.
NO_SERIALIZER: Final = (None, None, "application/x-wasmfleet-transport", "binary")
