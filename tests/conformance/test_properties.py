"""Both lanes agree on generated input, and never fail in a way that has no type."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.conformance.test_vectors import close
from wasmfleet.tasks import ast, compression, digest, metrics, text
from wasmfleet.workers.errors import InternalError, SandboxTrap, WasmfleetError

_CODECS = st.sampled_from(["gzip", "deflate", "zlib", "brotli", "lz4"])
_ALGORITHMS = st.sampled_from(["sha256", "sha512", "md5", "blake3", "crc32", "xxh3_64", "xxh3_128"])
_TOKENS = """
let const a b = + ; , ( ) { } [ ] => function class if else for while return 'x' `y${z}` 1 /r/ ?. ?? ...
// /* é😀 */ import export default from async await yield <div> </div> : ? ! @ # type enum
"""
_WORDS = st.sampled_from([*_TOKENS.split(), "\n", "// TODO: b\n"])
_SOURCES = st.lists(_WORDS, max_size=40).map(" ".join)
_SAMPLES = st.lists(st.none() | st.floats(-1e12, 1e12), max_size=40)


def outcome(call: Any, **arguments: Any) -> Any:
    """A value, or the code of a typed error."""
    try:
        return call(**arguments)
    except (InternalError, SandboxTrap):
        raise
    except WasmfleetError as error:
        return error.code


@given(data=st.binary(max_size=5000), algorithm=_ALGORITHMS)
def test_digests_agree(data: bytes, algorithm: Any) -> None:
    assert digest.digest.wasm(data, algorithm=algorithm) == digest.digest.python(data, algorithm=algorithm)


@given(content=st.text(max_size=500))
def test_text_hashes_agree(content: str) -> None:
    assert outcome(text.hash.wasm, text=content) == outcome(text.hash.python, text=content)


@given(data=st.binary(max_size=20_000), codec=_CODECS)
def test_what_one_lane_compresses_the_other_decompresses(data: bytes, codec: Any) -> None:
    assert compression.decompress.python(compression.compress.wasm(data, codec=codec), codec=codec) == data
    assert compression.decompress.wasm(compression.compress.python(data, codec=codec), codec=codec) == data


@given(data=st.binary(max_size=300), codec=_CODECS, cut=st.integers(0, 400), flipped=st.integers(0, 400))
def test_damaged_streams_are_refused_or_harmless_in_both_lanes(
    data: bytes, codec: Any, cut: int, flipped: int
) -> None:
    stream = bytearray(compression.compress.wasm(data, codec=codec))
    stream[flipped % len(stream)] ^= 0x55
    damaged = bytes(stream[: len(stream) - cut % len(stream)])
    for lane in (compression.decompress.wasm, compression.decompress.python):
        found = outcome(lane, data=damaged, codec=codec, max_size=10_000)
        assert isinstance(found, bytes) or found in ("CorruptData", "OutputTooLarge")


@given(series=st.dictionaries(st.text(max_size=5), _SAMPLES, max_size=4))
def test_aggregates_agree(series: Any) -> None:
    assert close(metrics.aggregate.wasm(series), metrics.aggregate.python(series))


@given(source=_SOURCES)
def test_what_the_sandbox_finds_sound_has_the_same_outline_in_both_lanes(source: str) -> None:
    sandboxed, plain = outcome(ast.outline.wasm, source=source), outcome(ast.outline.python, source=source)
    if "InvalidSource" not in (sandboxed, plain):
        assert sandboxed == plain


@given(source=_SOURCES | st.text(max_size=300))
def test_any_text_gets_a_verdict_in_both_lanes(source: str) -> None:
    for lane in (ast.validate.wasm, ast.validate.python):
        report = outcome(lane, source=source)
        assert report == "InvalidArguments" or report["valid"] == (not report["diagnostics"])
