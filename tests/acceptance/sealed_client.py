"""Client program for the tests of sealing, which run it in a separate process.

It reads a JSON object from stdin: names of functions below, each with its argument. It calls them and prints
a JSON object with what each returned. A function that takes a secret makes calls with it and returns what the
client learns from them.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import msgspec
from celery import chord, group

from wasmfleet.tasks import after, crypto, digest
from wasmfleet.workers.app import app
from wasmfleet.workers.errors import WasmfleetError
from wasmfleet.workers.secrecy.sealing import MARK, Seal, sealed

KEY = {"key_id": "data"}


def single(secret: bytes) -> Any:
    hidden = crypto.encrypt.delay(secret, **KEY).get(timeout=30)
    return crypto.decrypt.delay(hidden, **KEY).get(timeout=30) == secret


def hashed(secret: bytes) -> Any:
    return crypto.sha256.delay(secret).get(timeout=30) == crypto.sha256(secret)


def chained(secret: bytes) -> Any:
    steps = crypto.encrypt.s(secret, **KEY) | crypto.decrypt.s(**KEY) | after.same.s()
    return steps.apply_async().get(timeout=30) == secret


def follows_an_open_call(secret: bytes) -> Any:
    def sign() -> Any:
        return crypto.sign.si(secret, **KEY)

    by_chain = (digest.digest.s(b"x") | sign()).apply_async().get(timeout=30)
    by_link = digest.digest.apply_async((b"x",), None, None, None, sign())
    by_link.get(timeout=30)
    [child] = by_link.children
    by_group = (digest.digest.si(b"x") | group(sign(), sign())).apply_async().get(timeout=30)
    return {by_chain, child.get(timeout=30), *by_group} == {crypto.sign(secret, **KEY)}


def gathered(secret: bytes) -> Any:
    def decrypt() -> Any:
        return crypto.decrypt.si(crypto.encrypt(secret, **KEY), **KEY)

    flat = chord([decrypt(), decrypt()], after.same.s()).apply_async().get(timeout=30)
    of_chains = (
        chord([digest.digest.s(b"x") | decrypt(), decrypt()], after.same.s()).apply_async().get(timeout=30)
    )
    nested = chord([group(decrypt(), decrypt()), decrypt()], after.same.s()).apply_async().get(timeout=30)
    of_groups = chord(
        [digest.digest.si(b"x") | group(decrypt(), decrypt()), decrypt()], after.same.s()
    ).apply_async()
    assert of_groups.get(timeout=30) == [[secret] * 2, secret]
    return [flat, of_chains, nested] == [[secret] * 2, [secret] * 2, [secret] * 3]


def many(secret: bytes) -> Any:
    hidden = [item.value for item in crypto.encrypt.many([{"data": secret, **KEY}] * 3)]
    items = list(crypto.decrypt.many([{"data": data, **KEY} for data in [*hidden, b"wrong" * 9]]))
    return [item.value for item in items[:3]] == [secret] * 3 and items[
        3
    ].error.code == "AuthenticationFailed"


def quoted(secret: bytes) -> Any:
    hidden = crypto.encrypt(secret, **KEY)
    try:
        (crypto.decrypt.s(hidden, **KEY) | after.quote.s()).apply_async().get(timeout=30)
    except WasmfleetError as error:
        return [error.code, error.place]


def dies_in_a_batch(secret: bytes) -> Any:
    """Send a batch in which one item kills its process.

    The fleet then runs the batch item by item, and keeps the outcomes so far in the store.
    """
    calls = [{"data": secret}, {"data": b"die"}, {"data": secret}]
    items = list(crypto.frail.many(calls, lane="python"))
    return [item.error.code if item.error else item.value == secret for item in items]


def dies_of_it(secret: bytes) -> Any:
    """Send a sealed result, in a batch, to an operation that kills its process and is not sealed itself."""
    box = _stored(crypto.decrypt.delay(crypto.encrypt(secret, **KEY), **KEY))
    calls = [{"data": box}, {"data": None}]
    sent = app.send_task("wasmfleet.batch", ("after.die", calls), queue="wasmfleet.python.batch")
    return [answer[1] for answer in sent.get(timeout=60)]


def _stored(call: Any) -> Any:
    """Wait for a call, and return its result as it is kept in the store."""
    call.get(timeout=30)
    return app.backend.decode(app.backend.get(app.backend.get_key_for_task(call.id)))["result"]


def published(secret: bytes) -> Any:
    """Publish calls and a batch with the secret, and return the ids without waiting for results."""
    calls = [crypto.encrypt.delay(secret, **KEY), crypto.decrypt.delay(crypto.encrypt(secret, **KEY), **KEY)]
    waiting = crypto.decrypt.apply_async((crypto.encrypt(secret, **KEY),), KEY, lane="wasm")
    batch = crypto.encrypt.many([{"data": secret, **KEY}] * 2)
    return [call.id for call in (*calls, waiting)] + batch.task_ids


def decrypted(ids: list[str]) -> Any:
    return [app.AsyncResult(id).get(timeout=30).decode() for id in ids]


def changed(_: bytes) -> Any:
    """Send changed and foreign boxes to `crypto.encrypt`; return an error code or a type name for each."""
    seal = Seal("seal", "wasmfleet.crypto.encrypt")
    good = sealed([[b"data"], KEY], seal, "arguments")
    [version, key_id, operation, purpose, content] = good[MARK]
    other = sealed([[b"data"], KEY], Seal("seal", "wasmfleet.crypto.decrypt"), "arguments")
    boxes = {
        "as it was sealed": good,
        "flipped": {MARK: [version, key_id, operation, purpose, content[:-1] + bytes([content[-1] ^ 1])]},
        "cut": {MARK: [version, key_id, operation, purpose, content[:-1]]},
        "empty": {MARK: [version, key_id, operation, purpose, b""]},
        "of another operation": other,
        "renamed": {MARK: [version, key_id, operation, purpose, other[MARK][4]]},
        "a result": sealed(b"data", seal, "result"),
        "by the key itself": {MARK: [version, key_id, operation, purpose, _by_the_key_itself(seal)]},
        "of another key": {MARK: [version, "data", operation, purpose, content]},
        "of an unknown key": {MARK: [version, "nobody's", operation, purpose, content]},
        "of another version": {MARK: [2, key_id, operation, purpose, content]},
        "no box": {MARK: "box"},
        "no arguments": sealed("data", seal, "arguments"),
        "not alone": good | KEY,
    }
    found = {name: _code(_by_name((), box)) for name, box in boxes.items()}
    found["as an argument"] = _code(_by_name((good,), KEY))
    return found


def _by_the_key_itself(seal: Seal) -> bytes:
    """Forge a box with `crypto.encrypt`, which anybody can call with the seal key's name."""
    about = msgspec.msgpack.encode((1, seal.key_id, seal.operation, "arguments"))
    return crypto.encrypt(msgspec.msgpack.encode([[b"data"], KEY]), key_id="seal", associated_data=about)


