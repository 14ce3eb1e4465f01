"""The raw material of hostile messages: real messages, random choices, used ids, and a trap for unpickling."""

import random
from pathlib import Path
from typing import Any

from tests.attack import values, wire
from tests.attack.seeds import Seeds


class Sources:
    """The seeds, the dice, and the path of a file that exists only if a worker unpickled a message."""

    def __init__(self, seeds: Seeds, dice: random.Random, trap: Path) -> None:
        self.seeds, self.dice, self.trap = seeds, dice, trap
        self._ids: list[str] = []

    def fresh(self) -> dict[str, Any]:
        """Return a real message with a new id."""
        outer = wire.renamed(wire.opened(self.dice.choice(self.seeds.messages)), self.dice)
        self._ids.append(outer["headers"]["id"])
        return outer

    def readable(self) -> dict[str, Any]:
        """Return a real message with a new id whose body is not compressed."""
        while (outer := self.fresh())["headers"].get("compression"):
            pass
        return outer

    def former_id(self) -> str:
        """Return an id that an earlier message had."""
        return self.dice.choice(self._ids[-300:] or ["x"])

    def value(self) -> Any:
        return values.interesting(self.dice)


class Pickled:
    """An object that creates a file when it is unpickled."""

    def __init__(self, trap: Path) -> None:
        self._trap = str(trap)

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self._trap, "w")
