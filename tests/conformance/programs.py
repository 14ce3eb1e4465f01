"""Make up programs in JavaScript, JSX and TypeScript out of the pieces at which parsers, minifiers and lanes differ."""

from random import Random
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

#: In a piece, «e» stands for an expression, «s» for a statement, «m» for a member of a class, «p» for a parameter,
#: «t» for a type, and «n» for a name that nothing else has.
_LEAVES: Final = {
    "e": ["x", "y.z", "1", "'s'", "/a  b/", "undefined"],
    "s": ["x;", "y\n", ";"],
    "m": ["a;", "b() {}", "c\n"],
    "p": ["a", "", "{b}"],
    "t": ["A", "string", "1"],
}
_JAVASCRIPT: Final = {
    "e": [
        "`a  ${«e»}  b`",
        "`a  ${x ? `  b  ${«e»}  c  ` : ''}  d`",
        "tag`  \\u{`",
        '/[/]  "/g',
        "/(?i:a)  /u",
        "(«e»)",
        "(«e», «e»)",
        "() => «e»",
        "() => /a  b/",
        "(«p») => { «s» }",
        "async («p») => await «e»",
        "«e» / «e» / «e»",
        "«e» + +«e»",
        "x - -«e»",
        "x++ + ++y",
        "«e»\n(«e»)",
        "«e»\n[«e»]",
        "«e»\n/ x / y",
        "x\u2028+ y",
        "«e» ? .5 : «e»",
        "«e» ? «e» : «e»",
        "x < !--y",
        "x<! --y",
        "x-- > y",
        "x < /«n»/",
        "«e» in «e»",
        "typeof «e»",
        "delete «e»",
        "delete (0/0)",
        "0/0",
        "function («p») { «s» }",
        "function* () { yield «e» }",
        "function* () { yield / 1  2 / }",
        "class { «m» «m» }",
        "[«e», , ...«e»]",
        "({a: «e», [«e»]: «e», ...x, get b() { return «e» }})",
        "«e»?.a?.[«e»]",
        "new X(«e»)",
        "import(«e»)",
        "1 .a",
        "1..b",
        "1. in x",
        "0x1Fn",
        "1_000",
        "«e» ?? x",
        "x ||= «e»",
        "x /* «n» */",
        "x // «n»\n",
        "x // «n»\u2028",
        "\\u0061",
        "({a:(x)} = y)",
    ],
    "s": [
        "«e»;",
        "«e»\n",
        "var «n» = «e»;",
        "let «n» = «e»\n",
        "var {«n», ...b} = «e»;",
        "if («e») «s» else «s»",
        "for (const a of «e») «s»",
        "for (var «n» = 0, c = 3; x < c; x++) { «s» }",
        "while («e») { «s» }",
        "do «s» while («e») y",
        "l«n»: for (;;) { «s» break\nx }",
        "try { «s» } catch { «s» }",
        "switch (x) { case «e»: «s» default: «s» }",
        "function «n»(«p») { «s» return\n«e» }",
        "class «n» extends X { «m» «m» }",
        "{ «s» «s» }",
        "throw «e»;",
        "x\n++\ny\n",
        "import «n», {b as b«n»} from 'x';",
        "import defer * as «n» from 'x';",
        "export default «e»;",
        "export var «n» = «e»;",
        "export * as «n» from 'x';",
        "with (x) { «s» }",
        "with ({undefined: 6}) x(undefined)\n",
        "using «n» = «e»;",
        "'use strict';",
        "<!-- «n»\n",
        "x\n--> «n»\n",
    ],
    "m": [
        "a = «e»\n",
        "static b = «e»;",
        "c(«p») { «s» }",
        "static async *d() { await «e» }",
        "[«e»]() { «s» }",
        "*['e']() {}",
        "get f() { return «e» }",
        "#«n» = «e»\n",
        "static { «s» }",
        "static accessor g = «e»;",
        "'h' = «e»\n",
        "static\n",
    ],
    "p": ["a = «e»", "{b, c: [d]}", "...a"],
}
_JSX: Final = {
    "e": [
        "<a>Terms & Conditions {«e»} &amp; it's</a>",
        '<a href="?a=1&b=2" {...x} c={«e»}/>',
        "<>{«e»}</>",
        "<a.b c:d=''>  //  /* */ </a.b>",
    ],
    "s": [],
    "m": [],
    "p": [],
}
_TYPESCRIPT: Final = {
    "e": [
        "«e» as «t»",
        "(«e» as «t»)",
        "x as «t»\n(«e»)",
        "x as A.B.C",
        "«e» satisfies «t»",
        "x!",
        "x!.y![«e»]",
        "x?.y!.z",
        "f<«t»>(«e»)",
        "f<«t»>`a`",
        "g(f<A, B>(x))",
        "x < y && z > «e»",
        "<T,>(«p») => «e»",
        "<\nT\n>(a: T) => a",
        "async <T,>(a: «t»): «t» => a",
        "(a: A, b?: «t»): «t» => «e»",
        "new X<«t»>(«e»)",
        "new X<«t»>",
        "import('x')",
    ],
    "s": [
        "interface I«n» { a: «t»; b?(): «t» }\n",
        "type T«n» = «t»\n",
        "type T«n» = «t»;",
        "type\n«n»\n",
        "declare const d«n»: «t»;",
        "declare function d«n»(): «t»\n",
        "abstract class «n»<T> extends B<T> implements C<«t»> { «m» «m» }",
        "class «n» { «m» «m» «m» }",
        "function «n»(this: «t», a?: «t»): «t» { return <\nT\n>(a: T) => a }",
        "function «n»(a: «t»): void;",
        "let «n»: «t» = «e», d«n»!: «t»;",
        "enum E«n» { A, B = 1 << 2, C = 'c' }",
        "namespace N«n» { export const a = «e» }",
        "namespace N { export const n«n» = 1 } namespace N { x(n«n») }",
        "import type {«n»} from 'x';",
        "import {type «n», b as b«n»} from 'y'; x(b«n»);",
        "import «n» from 'y'; let v«n»: «n»;",
        "export type {I as I«n»};",
        "export type * as «n» from 'x';",
        "export interface «n» {}",
        "export default interface «n» {}",
        "import «n» = require('x');",
        "export abstract class «n» {}",
        "x\ninterface I«n» {}\n(1)\n",
        "x\ntype T«n» = A\n[0]\n",
        "interface I«n» {}\n'use strict'\n",
        "for (const a of x as A[]) { «s» }",
        "@d class «n» { @e f() {} }",
    ],
    "m": [
        "a: «t»;",
        "readonly b?: «t» = «e»\n",
        "readonly [x] = «e»\n",
        "declare c: «t»\n",
        "abstract d(): «t»\n",
        "constructor(readonly e: number) { super() }",
        "constructor(f?: «t») { super() }",
        "[g: string]: any;",
        "private *h(): any {}",
        "i(): «t»\n",
        "override j = «e» as «t»\n",
        "static k!: «t»;",
        "l?(a: «t»): «t» { «s» }",
    ],
    "p": ["a: «t»", "a?: «t»", "...a: «t»[]", "{b}: «t» = «e»"],
    "t": [
        "A.B<«t»>",
        "«t»[]",
        "[«t», b?: «t»]",
        "{ a: «t»; b?(): «t» }",
        "{\n a: «t»\n [b: string]: any\n}",
        "«t» | «t»",
        "(a: «t») => «t»",
        "keyof A",
        "typeof x",
        "(«t» extends «t» ? «t» : «t»)",
        "import('x').Y",
        "typeof import('x')",
        "`a${«t»}`",
        "A['b']",
        "{ [K in A]?: «t» }",
        "unique symbol",
    ],
}
_DIALECTS: Final = {"javascript": [], "jsx": [_JSX], "typescript": [_TYPESCRIPT], "tsx": [_JSX, _TYPESCRIPT]}
_SUFFIXES: Final = {"javascript": ".mjs", "jsx": ".jsx", "typescript": ".ts", "tsx": ".tsx"}
_DEEPEST: Final = 4