def _by_name(args: Any, kwargs: Any) -> Any:
    return app.send_task("wasmfleet.crypto.encrypt", args, kwargs, queue="wasmfleet.any")


def _code(call: Any) -> str:
    try:
        return type(call.get(timeout=30)).__name__
    except WasmfleetError as error:
        return error.code


def forged(_: bytes) -> Any:
    """Store a sealed result and forged ones; return what each is read as: an error code or a type name."""
    seal = Seal("seal", "wasmfleet.crypto.encrypt")
    good = sealed(b"data", seal, "result")[MARK]
    boxes = [
        [*good[:4], good[4][:-1]],
        sealed(b"data", seal, "arguments")[MARK],
        [*good[:1], "nobody's", *good[2:]],
    ]
    return [_code(_as_stored(str(number), {MARK: box})) for number, box in enumerate([good, *boxes, None])]


def _as_stored(id: str, box: Any) -> Any:
    app.backend.store_result(id, box, "SUCCESS")
    return app.AsyncResult(id)


def refused(_: bytes) -> Any:
    """Make a call though the settings name a key that the keyring lacks; return the error's code and text."""
    try:
        return crypto.sha256.delay(b"data").id
    except WasmfleetError as error:
        return [error.code, str(error)]


def code_of(id: bytes) -> Any:
    return _code(app.AsyncResult(id.decode()))


if __name__ == "__main__":
    given: dict[str, Any] = json.load(sys.stdin)
    calls: dict[str, Callable[[Any], Any]] = {name: globals()[name] for name in given}
    found = {
        name: calls[name](value.encode() if isinstance(value, str) else value)
        for name, value in given.items()
    }
    print(json.dumps(found))
