"""A real script as input for the benchmarks, and Node's tools to compare with where npm can install them."""

import json
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from bench.harness import Contender

_PACKAGES = ["lodash", "acorn", "terser"]
_SERVER = """
const fs = require('fs'), acorn = require('acorn'), {minify_sync} = require('terser');
const source = fs.readFileSync(process.argv[2], 'utf8');
const jobs = {parse: () => acorn.parse(source, {ecmaVersion: 'latest'}), minify: () => minify_sync(source).code};
require('readline').createInterface({input: process.stdin}).on('line', name => { jobs[name](); console.log('done'); });
"""


@dataclass(frozen=True, slots=True)
class Source:
    """A script, and a running Node process with its tools loaded, or the reason why there is none."""

    name: str
    text: str
    without_node: str
    _node: "subprocess.Popen[str] | None"

    def node(self, job: str) -> list[Contender]:
        """Call a tool in the running Node process; the time for the pipe is included."""
        tool = {"parse": "Node: acorn", "minify": "Node: terser"}[job]
        return [Contender(tool, "node", lambda: self._ask(job))] if self._node else []

    def _ask(self, job: str) -> None:
        assert self._node
        assert self._node.stdin
        assert self._node.stdout
        self._node.stdin.write(job + "\n")
        self._node.stdin.flush()
        self._node.stdout.readline()

    def close(self) -> None:
        if self._node:
            self._node.communicate()


def prepare(folder: Path) -> Source:
    """Install lodash.js and Node's tools with npm; without npm, use this environment's largest script and no Node."""
    try:
        _install(folder)
    except (OSError, subprocess.CalledProcessError) as error:
        path = max(_installed_scripts(), key=lambda path: path.stat().st_size)
        return Source(
            path.name, path.read_text(), f"npm cannot install {', '.join(_PACKAGES)}: {error}", None
        )
    script = folder / "node_modules" / "lodash" / "lodash.js"
    (folder / "server.js").write_text(_SERVER)
    node = subprocess.Popen(
        ["node", "server.js", str(script)],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    return Source("lodash.js", script.read_text(), "", node)


def _install(folder: Path) -> None:
    for tool in ("npm", "node"):
        if not shutil.which(tool):
            raise FileNotFoundError(f"there is no {tool}")
    (folder / "package.json").write_text(json.dumps({"private": True}))
    subprocess.run(["npm", "install", "--silent", *_PACKAGES], cwd=folder, check=True, capture_output=True)


def _installed_scripts() -> list[Path]:
    return list(Path(sysconfig.get_paths()["purelib"]).glob("**/*.js"))