def program(random: Random, language: str) -> str:
    """Make up a program of one to four statements."""
    pieces = {kind: list(leaves) for kind, leaves in _LEAVES.items()}
    for dialect in (_JAVASCRIPT, *_DIALECTS[language]):
        for kind, more in dialect.items():
            pieces[kind] += more
    return _Writer(random, pieces).program()


class _Writer:
    def __init__(self, random: Random, pieces: dict[str, list[str]]) -> None:
        self._random, self._pieces, self._names = random, pieces, 0

    def program(self) -> str:
        return "".join(
            self._piece("s", 0) + self._random.choice(["\n", " ", ""]) for _ in range(self._size())
        )

    def _size(self) -> int:
        return self._random.randint(1, 4)

    def _piece(self, kind: str, depth: int) -> str:
        if kind == "n":
            self._names += 1
            return f"n{self._names}"
        choices = _LEAVES[kind] if depth > _DEEPEST else self._pieces[kind]
        first, *rest = self._random.choice(choices).split("«")
        return first + "".join(self._piece(part[0], depth + 1) + part[2:] for part in rest)


def programs() -> SearchStrategy[dict[str, str]]:
    """Draw the arguments `source` and `filename` of an operation on programs."""
    return st.builds(_named, st.randoms(use_true_random=False), st.sampled_from(sorted(_SUFFIXES)))


def _named(random: Random, language: str) -> dict[str, str]:
    return {"source": program(random, language), "filename": "a" + _SUFFIXES[language]}
