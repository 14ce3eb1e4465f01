"""Random changes to bytes and to structures: flips, cuts, splices, and values put in the place of others."""

import copy
import random
from collections.abc import Iterator
from typing import Any, Final

from tests.attack import values

_MOST_PLACES: Final = 2_000


def bytes_changed(data: bytes, dice: random.Random, other: bytes = b"") -> bytes:
    """Return the data with one to eight small changes, which may splice it with `other`."""
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 3, 8))):
        if not changed:
            break
        at = dice.randrange(len(changed))
        match dice.randrange(7):
            case 0:
                changed[at] ^= 1 << dice.randrange(8)
            case 1:
                changed[at] = dice.choice(b'\0\x1b\x7f\x80\xc1\xdd\xff"\\{}[],:0')
            case 2:
                changed[at:at] = dice.randbytes(dice.choice((1, 2, 4, 40)))
            case 3:
                del changed[at : at + dice.choice((1, 2, 10, 200))]
            case 4:
                del changed[at:]
            case 5:
                changed[at:at] = changed[at : at + dice.choice((1, 8, 100))]
            case 6:
                changed = bytearray(spliced(bytes(changed), other or data, dice))
    return bytes(changed)


def spliced(one: bytes, other: bytes, dice: random.Random) -> bytes:
    """Join the beginning of one and the end of another, both cut at random."""
    return one[: dice.randrange(len(one) + 1)] + other[dice.randrange(len(other) + 1) :]


def value_changed(tree: Any, dice: random.Random, *, keep: tuple[str, ...] = ()) -> Any:
    """Copy a structure and change one to three of its values, but none under a name in `keep`."""
    changed = copy.deepcopy(tree)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        places = [place for place in _places(changed) if place[1] not in keep]
        if not places:
            return values.interesting(dice)
        _change(*dice.choice(places), places, dice)
    return changed


def _change(parent: Any, key: Any, places: list[tuple[Any, Any]], dice: random.Random) -> None:
    match dice.randrange(10):
        case 0:
            del parent[key]
        case 1:
            parent[key] = [parent[key]]
        case 2:
            parent[key] = {"x": parent[key]}
        case 3:
            from_parent, from_key = dice.choice(places)
            parent[key] = copy.deepcopy(from_parent[from_key])
        case 4 if isinstance(parent, dict):
            parent[str(values.interesting(dice))[:3000]] = parent.pop(key)
        case 4:
            parent.append(copy.deepcopy(parent[key]))
        case _:
            parent[key] = values.interesting(dice)


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """List the places in a structure: each container with the key or index of each value in it."""
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting and len(found) < _MOST_PLACES:
        parent = waiting.pop(0)
        for key, value in _items(parent):
            found.append((parent, key))
            waiting.append(value)
    return found


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        yield from list(value.items())
    elif isinstance(value, list):
        yield from enumerate(list(value))
