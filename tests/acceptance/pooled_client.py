"""A caller that gives operations to pools of processes; a test runs it: `pooled_client.py fork|spawn`."""

import copy
import json
import multiprocessing
import pickle
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import wasmfleet
from wasmfleet.tasks import digest

_DATA = [str(n).encode() for n in range(20)]


def main(method: str) -> list[Any]:
    """Return for each way to give an operation to a pool whether the values are right."""
    wanted = [digest.digest.wasm(data) for data in _DATA]  # the parent has a sandbox of its own by now
    shout = wasmfleet.operation("shouting.shout")
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        answers = [
            pool.map(digest.digest.wasm, _DATA) == wanted,
            pool.map(digest.digest, _DATA) == wanted,
            pool.map(digest.digest.python, _DATA) == wanted,
            [result.get(timeout=30) for result in pool.map(digest.digest.delay, _DATA)] == wanted,
            pool.map(shout.wasm, [b"a", b"b"]) == [b"A", b"B"],
        ]
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        configured = digest.digest.options(lane="wasm", expires=60)
        answers += [
            list(executor.map(digest.digest.wasm, _DATA)) == wanted,
            [result.get(timeout=30) for result in executor.map(configured.delay, _DATA)] == wanted,
            _error_of(executor.submit(digest.digest.wasm, "text")) == "InvalidArguments",
        ]
    same = [copy.copy(digest.digest), copy.deepcopy(digest.digest), pickle.loads(pickle.dumps(digest.digest))]
    return [*answers, all(one is digest.digest for one in same)]


def _error_of(submitted: Any) -> str:
    return type(submitted.exception(timeout=60)).__name__


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
