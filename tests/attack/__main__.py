"""Attack a fleet with hostile messages and modules: `python -m tests.attack --minutes 60`.

It exits with 1 if a promise did not hold. ATTACK_SEED or --seed seeds the random choices; --replay sends the messages
of a finding's file again, to a fresh fleet.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from tests.attack import findings, guests, report, start
from tests.attack.rounds import Attack

_SHARE_OF_GUESTS = 0.15


def main() -> int:
    given = _given()
    folder = Path(tempfile.mkdtemp(prefix="wasmfleet-attack-"))
    console = Console(highlight=False, markup=False, emoji=False, width=max(140, Console().width))
    console.print(f"seed {given.seed}; findings go to {folder}")
    found = findings.Findings(folder, given.seed)
    if given.replay:
        return _replay(console, folder, found, given)
    deadline = time.monotonic() + given.minutes * 60
    attack = _messages(console, folder, found, given, deadline)
    modules = guests.attack(found, folder, given.seed, deadline, console.print)
    report.summary(console, attack, found, modules)
    return 1 if found else 0


def _messages(
    console: Console, folder: Path, found: findings.Findings, given: argparse.Namespace, deadline: float
) -> Attack:
    until = deadline - given.minutes * 60 * _SHARE_OF_GUESTS
    with start.attack(folder, found, random.Random(given.seed)) as attack:
        while time.monotonic() < until:
            line = attack.round(given.only)
            left = max(0, round(deadline - time.monotonic()))
            console.print(
                f"{left // 60:3}:{left % 60:02} left, {len(found)} findings; {attack.number:4}. {line}"
            )
        return attack


def _replay(console: Console, folder: Path, found: findings.Findings, given: argparse.Namespace) -> int:
    with start.attack(folder, found, random.Random(given.seed)) as attack:
        again = attack.replay(findings.messages_of(given.replay))
    for finding in again:
        console.print(f"{finding.what}: {finding.sign}\n{finding.detail}")
    return 1 if again else 0


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="attack")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument(
        "--seed", type=int, default=int(os.environ.get("ATTACK_SEED") or random.randrange(2**31))
    )
    parser.add_argument("--only", default="", help="one kind of round: small, heavy, shared keys, ...")
    parser.add_argument("--replay", type=Path, default=None)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
