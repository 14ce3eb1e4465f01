"""`python -m bench.delivery [row ...]`: measure which tasks are lost, stuck or run twice, and how fast delivery is."""

import argparse
import json
import os
import platform
from pathlib import Path
from typing import Any

from bench.delivery.rows import ROWS, measure
from bench.delivery.speed import publishing, speed
from bench.delivery.systems import SYSTEMS
from bench.delivery.table import table


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.delivery", description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, "speed", []], help="only these; all without one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    wanted = options.rows or [*ROWS, "speed"]
    figures: dict[str, Any] = {"machine": platform.machine(), "cores": os.cpu_count(), "seed": options.seed}
    print(f"seed {options.seed}")
    for row in [name for name in wanted if name in ROWS]:
        figures[row] = _row(row, options.seed)
    if "speed" in wanted:
        figures |= _speed()
    print(f"\n{table(figures)}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


def _row(row: str, seed: int) -> dict[str, Any]:
    print(f"\n{row}  {ROWS[row][0]}")
    found = {}
    for system in SYSTEMS:
        found[system.name] = measure(row, system, seed)
        _print(system.name, found[system.name])
    return found


def _speed() -> dict[str, Any]:
    print("\nspeed, two processes, medians of interleaved rounds")
    found: dict[str, Any] = speed()
    for name, figures in found.items():
        _print(name, figures)
    cost = publishing()
    _print("a .delay(), ms", cost)
    return {"speed": found, "publish_ms": cost}


def _print(name: str, figures: dict[str, Any]) -> None:
    shown = ", ".join(f"{figure.replace('_', ' ')} {value}" for figure, value in figures.items())
    print(f"  {name:<14} {shown}", flush=True)


if __name__ == "__main__":
    main()
