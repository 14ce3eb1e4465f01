"""The jobs that are measured: for each operation the sandbox, the twin, and the best native library."""

import hashlib
import hmac
import os
import random
import statistics
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import blake3
import brotli
import esprima
import lz4.frame
import tree_sitter
import tree_sitter_javascript
import xxhash
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from bench.harness import Contender
from bench.javascript import Source
from wasmfleet.tasks import ast, compression, crypto, digest, metrics

KEY, NONCE = bytes(32), bytes(12)


@dataclass(frozen=True, slots=True)
class Job:
    """One operation on one input, and all contenders that do it."""

    operation: str
    input: str
    size_bytes: int
    contenders: list[Contender]


def jobs(source: Source) -> Iterator[Job]:
    for size in (1_000, 100_000, 1_000_000):
        yield from _digests(size)
        yield from _ciphers(size)
    for size in (10_000, 544_000):
        yield from _codecs(source.text.encode()[:size])
    yield _metrics(10_000)
    yield from _scripts(source)


def _pair(operation: Any, **arguments: Any) -> list[Contender]:
    return [
        Contender("op.wasm", "sandbox", lambda: operation.wasm(**arguments)),
        Contender("op.python", "twin", lambda: operation.python(**arguments)),
    ]


def _digests(size: int) -> Iterator[Job]:
    data = os.urandom(size)
    natives = {
        "sha256": ("hashlib", lambda: hashlib.sha256(data).hexdigest()),
        "md5": ("hashlib", lambda: hashlib.md5(data).hexdigest()),
        "blake3": ("blake3", lambda: blake3.blake3(data).hexdigest()),
        "crc32": ("zlib", lambda: zlib.crc32(data)),
        "xxh3_64": ("xxhash", lambda: xxhash.xxh3_64_hexdigest(data)),
    }
    for algorithm, (name, run) in natives.items():
        ours = _pair(digest.digest, data=data, algorithm=algorithm)
        yield Job("digest.digest", algorithm, size, [*ours, Contender(name, "native", run)])


def _ciphers(size: int) -> Iterator[Job]:
    data = os.urandom(size)
    for algorithm, native in (("aes-256-gcm", AESGCM(KEY)), ("chacha20-poly1305", ChaCha20Poly1305(KEY))):
        ours = _pair(crypto.encrypt, data=data, key_id="bench", algorithm=algorithm)
        peer = Contender("cryptography", "native", lambda native=native: native.encrypt(NONCE, data, b""))
        yield Job("crypto.encrypt", algorithm, size, [*ours, peer])
    peer = Contender("hmac", "native", lambda: hmac.digest(KEY, data, "sha256"))
    yield Job("crypto.sign", "HMAC-SHA256", size, [*_pair(crypto.sign, data=data, key_id="bench"), peer])


def _codecs(data: bytes) -> Iterator[Job]:
    natives = {
        "gzip": (lambda: zlib.compress(data, 6, 31), lambda small: zlib.decompress(small, 31)),
        "brotli": (lambda: brotli.compress(data, quality=5), brotli.decompress),
        "lz4": (lambda: lz4.frame.compress(data), lz4.frame.decompress),
    }
    for codec, (compress, decompress) in natives.items():
        small = compress()
        ours = _pair(compression.compress, data=data, codec=codec)
        yield Job("compression.compress", codec, len(data), [*ours, Contender(codec, "native", compress)])
        ours = _pair(compression.decompress, data=small, codec=codec)
        peer = Contender(codec, "native", lambda undo=decompress, small=small: undo(small))
        yield Job("compression.decompress", codec, len(data), [*ours, peer])


def _metrics(count: int) -> Job:
    samples = [random.expovariate(1) for _ in range(count)]

    def native() -> tuple[float, float, list[float]]:
        return statistics.fmean(samples), statistics.stdev(samples), statistics.quantiles(samples, n=100)

    ours = _pair(metrics.aggregate, series={"a": samples})
    return Job(
        "metrics.aggregate",
        f"{count:,} samples",
        count * 8,
        [*ours, Contender("statistics", "native", native)],
    )


def _scripts(source: Source) -> Iterator[Job]:
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_javascript.language()))
    encoded, size = source.text.encode(), len(source.text.encode())
    given = {"source": source.text, "filename": source.name}
    tree = Contender("tree-sitter, parse only", "native", lambda: parser.parse(encoded))
    plain = Contender("esprima", "native", lambda: esprima.parseScript(source.text))
    yield Job(
        "ast.validate", source.name, size, [*_pair(ast.validate, **given), tree, plain, *source.node("parse")]
    )
    yield Job("ast.parse", source.name, size, [*_pair(ast.parse, **given), plain])
    yield Job("ast.optimize", source.name, size, [*_pair(ast.optimize, **given), *source.node("minify")])
    yield Job("ast.outline", source.name, size, [*_pair(ast.outline, **given), tree])
    lowered = [_pair(ast.transform, **given, target="es2015")[0]]
    yield Job("ast.transform", f"{source.name} to es2015", size, lowered)
