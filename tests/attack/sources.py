"""What hostile messages are made of: real ones, dice, ids that were used before, and a trap for unpickling."""

import random
from pathlib import Path
from typing import Any

from tests.attack import values, wire
from tests.attack.seeds import Seeds


class Sources:
    """What kinds are made of: the seeds, the dice, and a file that only unpickling would create."""

    def __init__(self, seeds: Seeds, dice: random.Random, trap: Path) -> None:
        self.seeds, self.dice, self.trap = seeds, dice, trap
        self._ids: list[str] = []

    def fresh(self) -> dict[str, Any]:
        """A real message under an id of its own."""
        outer = wire.renamed(wire.opened(self.dice.choice(self.seeds.messages)), self.dice)
        self._ids.append(outer["headers"]["id"])
        return outer

    def readable(self) -> dict[str, Any]:
        """The same, of those whose body is not compressed."""
        while (outer := self.fresh())["headers"].get("compression"):
            pass
        return outer

    def former_id(self) -> str:
        """An id that was used before."""
        return self.dice.choice(self._ids[-300:] or ["x"])

    def value(self) -> Any:
        return values.interesting(self.dice)


class Pickled:
    """Creates a file when it is unpickled."""

    def __init__(self, trap: Path) -> None:
        self._trap = str(trap)

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self._trap, "w")
