"""The findings of an attack, each a file with all that is needed to send its messages again."""

import base64
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.attack.wire import Sent

_KEPT_OF_A_KIND: Final = 5
_SHOWN_CHARACTERS: Final = 4_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One promise that did not hold. Findings with the same `what` and `sign` are counted as the same defect."""

    what: str
    sign: str
    detail: str
    messages: tuple[Sent, ...] = ()

    @property
    def kinds(self) -> str:
        return ", ".join(sorted({message.kind for message in self.messages})) or "-"


@dataclass(slots=True)
class Findings:
    """All findings of a run, counted by defect and written into a folder."""

    folder: Path
    seed: int
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    kinds: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    files: dict[tuple[str, str], Path] = field(default_factory=dict)

    def add(self, finding: Finding, number: int) -> bool:
        """Count a finding of the round with this number, and return whether its defect is new.

        It is written to a file, unless enough findings of the same defect are written already.
        """
        defect = (finding.what, finding.sign)
        self.counts[defect] += 1
        self.kinds.setdefault(defect, Counter()).update(message.kind for message in finding.messages)
        if self.counts[defect] <= _KEPT_OF_A_KIND:
            place = list(self.counts).index(defect) + 1
            path = self.folder / f"finding-{place:03}-{self.counts[defect]}.json"
            path.write_text(json.dumps(self._written(finding, number), indent=1))
            self.files.setdefault(defect, path)
        return self.counts[defect] == 1

    def __len__(self) -> int:
        return len(self.counts)

    def _written(self, finding: Finding, number: int) -> dict[str, Any]:
        return {
            "what": finding.what,
            "sign": finding.sign,
            "detail": finding.detail[:_SHOWN_CHARACTERS],
            "seed": self.seed,
            "round": number,
            "messages": [_message(message) for message in finding.messages],
        }


def _message(message: Sent) -> dict[str, Any]:
    shown = message.raw[:_SHOWN_CHARACTERS].decode(errors="backslashreplace")
    return {
        "kind": message.kind,
        "list": message.list,
        "bytes": len(message.raw),
        "shown": shown,
        "raw": base64.b64encode(message.raw).decode(),
    }


def messages_of(path: Path) -> Sequence[Sent]:
    """Read the messages of a finding from its file."""
    written = json.loads(path.read_text())["messages"]
    return [Sent(one["kind"], one["list"], base64.b64decode(one["raw"])) for one in written]
