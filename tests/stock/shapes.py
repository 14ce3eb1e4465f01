"""Every shape of a workflow that Celery's documentation of the canvas shows, with what each must come to.

It is run as a program, in a folder of its own: `shapes.py MIX` publishes all of them and prints, as JSON, what came and
what was to come. It imports Celery alone where MIX says `stock`, and this package where it says `package`.
"""

import hashlib
import json
import os
import sys
import time

from celery import Celery, chain, chord, group
from celery.canvas import StampingVisitor
from celery.result import GroupResult

LONG_S = float(os.environ.get("SHAPES_S", "60"))


class Makers:
    """Make the nodes of a workflow: hash a text, join texts, fail. `whose` names who serves the nodes, one after the
    other: `ours` or `theirs`."""

    def __init__(self, ours, theirs, whose):
        self._makers, self._whose, self._made = {"ours": ours, "theirs": theirs}, whose, 0

    def _next(self, name, *args, **options):
        self._made += 1
        return self._makers[self._whose[self._made % len(self._whose)]](name, *args, **options)

    def hashed(self, *args, **options):
        return self._next("hashed", *args, **options)

    def joined(self, *args):
        return self._next("joined", *args)

    def failing(self):
        return self._next("failing")


def h(text):
    return hashlib.sha256(text.encode()).hexdigest()


def j(*parts):
    return "|".join(parts)


class Marked(StampingVisitor):
    def on_signature(self, sig, **headers):
        return {"mark": "seen", "stamped_headers": ["mark"]}


def shapes(make):
    """Yield each shape: its name, the workflow, and its value."""
    H, J = make.hashed, make.joined
    yield "one call", H("a"), h("a")
    yield "chain", chain(H("a"), H(), H()), h(h(h("a")))
    yield "chain by pipes", H("a") | H() | H(), h(h(h("a")))
    yield "chain of chains", chain(H("a") | H(), H() | H()), h(h(h(h("a"))))
    yield "chain with an immutable call", H("a") | H("b", immutable=True) | H(), h(h("b"))
    yield "chain taken apart", chain(*chain(H("a"), H(), H()).unchain_tasks()), h(h(h("a")))
    yield "clone and set", H().clone(args=("a",)).set(priority=3) | H().set(countdown=0.1), h(h("a"))
    yield "group", group(H("a"), H("b")), [h("a"), h("b")]
    yield "group of a generator", group(H(one) for one in "abc"), [h("a"), h("b"), h("c")]
    yield "group of groups", group(H("a"), group(H("b"), H("c"))), [h("a"), h("b"), h("c")]
    yield "group of chains", group(H("a") | H(), H("b") | H()), [h(h("a")), h(h("b"))]
    yield "group that is skewed", group(H("a"), H("b")).skew(start=0.1, stop=0.2, step=0.1), [h("a"), h("b")]
    yield "empty group in a chain", H("a") | group() | H("b", immutable=True), h("b")
    yield "chord", chord([H("a"), H("b")], J()), j(h("a"), h("b"))
    yield "chord of a generator", chord((H(one) for one in "ab"), J()), j(h("a"), h("b"))
    yield "chord of one", chord([H("a")], J()), j(h("a"))
    yield "chord of many", chord([H(str(n)) for n in range(60)], J()), j(*(h(str(n)) for n in range(60)))
    yield "chord with an immutable body", chord([H("a"), H("b")], H("c", immutable=True)), h("c")
    yield "chord with a chain as its body", chord([H("a"), H("b")], J() | H()), h(j(h("a"), h("b")))
    yield "chord with a group as its body", chord([H("a"), H("b")], group(J(), J())), [j(h("a"), h("b"))] * 2
    inner = chord([H("a"), H("b")], J())
    yield (
        "chord with a chord in its body",
        chord([H("a"), H("b")], J() | group(H(), H()) | J()),
        j(*[h(j(h("a"), h("b")))] * 2),
    )
    yield (
        "chord of chords",
        chord([inner, chord([H("c"), H("d")], J())], J()),
        j(j(h("a"), h("b")), j(h("c"), h("d"))),
    )
    yield "chord of chains", chord([H("a") | H(), H("b") | H()], J()), j(h(h("a")), h(h("b")))
    yield "chord in a group", group(chord([H("a"), H("b")], J()), H("c")), [j(h("a"), h("b")), h("c")]
    yield "group | task", group(H("a"), H("b")) | J(), j(h("a"), h("b"))
    yield "task | group", H("a") | group(H(), H()), [h(h("a"))] * 2
    yield "task | group | task", H("a") | group(H(), H()) | J(), j(h(h("a")), h(h("a")))
    yield "group | group", group(H("a"), H("b")) | group(J(), J()), [j(h("a"), h("b"))] * 2
    once = j(h("a"), h("b"))
    yield "group | group | task", group(H("a"), H("b")) | group(J(), J()) | J(), j(once, once)
    yield "group | group | task | task", group(H("a"), H("b")) | group(J(), J()) | J() | H(), h(j(once, once))
    yield (
        "task | group | group | task",
        H("a") | group(H(), H()) | group(J(), J()) | J(),
        j(*[j(h(h("a")), h(h("a")))] * 2),
    )
    yield "task | chord | task", H("a") | chord([H(), H()], J()) | H(), h(j(h(h("a")), h(h("a"))))
    yield "chord | task", chord([H("a"), H("b")], J()) | H(), h(once)
    yield "chord | group", chord([H("a"), H("b")], J()) | group(H(), H()), [h(once)] * 2
    yield "chain into a group of chains", H("a") | group(H() | H(), H() | H()) | J(), j(*[h(h(h("a")))] * 2)
    yield (
        "group of a chain into a group",
        group(H("a") | group(H(), H()) | J(), H("b")) | J(),
        j(j(h(h("a")), h(h("a"))), h("b")),
    )
    yield (
        "deep",
        chain(H("a"), group(chord([H(), H()], J()), H()), J(), group(H(), H()), J()),
        j(*[h(j(j(h(h("a")), h(h("a"))), h(h("a"))))] * 2),
    )
    stamped = chain(H("a"), group(H(), H()), J())
    stamped.stamp(Marked())
    yield "stamped", stamped, j(h(h("a")), h(h("a")))
    stamped_by_name = H("a") | H()
    stamped_by_name.stamp(mark="seen")
    yield "stamped by a keyword", stamped_by_name, h(h("a"))


