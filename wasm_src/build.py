#!/usr/bin/env python3
"""Build the modules of this workspace into ../wasm_bin, the same bytes on every machine.

build.py                 build all modules, or the ones named, and write wasm_bin/manifest.json
build.py --check         build, and fail if wasm_bin differs from what its sources give
build.py --install       first install the toolchain (Debian packages, needs root)
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from inspect_wasm import BadModule, operations
from workspace import SOURCES, modules, sources_sha256

ABI = 1
TARGET = "wasm32-unknown-unknown"
PACKAGES = ["rustc-web", "cargo-web", "rust-web-src", "lld-19"]
CARGO, RUSTC, LINKER = "/usr/bin/cargo", "/usr/bin/rustc", "wasm-ld-19"
BINARIES = SOURCES.parent / "wasm_bin"
# A panic's place in the source is left out: nobody can read it, because the host sees only a trap.
EXTRA_FLAGS = ["-Ccodegen-units=1", "-Zlocation-detail=none"]


class BuildFailed(Exception):
    """A failure that the user is told in one line, without a traceback."""


def main() -> int:
    options = parse_options()
    try:
        if options.install:
            install_toolchain()
        check_toolchain()
        names = chosen_modules(options.modules)
        with tempfile.TemporaryDirectory() as folder:
            built = {name: build(name, Path(folder)) for name in names}
            return check(built) if options.check else publish(built)
    except (BuildFailed, BadModule) as failure:
        print(f"wasm_src/build.py: {failure}", file=sys.stderr)
        return 1


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modules", nargs="*", help="only these modules")
    parser.add_argument("--check", action="store_true", help="compare with wasm_bin instead of writing it")
    parser.add_argument("--install", action="store_true", help="install the Debian packages first")
    return parser.parse_args()


# The toolchain


def install_toolchain() -> None:
    for command in (
        ["apt-get", "update"],
        ["apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES],
    ):
        run(command)


def check_toolchain() -> None:
    missing = [tool for tool in (CARGO, RUSTC, LINKER) if shutil.which(tool) is None]
    if not missing and not (rust_source() / "library/std").is_dir():
        missing = ["the standard library's sources"]
    if missing:
        wanted = " ".join(PACKAGES)
        raise BuildFailed(
            f"missing: {', '.join(missing)}. Install Debian's packages: apt-get install {wanted} (or use --install)"
        )


def rust_source() -> Path:
    return Path(output([RUSTC, "--print", "sysroot"])) / "lib/rustlib/src/rust"


# Building


def chosen_modules(wanted: list[str]) -> list[str]:
    known = modules()
    if unknown := sorted(set(wanted) - set(known)):
        raise BuildFailed(f"no module is named {', '.join(unknown)}; there are {', '.join(known)}")
    return wanted or known


def build(name: str, folder: Path) -> Path:
    """Build one module into the given folder and return the path of its binary.

    Cargo's own output folder is shared with other checkouts, whose builds may overwrite the binary there. Each module
    has its own run of cargo: in one run, the features that two modules ask of a dependency would add up. The module is
    named by its path, because a dependency may have the same name.
    """
    run(
        [
            *(CARGO, "--config", f"target.{TARGET}.rustflags={json.dumps(flags())}"),
            *("-Zbuild-std=std,panic_abort", "-Zunstable-options"),
            *("build", "--release", "--locked", "--target", TARGET),
            *("--manifest-path", str(SOURCES / name / "Cargo.toml")),
            *("--artifact-dir", str(folder)),
        ]
    )
    binary = folder / f"{name}.wasm"
    operations(binary)
    return binary


def flags() -> list[str]:
    """Return rustc's flags, which keep every path of this machine out of the binary.

    If several prefixes match, rustc takes the last one. The checkout's own path is not among them: cargo names the
    workspace's files relative to the workspace, and flags that differ from checkout to checkout would make each of them
    compile every dependency anew.
    """
    source = rust_source()
    prefixes = {cargo_home(): "/cargo", target_folder(): "/target"}
    prefixes |= {source: "/rust", source.resolve(): "/rust"}
    prefixes |= dict.fromkeys(registries(), "/crates")
    return [*EXTRA_FLAGS, *(f"--remap-path-prefix={path}={name}" for path, name in prefixes.items())]


def registries() -> list[Path]:
    """Fetch the dependencies and return the folders where cargo unpacked them, each named after its registry."""
    run([CARGO, "fetch", "--locked", "--quiet", "--target", TARGET])
    return sorted((cargo_home() / "registry/src").glob("*/"))


def cargo_home() -> Path:
    return Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo").resolve()


def target_folder() -> Path:
    """Return cargo's output folder, which is outside the checkout so that a build leaves no files in it."""
    chosen = os.environ.get("CARGO_TARGET_DIR") or os.environ.get("WASM_BUILD_CACHE")
    return Path(chosen or Path.home() / ".cache/wasmfleet-build").resolve()


def environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.endswith("RUSTFLAGS")}
    return kept | {
        "CARGO_TARGET_DIR": str(target_folder()),
        "CARGO_INCREMENTAL": "0",
        "RUSTC": RUSTC,
        "RUSTC_BOOTSTRAP": "1",
    }


# What comes out


def publish(built: dict[str, Path]) -> int:
    BINARIES.mkdir(exist_ok=True)
    manifest = {"abi": ABI, "toolchain": toolchain(), "modules": recorded()}
    for name, binary in built.items():
        replace(BINARIES / f"{name}.wasm", binary.read_bytes())
        manifest["modules"][name] = entry = describe(name, binary)
        print(f"{name}: {entry['size']:,} bytes, {entry['sha256'][:16]}, {', '.join(entry['operations'])}")
    manifest["modules"] = dict(sorted(manifest["modules"].items()))
    replace(BINARIES / "manifest.json", (json.dumps(manifest, indent=2) + "\n").encode())
    return 0


def replace(path: Path, data: bytes) -> None:
    """Replace a file at once: a process that reads it meanwhile sees the old or the new one, never a part."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(data)
    partial.replace(path)


def check(built: dict[str, Path]) -> int:
    differing = [name for name, binary in built.items() if not is_current(name, binary)]
    for name in differing:
        print(f"{name}: wasm_bin/{name}.wasm is not what its sources give; run wasm_src/build.py {name}")
    if not differing:
        print(f"wasm_bin is what the sources give: {', '.join(built)}")
    return 1 if differing else 0


def is_current(name: str, binary: Path) -> bool:
    kept = BINARIES / f"{name}.wasm"
    same_bytes = kept.is_file() and kept.read_bytes() == binary.read_bytes()
    return same_bytes and recorded().get(name) == describe(name, binary)


def recorded() -> dict[str, dict]:
    path = BINARIES / "manifest.json"
    return json.loads(path.read_text())["modules"] if path.is_file() else {}


def describe(name: str, binary: Path) -> dict:
    data = binary.read_bytes()
    return {
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
        "sources_sha256": sources_sha256(name),
        "operations": operations(binary),
    }


def toolchain() -> str:
    return output([RUSTC, "--version"])


def run(command: list[str]) -> None:
    if subprocess.run(command, cwd=SOURCES, env=environment()).returncode:
        raise BuildFailed(f"{Path(command[0]).name} failed")


def output(command: list[str]) -> str:
    return subprocess.run(command, cwd=SOURCES, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
