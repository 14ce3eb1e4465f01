"""The tools that tests need besides Python: each with its Debian packages and what it tests.

tools.py               tell what is missing
tools.py --install     install what is missing (root, or sudo)
tools.py --need NAME   fail in one line when this one is missing
"""

import argparse
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MEND: Final = "make tools"


@dataclass(frozen=True)
class Tool:
    """A tool of the machine that some tests cannot do without."""

    name: str
    #: The Debian packages that install it.
    packages: tuple[str, ...]
    #: Commands, or patterns of absolute paths, all needed. Of names joined by | one is enough.
    parts: tuple[str, ...]
    #: What is tested with it.
    tests: str

    def found(self) -> list[Path]:
        """Return the place of each part in order; the list is empty when one of them is missing."""
        places = [_place(part) for part in self.parts]
        return [place for place in places if place] if all(places) else []


def _place(part: str) -> Path | None:
    for choice in part.split("|"):
        if choice.startswith("/"):
            place = next(iter(sorted(Path("/").glob(choice[1:]))), None)
        else:
            place = Path(which) if (which := shutil.which(choice)) else None
        if place:
            return place
    return None


TOOLS: Final = [
    Tool(
        "chromium",
        ("chromium",),
        ("chromium|chromium-browser|google-chrome",),
        "what a person sees in Flower",
    ),
    Tool("systemd-analyze", ("systemd",), ("systemd-analyze",), "the units in deploy/systemd"),
    Tool("setpriv", ("util-linux",), ("setpriv",), "a data folder in which even root cannot write"),
    Tool(
        "unshare",
        ("util-linux", "mount"),
        ("unshare", "prlimit", "mount"),
        "small address spaces, a read-only root, no /proc",
    ),
    Tool(
        "rust",
        ("rustc-web", "cargo-web", "rust-web-src", "lld-19"),
        ("/usr/bin/cargo", "/usr/bin/rustc", "wasm-ld-19", "/usr/lib/rustlib/src/rust/library/std"),
        "the modules' bytes (make wasm), a module of one's own in Rust",
    ),
    Tool("clang", ("clang", "lld"), ("clang", "wasm-ld"), "a module of one's own in C"),
    Tool("npm", ("npm",), ("npm", "node"), "a module of one's own in AssemblyScript"),
    Tool("node", ("nodejs",), ("node",), "a client in JavaScript, from docs/wire.md"),
    Tool(
        "cargo",
        ("rustc-web", "cargo-web", "rustfmt-web", "rust-web-clippy"),
        ("cargo", "cargo-fmt", "cargo-clippy"),
        "the modules' sources (make check)",
    ),
    Tool(
        "typescript",
        ("nodejs", "node-typescript"),
        ("node|nodejs", "/usr/share/nodejs/typescript/lib/typescript.js"),
        "that TypeScript becomes the JavaScript that its own compiler makes of it",
    ),
    Tool(
        "strace",
        ("strace",),
        ("strace",),
        "that a message is on disk before its sender hears so (make chaos)",
    ),
    Tool(
        "libfaketime",
        ("libfaketime",),
        ("/usr/lib/*/faketime/libfaketimeMT.so.1",),
        "clocks that jump (make chaos)",
    ),
    Tool(
        "rabbitmq-server",
        ("rabbitmq-server",),
        ("/usr/lib/rabbitmq/bin/rabbitmq-server", "epmd"),
        "RabbitMQ as the broker (make chaos)",
    ),
]


def tool(name: str) -> Tool:
    """Return the tool of this name."""
    return next(tool for tool in TOOLS if tool.name == name)


def missing() -> list[Tool]:
    """Return the tools that this machine lacks."""
    return [tool for tool in TOOLS if not tool.found()]


def told(tool: Tool) -> str:
    """Say in one line that a tool is missing, what is not tested without it, and what installs it."""
    return f"{tool.name} is missing, which tests {tool.tests}; `{MEND}` installs it"


def install() -> None:
    """Install the Debian packages of what is missing."""
    packages = sorted({package for tool in missing() for package in tool.packages})
    if not packages:
        print("every tool is there")
        return
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    apt = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet=2"]
    print(f"installing {' '.join(packages)}", flush=True)
    subprocess.run([*apt, "update"], check=True)
    wanted = ["install", "--yes", "--no-install-recommends", *packages]
    subprocess.run([*apt, *wanted], check=True, stdout=subprocess.DEVNULL)
    if left := missing():
        sys.exit("still missing: " + ", ".join(tool.name for tool in left))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--install", action="store_true", help="install what is missing")
    parser.add_argument("--need", metavar="NAME", help="fail when this one is missing")
    asked = parser.parse_args()
    if asked.install:
        install()
    elif asked.need:
        if not tool(asked.need).found():
            sys.exit(told(tool(asked.need)))
    else:
        print("\n".join(map(told, missing())) or "every tool is there")


if __name__ == "__main__":
    main()
