"""Bounded reads of the state that the fleet shares through Redis, where anybody may have written anything.

A value that is too large is never fetched. It is skipped, as is a value that makes no sense, and the log says so once.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, Final, TypeVar

import msgspec
from redis import Redis
from redis.exceptions import ResponseError

from wasmfleet.workers.safe_text import shown

R = TypeVar("R")
T = TypeVar("T")
_MOST_LOGGED: Final = 20  # names of one kind: whoever can write one odd key can write a million
_PAGE: Final = 20
_AT_ONCE: Final = 100
_logged: Final[dict[str, set[str]]] = {}
_log = logging.getLogger("wasmfleet.state")


def skip(kind: str, name: Any, why: object) -> None:
    """Log that something in Redis is skipped and why, once for each name.

    Once many names of one kind were logged, further names of that kind are not.
    """
    names = _logged.setdefault(kind, set())
    text = shown(name.decode(errors="replace") if isinstance(name, bytes) else name)[:200]
    if text in names or len(names) > _MOST_LOGGED:
        return
    names.add(text)
    more = "; further ones are not named" if len(names) > _MOST_LOGGED else ""
    _log.warning("%s %s is skipped: %s%s", kind, text, shown(why)[:200], more)


def decoded(kind: str, name: Any, packed: bytes, type: type[T]) -> T | None:
    """Decode MessagePack as this type, or skip it and return None."""
    try:
        return msgspec.msgpack.decode(packed, type=type)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        skip(kind, name, error)
        return None


def strings(
    kind: str, store: "Redis", keys: Sequence[bytes], most_bytes: int
) -> Iterator[tuple[bytes, bytes]]:
    """Yield each key with its string value.

    Keys that have expired, are of another type or hold more than `most_bytes` are left out.
    """
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        with store.pipeline(transaction=False) as pipe:
            for key in some:
                pipe.getrange(key, 0, most_bytes)
            found: list[Any] = pipe.execute(raise_on_error=False)
        for key, value in zip(some, found, strict=True):
            if isinstance(value, ResponseError):
                skip(kind, key, value)
            elif isinstance(value, Exception):
                raise value
            elif len(value) > most_bytes:
                skip(kind, key, f"it has more than {most_bytes:,} bytes")
            elif value:
                yield key, value


def fields(store: "Redis", key: str, names: Sequence[Any], most_bytes: int) -> list[bytes | None]:
    """Fetch these fields of a hash, in order.

    None stands for a field that is missing or has more than `most_bytes`, and for all where the key is no hash.
    """
    found: Any = _script("fields")(keys=[key], args=[most_bytes, *names], client=store)
    if not isinstance(found, list):
        skip("the hash", key, "its key is of another type")
        return [None] * len(names)
    for name, value in zip(names, found, strict=True):
        if isinstance(value, int):
            skip(f"a field of {key}", name, f"it has {value:,} bytes")
    return [value if isinstance(value, bytes) else None for value in found]


def entries(
    store: "Redis", key: str, most: int, most_bytes: int, *, page: int = _PAGE
) -> Iterator[tuple[bytes, bytes]]:
    """Yield fields and values of a hash, at most `most`; those of more than `most_bytes` together are left out."""
    cursor, left = b"0", most
    while left > 0:
        found: Any = _script("entries")(keys=[key], args=[cursor, page, most_bytes], client=store)
        if not isinstance(found, list):
            return skip("the hash", key, "its key is of another type")
        cursor, large, *flat = found
        if large:
            skip("an entry of", key, f"it has more than {most_bytes:,} bytes")
        yield from zip(flat[::2], flat[1::2], strict=True)
        left -= len(flat) // 2 + large
        if cursor == b"0":
            return None
    return skip("the rest of", key, f"it has more than {most:,} entries")


def members(store: "Redis", key: str, most: int, most_bytes: int) -> Iterator[bytes]:
    """Yield members of a sorted set, highest score first, at most `most`; larger ones are left out."""
    for start in range(0, most, 1000):
        page: Any = _script("members")(keys=[key], args=[start, start + 999, most_bytes], client=store)
        if not isinstance(page, list):
            return skip("the sorted set", key, "its key is of another type")
        count, *found = page
        yield from found
        if count < 1000:
            return None
    return skip("the rest of", key, f"it has more than {most:,} members")


def healed(store: "Redis", kinds: Mapping[str, str], act: Callable[[], R]) -> R:
    """Call `act` and return its result; where a key is in its way, delete the key and call `act` once more.

    `kinds` gives the Redis type of each key that `act` writes, or `number`. Without this, whoever stores another type
    under such a key would stop the fleet from writing there for good.
    """
    try:
        return act()
    except ResponseError:
        if not heal(store, kinds):
            raise
        return act()


def heal(store: "Redis", kinds: Mapping[str, str]) -> list[str]:
    """Delete the keys that do not hold the kind given for them (a Redis type, or `number`), and return those."""
    script = _script("heal")
    odd = [key for key, kind in kinds.items() if script(keys=[key], args=[kind], client=store)]
    for key in odd:
        skip("what lay at", key, f"a {kinds[key]} belongs there; it is deleted")
    return odd


@cache
def _script(name: str) -> Any:
    client: Redis = Redis()  # scripts are given the client that runs them
    return client.register_script((resources.files(__package__) / "lua" / f"{name}.lua").read_text())