def applied(make):
    """Yield each shape that is given something when it is sent: its name, how it is sent, its value."""
    H, J = make.hashed, make.joined
    yield "partial chain", lambda: (H() | H()).apply_async(("a",)), h(h("a"))
    yield "partial group", lambda: group(H(), H()).apply_async(("a",)), [h("a")] * 2
    yield "partial chord", lambda: (group(H(), H()) | J()).apply_async(("a",)), j(h("a"), h("a"))
    yield "chord called with its body", lambda: chord([H("a"), H("b")])(J()), j(h("a"), h("b"))
    yield "countdown", lambda: (H("a") | H()).apply_async(countdown=0.2), h(h("a"))
    yield "expires", lambda: H("a").apply_async(expires=600), h("a")
    yield "priority", lambda: group(H("a"), H("b")).apply_async(priority=6), [h("a"), h("b")]
    yield "chain that was called", lambda: chain(H("a"), H())(), h(h("a"))


def linked(make):
    """Yield each way to have a call follow a call: its name, how it is sent, and the values of what follows."""
    H = make.hashed
    yield "link", lambda: H("a").apply_async(link=H()), [h(h("a"))]
    yield "links", lambda: H("a").apply_async(link=[H(), H("b", immutable=True)]), [[h(h("a")), h("b")]]
    yield "link=group", lambda: H("a").apply_async(link=group(H(), H())), [[h(h("a"))] * 2]
    yield "link=chain", lambda: H("a").apply_async(link=H() | H()), [h(h("a"))]  # the first of the chain
    yield "link=chord", lambda: H("a").apply_async(link=chord([H(), H()], make.joined())), [[h(h("a"))] * 2]
    yield "signature.link", lambda: _with(H("a"), "link", H()).apply_async(), [h(h("a"))]


