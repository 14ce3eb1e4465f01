"""Messages that cost memory: small ones that decode to millions of objects, and very large ones."""

import base64
import uuid
from collections.abc import Callable
from typing import Any

import msgpack
from kombu.compression import compress

_MILLIONS = 4_500_000  # more than WASMFLEET_MAX_VALUES
NAP, _BATCH = "wasmfleet.chaos.nap", "wasmfleet.batch"
_JSON = "application/json"


def message(
    body: bytes,
    *,
    task: str = NAP,
    kind: str = "application/x-msgpack",
    compression: str = "",
    headers: dict[str, Any] | None = None,
) -> dict[str, Any]:
    given = {"task": task, "id": str(uuid.uuid4())} | (headers or {})
    if compression:
        body, given["compression"] = compress(body, compression)
    return {
        "body": base64.b64encode(body).decode(),
        "content-type": kind,
        "content-encoding": "binary",
        "headers": given,
        "properties": {
            "delivery_tag": str(uuid.uuid4()),
            "body_encoding": "base64",
            "delivery_info": {"routing_key": "wasmfleet.python"},
        },
    }


def _maps() -> bytes:
    return b"\xdd" + _MILLIONS.to_bytes(4, "big") + b"\x80" * _MILLIONS


def _maps_in_json() -> bytes:
    return b"[" + b"{}," * _MILLIONS + b"{}]"


def _embed() -> bytes:
    others = b"".join(msgpack.packb(name) + b"\xc0" for name in ("errbacks", "chain", "chord"))
    return b"\x84" + msgpack.packb("callbacks") + _maps() + others


def _batch(calls: bytes) -> bytes:
    return b"\x93\x92" + msgpack.packb("chaos.nap") + calls + b"\x80\x80"


#: By name, a function that makes each message; they are made one at a time because of their size.
BOMBS: dict[str, Callable[[], dict[str, Any]]] = {
    "maps in the arguments": lambda: message(b"\x93\x91" + _maps() + b"\x80\x80"),
    "the same in 15 kB": lambda: message(b"\x93\x91" + _maps() + b"\x80\x80", compression="gzip"),
    "maps by name": lambda: message(b"\x93\x90\x81\xa7seconds" + _maps() + b"\x80"),
    "maps by name, lzma": lambda: message(b"\x93\x90\x81\xa7seconds" + _maps() + b"\x80", compression="lzma"),
    "maps in what follows": lambda: message(b"\x93\x90\x80" + _embed()),
    "maps in what follows, brotli": lambda: message(b"\x93\x90\x80" + _embed(), compression="brotli"),
    "maps in JSON": lambda: message(b"[" + _maps_in_json() + b",{},{}]", kind=_JSON),
    "maps in JSON, bzip2": lambda: message(
        b"[" + _maps_in_json() + b",{},{}]", kind=_JSON, compression="bzip2"
    ),
    "calls of a batch": lambda: message(_batch(_maps()), task=_BATCH),
    "calls of a batch in JSON": lambda: message(
        b'[["chaos.nap",' + _maps_in_json() + b"],{},{}]", task=_BATCH, kind=_JSON
    ),
    "depth": lambda: message(b"\x93\x91" + b"\x91" * _MILLIONS + b"\xc0\x80\x80"),
    "depth in JSON": lambda: message(b"[" + b"[" * 10**5 + b"]" * 10**5 + b",{},{}]", kind=_JSON),
    "a gigabyte in a megabyte": lambda: message(bytes(1 << 30), compression="gzip"),
    "32 MiB of text": lambda: message(b"\x93\x91" + msgpack.packb("x" * (32 << 20)) + b"\x80\x80"),
    "40 MiB that are no base64": lambda: message(b"") | {"body": "A" * (40 << 20) + "!"},
    "maps in the headers": lambda: message(b"\x93\x90\x80\x80", headers={"x": [{}] * 2_000_000}),
    "maps in the properties": lambda: message(b"") | {"properties": {"x": [{}] * 2_000_000}},
    "100 MiB": lambda: message(bytes(75 << 20)),
}
