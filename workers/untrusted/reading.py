"""Reads what the fleet's processes share through Redis, where anybody may have put anything.

What is junk, or larger than what it should be may be, is skipped and said once; it is never fetched.
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
_MOST_SAID: Final = 20  # of one kind: whoever can write one odd key can write a million
_PAGE: Final = 20
_AT_ONCE: Final = 100
_said: Final[dict[str, set[str]]] = {}
_log = logging.getLogger("wasmfleet.state")


def skip(kind: str, name: Any, why: object) -> None:
    """Says, the first time, that something is skipped because it is not what it should be."""
    names = _said.setdefault(kind, set())
    text = shown(name.decode(errors="replace") if isinstance(name, bytes) else name)[:200]
    if text in names or len(names) > _MOST_SAID:
        return
    names.add(text)
    more = "; further ones are not named" if len(names) > _MOST_SAID else ""
    _log.warning("%s %s is skipped: %s%s", kind, text, shown(why)[:200], more)


def decoded(kind: str, name: Any, packed: bytes, type: type[T]) -> T | None:
    """MessagePack of this type; what is none is skipped."""
    try:
        return msgspec.msgpack.decode(packed, type=type)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        skip(kind, name, error)
        return None


def strings(
    kind: str, store: "Redis", keys: Sequence[bytes], most_bytes: int
) -> Iterator[tuple[bytes, bytes]]:
    """Keys and what they hold; expired ones, of another type or with more bytes are left out."""
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
    """These fields of a hash; None for one that is missing or has more bytes, and for all where it is no hash."""
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
    """Fields and values of a hash, at most so many; those with more bytes are left out."""
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
    """Members of a sorted set, highest score first, at most so many; those with more bytes are left out."""
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
    """What `act` gives. Where it fails because a key of ours is of another type, or no number, that key is deleted
    and `act` done once more: nobody could write there otherwise."""
    try:
        return act()
    except ResponseError:
        if not heal(store, kinds):
            raise
        return act()


def heal(store: "Redis", kinds: Mapping[str, str]) -> list[str]:
    """Deletes those of these keys that are of another type than theirs, or hold no `number`; gives them."""
    script = _script("heal")
    odd = [key for key, kind in kinds.items() if script(keys=[key], args=[kind], client=store)]
    for key in odd:
        skip("what lay at", key, f"a {kinds[key]} belongs there; it is deleted")
    return odd


@cache
def _script(name: str) -> Any:
    client: Redis = Redis()  # scripts are given the client that runs them
    return client.register_script((resources.files(__package__) / "lua" / f"{name}.lua").read_text())
