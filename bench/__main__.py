"""`make bench`: measure, on this machine, every figure that the documentation refers to."""

import argparse
import base64
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

_FOLDER = tempfile.TemporaryDirectory(prefix="wasmfleet-bench-")
_KEYRING = Path(_FOLDER.name) / "keyring.json"
_KEYRING.write_text(json.dumps({"bench": base64.b64encode(bytes(32)).decode()}))
_KEYRING.chmod(0o600)
# This must come before any import of wasmfleet, which reads its settings once.
os.environ |= {"WASMFLEET_KEYRING": str(_KEYRING), "WASMFLEET_DATA_DIR": _FOLDER.name}

_PROMISES = {"tree-sitter, parse only": 2.5, "esprima": 25.0}


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", help="only operations with one of these words in their names, `costs`, or `idle`"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    figures = run(options.names)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


def run(names: list[str]) -> dict[str, Any]:
    figures: dict[str, Any] = {"machine": f"{platform.machine()}, {os.cpu_count()} CPUs"}
    if names != ["idle"]:
        figures |= _speeds(figures["machine"], names)
    if not names or "idle" in names:
        from bench import tables
        from bench.idle import idle

        figures["idle"] = tables.idle(idle())
    return figures


def _speeds(machine: str, names: list[str]) -> dict[str, Any]:
    from bench import tables
    from bench.costs import costs
    from bench.harness import measure
    from bench.javascript import prepare
    from bench.jobs import jobs
    from wasmfleet.config.settings import settings
    from wasmfleet.workers.runtime.compile import compile_all

    compile_all(settings(), lambda name: print(f"compiling {name}", file=sys.stderr))
    source = prepare(Path(_FOLDER.name))
    figures: dict[str, Any] = {"jobs": []}
    print(f"{machine}; medians of interleaved rounds; ratio: speed relative to the best native library")
    print(source.without_node or "Node is warm and reached through a pipe")
    wanted = [job for job in jobs(source) if not names or any(name in job.operation for name in names)]
    for number, job in enumerate(wanted, 1):
        print(f"{number}/{len(wanted)} {job.operation} {job.input}", file=sys.stderr)
        figures["jobs"].append(tables.job(job, measure(job.contenders), _PROMISES))
    if not names or "costs" in names:
        figures["costs_us"] = tables.costs(costs())
    source.close()
    return figures


if __name__ == "__main__":
    main()
