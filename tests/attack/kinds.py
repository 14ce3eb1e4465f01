"""The kinds of small hostile messages, each with its weight in the random choice. The costly kinds are in heavy.py."""

from collections.abc import Callable
from typing import Final

from tests.attack import bodies, envelopes, wire
from tests.attack.seeds import LISTS, lists
from tests.attack.sources import Sources

Make = Callable[[Sources], bytes]

KINDS: Final[dict[str, tuple[int, Make]]] = {
    "right": (4, envelopes.right),
    "bytes": (10, envelopes.outer_bytes),
    "splice": (4, envelopes.splice),
    "body bytes": (8, bodies.body_bytes),
    "outer values": (8, envelopes.outer),
    "headers": (12, envelopes.headers),
    "own header": (5, envelopes.own_header),
    "properties": (5, envelopes.properties),
    "body values": (10, bodies.content),
    "batch": (6, bodies.batch),
    "built-in task": (5, bodies.built_in),
    "typed JSON": (5, bodies.typed),
    "content type": (5, envelopes.content_type),
    "compressed": (5, bodies.compressed),
    "dates": (5, envelopes.dates),
    "protocol": (4, bodies.protocol),
    "collision": (4, envelopes.collision),
    "follow-up": (6, bodies.follow_up),
    "id": (4, envelopes.strange_id),
    "junk": (5, envelopes.junk),
}


def message(it: Sources, weights: dict[str, float]) -> wire.Sent:
    """Make one message: its kind is chosen by weight, its list at random."""
    kind = it.dice.choices(list(KINDS), [weights[name] for name in KINDS])[0]
    name = it.dice.choice(LISTS) if it.dice.random() < 0.9 else it.dice.choice(lists())
    return wire.Sent(kind, name, KINDS[kind][1](it))
