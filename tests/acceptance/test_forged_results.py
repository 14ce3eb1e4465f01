"""Results that no worker wrote: whoever waits for one gets a typed error at once, and no more happens."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.installation import until
from tests.chaos.fleet import ChaosFleet, chaos_fleet

_READ = """
import base64, json, sys, threading, time, uuid
from redis import Redis
from celery.exceptions import TimeoutError
from wasmfleet.workers.app import app
from wasmfleet.workers.calls.batch import Batch
from wasmfleet.workers.errors import WasmfleetError
url, forged, count, moments = json.load(sys.stdin)
store = Redis.from_url(url)

def forge(id, told):
    key = "celery-task-meta-" + id
    if told["as"] == "text":
        content = base64.b64decode(told["content"]).replace(b"$ID", id.encode())
        store.set(key, content)
        store.publish(key, content)
    elif told["as"] == "huge":
        store.setrange(key, 5 << 20, b"x")
    else:
        store.lpush(key, b"x")

def outcome(id):
    result = app.AsyncResult(id)
    if count:
        return [item.error and item.error.code for item in Batch([(result, count)]).results(timeout=5)]
    try:
        return ["value", result.get(timeout=5)]
    except WasmfleetError as error:
        return [error.code, str(error)]
    except (TimeoutError, BaseException) as error:
        return [type(error).__module__ + "." + type(error).__name__, str(error)]

def one(told, waits):
    id = str(uuid.uuid4())
    if not waits:
        forge(id, told)
        return outcome(id)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(outcome(id)), daemon=True)
    thread.start()
    while not store.pubsub_numsub("celery-task-meta-" + id)[0][1]:
        time.sleep(0.01)
    forge(id, told)
    thread.join(10)
    return answers[0] if answers else ["hangs"]

