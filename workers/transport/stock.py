"""Kombu's own Redis transport, untyped: the type stubs there are describe an older one."""

from typing import Any, Final

from kombu.transport import redis as _redis
from kombu.transport import virtual as _virtual

redis: Final[Any] = _redis
virtual: Final[Any] = _virtual
