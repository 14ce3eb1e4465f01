"""Both lanes make of TypeScript what its own compiler makes: the same tree, and programs that print the same."""

import json
import re
import subprocess
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from tests.conformance import programs
from tests.needs import need
from wasmfleet.tasks import ast
from wasmfleet.workers.errors import WasmfleetError

_SCRIPT: Final = Path(__file__).with_suffix("").with_name("typescript.js")
_PROGRAMS: Final = 500
#: The least number of programs whose trees must have been compared in each lane.
_LEAST: Final = {"wasm": 100, "python": 80}
#: What TypeScript reads otherwise than ECMAScript says: comments in HTML's form, a string that becomes a directive
#: because what stood before it is gone, the name that it gives to a class that needs one, decorators,
#: which it lowers in a way of its own, and `import = require`, which it leaves in a module.
_OTHERWISE: Final = re.compile(r"<!--|-->|'use strict'|\bclass \{|@|= require")
#: What has another form in the sandbox's code; `test_programs_print_the_same` compares it by running it.
_OTHER_FORM: Final = re.compile(r"\b(?:enum|namespace)\b")
_LEFT_OUT: Final = {"start", "end", "raw", "directive", "range", "loc", "parent", "pife"}

_RUNNABLE: Final = [
    "enum A { B, C = B + 2, E, D = 'd'.length } enum F { G = 'g', H = `h` } print(A, A[2], A.E, F)",
    "enum A { B = 1 } enum A { C = 2 } print(A)",
    "const enum A { B = 1 << 3 } print(A.B)",
    "namespace A { export const b = 1; export function c() { return b } export namespace D { export const e = b + 1 } }"
    " print(A.b, A.c(), A.D.e)",
    "namespace A.B { export const c = 1 } namespace A { export const d = 2 } print(A)",
    "class A { static b = 1 } namespace A { export const c = 2 } print(A.b, A.c)",
    "namespace A { export const {b, c: [d]} = {b: 1, c: [2]} } import E = A.b; print(A, E)",
    "class A { constructor(readonly b: number, private c = b + 1, public d?: string) {} } print(new A(1))",
    "class A { a = 1; constructor(public b = 2) { print(this) } } class C extends A { d; constructor() { super(3) } }"
    " print(new C)",
    "class A { declare b: number; c?: number; d!: number; readonly e = 1; [f: string]: any } print(Object.keys(new A))",
    "abstract class A { abstract b: number; abstract c(): void; d(): number { return 1 } }"
    " class E extends A { b = 2; c() {} } print(new E, new E().d())",
    "const f = (a: number): number => a * 2, g = <T>(a: T): T => a; print(f(g<number>(2)))",
    "function f() { return <\nT\n>(a: T) => a } print(typeof f())",
    "const f = (n: number) => n\ninterface I { a: 1 }\nprint(f(1))\ntype T = I\n;[2].forEach((a) => print(a))",
    "const tag = (parts: any, ...a: any[]) => parts.raw.join() + a; print(tag<string>`a  ${1}  b`)",
    "function f(this: any, a?: number, ...b: number[]) { return [a, b] } print(f(1, 2, 3), f.length)",
    "let a = {b: {c: 1}} as any; print(a!.b!.c as number, (a.b as any).c, a?.d!?.e)",
    "class A { static get\n b(): number { return 1 }\n *c(): any { yield 2 } } print(A.b, [...new A().c()])",
    "const a = 1\nclass B { c = a\n readonly ['d'] = 2 } print(new B)",
    "function f(a: string): string;\nfunction f(a: any) { return a }\nprint(f('x'))",
]


def _answers(requests: list[dict[str, str]]) -> list[Any]:
    node, compiler = need("typescript")
    command = [str(node), str(_SCRIPT), str(compiler)]
    given = "\n".join(map(json.dumps, requests))
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True, timeout=300)
    return [json.loads(line) for line in done.stdout.splitlines()]


def _tree(code: str) -> Any:
    """The tree of some JavaScript, without places, parentheses, empty statements and empty exports."""
    return _plain(ast.parse.wasm(code, filename="a.js", objects=True)["estree"]["body"])


def _tree_or_none(code: str) -> Any:
    try:
        return _tree(code)
    except WasmfleetError:
        return None


def _plain(node: Any) -> Any:
    if isinstance(node, list):
        return [_plain(one) for one in node if not _is_empty(one)]
    if not isinstance(node, dict):
        return node
    if node.get("type") == "ParenthesizedExpression":
        return _plain(node["expression"])
    if node.get("type") == "EmptyStatement":  # the body of a loop; TypeScript writes one for an empty block
        return {"type": "BlockStatement", "body": []}
    return {name: _plain(inner) for name, inner in node.items() if name not in _LEFT_OUT}


def _is_empty(node: Any) -> bool:
    if not isinstance(node, dict):
        return False
    parts = (node.get("declaration"), node.get("source"), node.get("specifiers"))
    return node.get("type") == "EmptyStatement" or (
        node.get("type") == "ExportNamedDeclaration" and not any(parts)
    )


def _rewritten(lane: str, source: str) -> str | None:
    try:
        return str(getattr(ast.transform, lane)(source, filename="a.ts")["code"])
    except WasmfleetError:
        return None


@pytest.mark.timeout(300)
def test_generated_programs_become_what_typescript_makes_of_them() -> None:
    made = [programs.program(Random(seed), "typescript") for seed in range(_PROGRAMS)]
    sources = [source for source in made if not _OTHERWISE.search(source)]
    compared: Counter[str] = Counter()
    for source, answer in zip(sources, _answers([{"compile": source} for source in sources]), strict=True):
        sandboxed = _rewritten("wasm", source)
        if answer["is_refused"] or sandboxed is None:
            continue
        expected = _tree_or_none(answer["code"])
        if expected is None:  # faulty, which the compiler does not say when it sees one file only
            continue
        for lane, code in (("wasm", sandboxed), ("python", _rewritten("python", source))):
            if code is not None and not (lane == "wasm" and _OTHER_FORM.search(source)):
                assert _tree(code) == expected, (lane, source, code, answer["code"])
                compared[lane] += 1

    print("compared with TypeScript's own:", dict(compared))
    assert all(compared[lane] >= least for lane, least in _LEAST.items()), compared


@pytest.mark.timeout(120)
def test_programs_print_the_same() -> None:
    expected = _answers([{"compile": source} for source in _RUNNABLE])
    made = [answer["code"] for answer in expected]
    for lane in ("wasm", "python"):
        codes = [_rewritten(lane, source) for source in _RUNNABLE]
        served = [(code, right) for code, right in zip(codes, made, strict=True) if code is not None]
        print(lane, "served", len(served), "of", len(_RUNNABLE))
        printed = _answers([{"run": code} for pair in served for code in pair])
        for at, (code, _right) in enumerate(served):
            assert printed[2 * at] == printed[2 * at + 1], (lane, code, printed[2 * at : 2 * at + 2])
        assert len(served) >= (len(_RUNNABLE) if lane == "wasm" else len(_RUNNABLE) // 3)