print(json.dumps([[one(told, waits) for told in forged] for waits in moments]))
"""


def _failed(kind: Any = "ValueError", module: Any = "builtins", message: Any = ("x",), **more: Any) -> Any:
    told = {"exc_type": kind, "exc_module": module, "exc_message": message}
    return {"status": "FAILURE", "result": told, "task_id": "$ID", "traceback": None, "children": []} | more


def _done(result: Any, **more: Any) -> Any:
    return {"status": "SUCCESS", "result": result, "task_id": "$ID", "traceback": None, "children": []} | more


_UNREADABLE: list[Any] = [
    *(_failed(name) for name in ("SystemExit", "KeyboardInterrupt", "GeneratorExit", "BaseException")),
    *(_failed(name) for name in ("StopIteration", "StopAsyncIteration", "MemoryError", "ExceptionGroup")),
    *(_failed(name) for name in ("eval", "object", "ValueError.mro", "", "__import__")),
    _failed("TimeoutError", "celery.exceptions"),
    _failed("Ignore", "celery.exceptions"),
    _failed("Retry", "celery.exceptions"),
    _failed("WorkerShutdown", "celery.exceptions", [0]),
    _failed("ConnectionError", "redis.exceptions"),
    _failed("Popen", "subprocess", [["true"]]),
    _failed("system", "os", ["true"]),
    _failed("CancelledError", "asyncio.exceptions"),
    _failed("SettingsError", "wasmfleet.config.settings"),
    _failed(module=None),
    _failed(5),
    _failed([1]),
    _failed(module=[1]),
    _failed(message={"a": 1}),
    _failed(message=5),
    _failed("UnicodeDecodeError", message=["x"]),
    _failed("CorruptData", "wasmfleet.workers.errors", []),
    _failed("CorruptData", "wasmfleet.workers.errors", ["x", 5]),
    _failed("CorruptData", "wasmfleet.workers.errors", ["x", ["line"]]),
    _failed("CorruptData", "wasmfleet.workers.errors", [5]),
    _failed("NoSuchError", "wasmfleet.workers.errors"),
    *(
        _failed(result=told)
        for told in (None, 5, "text", [], [[1]], {}, {"exc_type": "ValueError"}, [["a", 1]])
    ),
    *(_done(1, status=status) for status in (None, 5, [1], "", "NO SUCH", "x" * 1000, {"a": 1})),
    *(
        _done(1, children=odd)
        for odd in (5, "text", [5], [[5]], [[["a"], None]], [{"a": 1}], [[[0, None], None]])
    ),
    _done(1, traceback=5),
    _done(1, task_id={"a": 1}),
    {"status": "SUCCESS"},
    {"result": 1},
    {},
    [],
    5,
    "text",
    None,
    True,
]
_RAW: list[bytes] = [
    b"x",
    b"\xff",
    b"\xc1",
    b"{",
    b'{"status": "SUCCESS", "result": ',
    b"[" * 100_000,
    b"\x91" * 100_000,
    b"\xdf\xff\xff\xff\xff",
    b'{"status": "SUCCESS", "result": {"__type__": "decimal", "__value__": "zz"}, "task_id": "$ID"}',
    b'{"status": "SUCCESS", "result": ' + b"[" * 5000 + b"]" * 5000 + b"}",
]
_GOOD: list[tuple[Any, str]] = [
    (_done(5), "value"),
    (_done({"a": [1]}, task_id="another"), "value"),
    (_failed(), "builtins.ValueError"),
    (_failed("KeyError", message=["a", 1, None]), "builtins.KeyError"),
    (_failed("WorkerLostError", "billiard.exceptions"), "billiard.exceptions.WorkerLostError"),
    (
        _failed("TaskRevokedError", "celery.exceptions", status="REVOKED"),
        "celery.exceptions.TaskRevokedError",
    ),
    (_failed("CorruptData", "wasmfleet.workers.errors", ["x", {"line": 5}]), "CorruptData"),
    (_done(1, children=[[["a", None], None]]), "value"),
]


def _text(content: Any) -> dict[str, str]:
    import base64

    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return {"as": "text", "content": base64.b64encode(raw).decode()}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosFleet]:
    with chaos_fleet(tmp_path_factory.mktemp("forged"), MAX_OUTPUT="1") as made:
        made.start("broker")
        until(made.answers, what="the broker answers")
        yield made


def read(
    fleet: ChaosFleet, forged: list[dict[str, str]], count: int = 0, moments: tuple[bool, ...] = (False, True)
) -> list[list[Any]]:
    """Forge each result, and return what a client that waits for it gets, in one list for each of `moments`.

    False means that the result is there before the client asks, True that it arrives while the client waits.
    """
    found: list[list[Any]] = json.loads(fleet.run(_READ, [fleet.url, forged, count, moments]))
    return found


def test_what_is_no_result_is_a_typed_error_for_who_waits(fleet: ChaosFleet) -> None:
    forged = [_text(content) for content in (*_UNREADABLE, *_RAW)]

    there, coming = read(fleet, forged)

    wrong = [
        (content, answer)
        for answers in (there, coming)
        for content, answer in zip((*_UNREADABLE, *_RAW), answers, strict=True)
        if answer[0] != "UnreadableResult" or len(answer[1]) > 1000
    ]
    assert wrong == []


def test_a_key_of_another_type_and_a_huge_value_are_no_results(fleet: ChaosFleet) -> None:
    forged = [{"as": "list"}, {"as": "huge"}, _text(b"[" + b" " * (5 << 20))]

    [there] = read(fleet, forged, moments=(False,))

    assert [code for code, _ in there] == ["UnreadableResult"] * 3
    assert "WASMFLEET_MAX_OUTPUT" in there[1][1]


def test_a_right_result_is_read_as_before(fleet: ChaosFleet) -> None:
    for answers in read(fleet, [_text(content) for content, _ in _GOOD]):
        assert [code for code, _ in answers] == [code for _, code in _GOOD]


def test_each_item_of_a_batch_with_a_forged_answer_has_a_typed_error(fleet: ChaosFleet) -> None:
    odd = [
        *(5, None, "text", {}, [], [0], [2, 1], [1, 5, "x", {}], [1, "CorruptData", 5, {}]),
        *(
            [1, "CorruptData", "x", 5],
            [1, ["a"], "x", {}],
            [1, "CorruptData", "x", [1]],
            [1, "NoSuch", "x", None],
        ),
    ]
    batches = [
        *(_done([answer, [0, 1]]) for answer in odd),
        *(
            _done(shape)
            for shape in (5, None, "ab", {}, [], [[0, 1]], [[0, 1]] * 3, {"0": [0, 1], "1": [0, 1]})
        ),
        *(_failed(name) for name in ("SystemExit", "TypeError", "StopIteration")),
        _failed("WorkerLostError", "billiard.exceptions"),
        _failed("TaskRevokedError", "celery.exceptions", status="REVOKED"),
        b"\xff",
    ]

    there, coming = read(fleet, [_text(content) for content in batches], count=2)

    bad = "UnreadableResult"
    ends = ["SandboxTrap", "Cancelled", bad]
    expected = [[bad, None]] * len(odd) + [[bad, bad]] * 11 + [[code, code] for code in ends]
    assert there == coming == expected
