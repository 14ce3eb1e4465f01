"""The rounds of an attack: send messages, check the fleet, and narrow a death down to the message that caused it."""

import dataclasses
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.attack import forged, heavy, kinds, oracle, shared, wire
from tests.attack.findings import Finding, Findings
from tests.attack.seeds import Seeds
from tests.attack.sources import Sources
from tests.attack.target import Target

MESSAGES: Final = 300
_BROADCAST_S: Final = 0.5  # time for workers to read a broadcast: nothing tells when they have
_FRESH_EVERY: Final = 12  # rounds: calls with a far ETA stay in a worker, and fill it in time
_WEIGHTS: Final = {"small": 10, "shared keys": 3, "remote control": 3, "heavy": 5, "forged results": 2}


class Attack:
    """A run of rounds against one target."""

    def __init__(
        self, target: Target, seeds: Seeds, findings: Findings, dice: random.Random, folder: Path
    ) -> None:
        self.target, self.findings, self.seen = target, findings, oracle.Seen()
        self.sent: Counter[str] = Counter()
        self.number = 0
        self._dice, self._seeds = dice, seeds
        self._trap = folder / "unpickled"
        self._sources = Sources(seeds, dice, self._trap)
        self._weights = {name: float(weight) for name, (weight, _) in kinds.KINDS.items()}
        self._heavy: Iterator[list[wire.Sent]] = heavy.messages(seeds, dice)

    def round(self, program: str = "", messages: int = MESSAGES) -> str:
        """Send one round of messages, check the fleet, and return a line about the outcome."""
        self.number += 1
        program = program or self._dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        began = time.monotonic()
        self._begin()
        sent, found = self._programs()[program](messages)
        found += oracle.check(self.target, sent, self.seen)
        found += self._trapped()
        self.sent.update(one.kind.partition(",")[0] for one in sent)
        new = [finding for finding in self._narrowed(found) if self.findings.add(finding, self.number)]
        self._end(found)
        news = "".join(f"\n    new: {finding.what}: {finding.sign} ({finding.kinds})" for finding in new)
        memory = f"main {self.seen.main_mib} MiB, child {self.seen.child_mib} MiB"
        program = sent[0].kind if program == "heavy" and sent else program
        return f"{program}, {len(sent)} messages, {time.monotonic() - began:.1f} s; {memory}{news}"

    def replay(self, sent: Sequence[wire.Sent]) -> list[Finding]:
        """Send these messages and no others, and check the fleet."""
        self._begin()
        self.target.send(sent)
        return oracle.check(self.target, sent, self.seen)

    def _programs(self) -> dict[str, Callable[[int], tuple[list[wire.Sent], list[Finding]]]]:
        return {
            "small": self._small,
            "shared keys": self._shared,
            "remote control": self._control,
            "heavy": self._one_heavy,
            "forged results": self._forged,
        }

    def _small(self, messages: int) -> tuple[list[wire.Sent], list[Finding]]:
        chosen = [kinds.message(self._sources, self._weights) for _ in range(messages)]
        return self.target.send(chosen), []

    def _shared(self, messages: int) -> tuple[list[wire.Sent], list[Finding]]:
        with self.target.broker() as broker:
            spoiled = shared.Shared(broker, self._seeds, self._dice)
            spoiled.spoil(self._dice.choice((1, 1, 3, 10)))
            sent = self.target.send(self._right_ones(messages // 10))
            time.sleep(1.5)  # a worker reads the shared keys once a second
            spoiled.mend()
        return [*sent, *(wire.Sent(f"shared: {done}", "", b"") for done in spoiled.done)], []

    def _control(self, messages: int) -> tuple[list[wire.Sent], list[Finding]]:
        sent = self.target.send(self._right_ones(messages // 20))
        told = []
        with self.target.broker() as broker:
            for _ in range(self._dice.choice((1, 1, 1, 4))):
                name, raw = shared.broadcast(self._seeds, self._dice)
                broker.publish(self._seeds.channel, raw)
                told.append(wire.Sent(f"control: {name}", "", raw))
        time.sleep(_BROADCAST_S)
        return [*sent, *told], []

    def _one_heavy(self, _: int) -> tuple[list[wire.Sent], list[Finding]]:
        return self.target.send(next(self._heavy)), []

    def _forged(self, messages: int) -> tuple[list[wire.Sent], list[Finding]]:
        right = self._right_ones(20)
        with self.target.broker() as broker:
            found = forged.read(self.target.fleet, broker, self._dice, self._trap)
            forged.put_before(broker, [wire.usable_id(one.raw) for one in right], self._dice)
        return self.target.send(right), found

    def _right_ones(self, count: int) -> list[wire.Sent]:
        only = dict.fromkeys(self._weights, 0.0) | {"right": 1.0}
        return [kinds.message(self._sources, only) for _ in range(count)]

    def _begin(self) -> None:
        self.target.forget("celery-task*")
        with self.target.broker() as broker:
            broker.delete("wasmfleet:quarantine")
        self.target.watch.begin(tuple(self.target.mains))

    def _end(self, found: Sequence[Finding]) -> None:
        broken = [finding for finding in found if finding.what in oracle.ENDS_A_FLEET]
        for finding in broken:
            for one in {one.kind for one in finding.messages} if len(finding.messages) == 1 else ():
                if one in self._weights:  # this kind's defect is known now: send the other kinds more often
                    self._weights[one] = max(0.5, self._weights[one] / 2)
        if broken or self.target.dead() or self.number % _FRESH_EVERY == 0:
            self.target.renew()

    def _trapped(self) -> list[Finding]:
        if not self._trap.exists():
            return []
        self._trap.unlink()
        return [Finding("a message ran code", "unpickled or loaded as YAML", str(self._trap))]

    def _narrowed(self, found: Sequence[Finding]) -> Iterator[Finding]:
        """Yield the findings; a new death with many suspects is narrowed to the message that suffices to cause it."""
        for finding in found:
            is_new = (finding.what, finding.sign) not in self.findings.counts
            if finding.what == oracle.DIED and len(finding.messages) > 1 and is_new:
                yield self._narrow(finding)
            else:
                yield finding

    def _narrow(self, death: Finding) -> Finding:
        """Search by halves for one message that kills a fresh fleet; return the death as it was if none does alone."""
        suspects = [one for one in death.messages if one.raw]
        while len(suspects) > 1:
            half = suspects[: len(suspects) // 2]
            suspects = half if self._dies_of(half) else suspects[len(half) :]
        if not suspects or not self._dies_of(suspects):
            return death
        return dataclasses.replace(death, messages=tuple(suspects))

    def _dies_of(self, suspects: Sequence[wire.Sent]) -> bool:
        self.target.renew()
        with self.target.broker() as broker:
            for one in suspects:
                if not one.list:
                    broker.publish(self._seeds.channel, one.raw)
        time.sleep(_BROADCAST_S)
        return any(again.what == oracle.DIED for again in self.replay([one for one in suspects if one.list]))