def failing(make, note):
    """Yield each way to hear of a failure: its name, and how it is sent; `note` makes the call that hears of it."""
    H, J, X = make.hashed, make.joined, make.failing
    yield "link_error", lambda: X().apply_async(link_error=note("link_error"))
    yield "on_error of a call", lambda: X().on_error(note("on_error of a call")).apply_async()
    yield "on_error of a chain", lambda: (X() | H()).on_error(note("on_error of a chain")).apply_async()
    yield (
        "failure within a chain",
        lambda: (H("a") | X() | H()).on_error(note("failure within a chain")).apply_async(),
    )
    yield (
        "on_error of a chord",
        lambda: chord([X(), H("a")], J().on_error(note("on_error of a chord"))).apply_async(),
    )
    yield "link_error=group", lambda: X().apply_async(link_error=group(note("link_error=group")))


def _with(signature, method, *args):
    getattr(signature, method)(*args)
    return signature


def value_of(result):
    """Wait for a value. Celery reads a group of two apps' tasks with `join` alone, as its documentation says."""
    read = result.join if isinstance(result, GroupResult) else result.get
    return read(timeout=LONG_S)


def came_to(read):
    """Return what a result came to, or the error that was raised instead."""
    try:
        return read()
    except Exception as error:  # noqa: BLE001 - the test looks at it
        return f"{type(error).__name__}: {error}"


def values_of(followers):
    return [value_of(follower) for follower in followers]


def children_of(result):
    """Wait for a call, and return what was sent to follow it."""
    result.get(timeout=LONG_S)
    deadline = time.monotonic() + LONG_S
    while not result.children and time.monotonic() < deadline:
        time.sleep(0.05)
    return result.children


def ended(result):
    deadline = time.monotonic() + LONG_S
    while not result.ready() and time.monotonic() < deadline:
        time.sleep(0.05)


def published(cases):
    """Publish all cases at once. One that cannot be published becomes the error."""
    return [(name, came_to(send), *wanted) for name, send, *wanted in cases]


def main(client, whose):
    made = Makers(*MAKERS[client](), whose.split(","))
    theirs = made._makers["theirs"]
    whole = published((name, one.apply_async, value) for name, one, value in shapes(made))
    given, follow = published(applied(made)), published(linked(made))
    wrong = published(failing(made, lambda name: theirs("note", name)))
    told = {name: [came_to(lambda sent=sent: value_of(sent)), value] for name, sent, value in whole + given}
    for name, sent, value in follow:
        told[name] = [came_to(lambda sent=sent: values_of(children_of(sent))), value]
    for _, sent in wrong:
        came_to(lambda sent=sent: ended(sent))
    print(json.dumps({"came": told, "wrong": {name: str(sent) for name, sent in wrong}}))


def by_name(client):
    def ours(name, *args, immutable=False):
        operation, kwargs = {
            "hashed": ("wasmfleet.text.hash", {"algorithm": "sha256"}),
            "joined": ("wasmfleet.chaos.joined", {}),
            "failing": ("wasmfleet.compression.decompress", {"data": b"junk"}),
        }[name]
        return client.signature(
            operation, args=args, kwargs=kwargs, queue="wasmfleet.any", immutable=immutable
        )

    def theirs(name, *args, immutable=False):
        return client.signature(f"stock_app.{name}", args=args, queue="stock", immutable=immutable)

    return ours, theirs


def stock():
    """A client that knows names only."""
    return by_name(Celery(broker=os.environ["STOCK_BROKER"], backend=os.environ["STOCK_BACKEND"]))


def package():
    """A client with this package, which knows the tasks of the other app by name."""
    from wasmfleet.tasks import compression, text
    from wasmfleet.workers.app import app
    from wasmfleet.workers.calls.catalogue import find

    operations = {
        "hashed": (text.hash, {"algorithm": "sha256"}),
        "joined": (find("chaos.joined"), {}),
        "failing": (compression.decompress, {"data": b"junk"}),
    }

    def ours(name, *args, immutable=False):
        operation, kwargs = operations[name]
        # A worker of another app may send it on, and knows no queue of ours.
        return operation.signature(args=args, kwargs=kwargs, immutable=immutable).set(queue="wasmfleet.any")

    return ours, by_name(app)[1]


def both():
    """The other app itself, whose program imports this package as well."""
    import stock_app

    ours, _ = package()

    def theirs(name, *args, immutable=False):
        return getattr(stock_app, name).signature(args=args, immutable=immutable).set(queue="stock")

    return ours, theirs


MAKERS = {"stock": stock, "package": package, "both": both}

if __name__ == "__main__":
    main(*sys.argv[1:])
