"""Write an unfinished operation and build its module: `python -m new_op FAMILY NAME`, in wasm_src/."""

import subprocess
import sys
import tempfile
from pathlib import Path

import build
import workspace

from new_op import layout, names

_WRITTEN = """
{family}.{name} is laid out and builds; every test of it fails until you replace what says UNFINISHED:

  1. tasks/{family}.py: the signature, the parity, the docstring and the plain-Python body
  2. wasm_src/{family}/src/{name}.rs: `Args` in the signature's order, and `run`
  3. tests/vectors/{family}/{name}.json: right results and refusals, which both lanes must give

Then:

  make wasm MODULE={family}
  make docs
  .venv/bin/pytest -q --tb=line tests/scaffold/test_unfinished.py tests/conformance -k "unfinished or {family}.{name}"
  make check
"""


def main(family: str, name: str) -> int:
    try:
        names.check(family, name)
        build.check_toolchain()
        is_new = family not in workspace.modules()
        _write(family, name)
        if is_new:
            workspace.add_member(family)
            _lock()
        with tempfile.TemporaryDirectory() as folder:
            build.publish({family: build.build(family, Path(folder))})
    except (names.Refused, layout.Unreadable, build.BuildFailed, build.BadModule) as failure:
        print(f"new-op: {failure}", file=sys.stderr)
        return 1
    print(_WRITTEN.format(family=family, name=name))
    return 0


def _write(family: str, name: str) -> None:
    for path, text in list(layout.files(family, name)):
        path.parent.mkdir(parents=True, exist_ok=True)
        print(f"{'changed' if path.exists() else 'new    '} {layout.shown(path)}")
        path.write_text(text)
    subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--quiet", layout.family_file(family)], check=True
    )


def _lock() -> None:
    """Add the new crate to the lock file; use the network only if cargo does not yet have its dependencies."""
    update = [build.CARGO, "update", "--workspace", "--quiet"]
    offline = subprocess.run(
        [*update, "--offline"], cwd=build.SOURCES, env=build.environment(), capture_output=True
    )
    if offline.returncode:
        build.run(update)
    print("changed wasm_src/Cargo.toml, wasm_src/Cargo.lock")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
