"""What callers may give and get: options that are checked, operations by name, operations in other processes."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wasmtime
from celery import group

import wasmfleet
from tests.acceptance.installation import Installation, installation
from wasmfleet.tasks import ast, digest, text
from wasmfleet.workers.calls import options
from wasmfleet.workers.errors import InvalidArguments, RuntimeUnavailable

_HERE = Path(__file__).parent
_SHOUT = _HERE.parents[1] / "examples" / "own_module" / "shout.wat"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A fleet with a user's module."""
    modules = tmp_path_factory.mktemp("modules")
    shout = _SHOUT.read_text()
    (modules / "shouting.wasm").write_bytes(wasmtime.wat2wasm(shout))
    counting = shout.replace("abi 1\\nshout\\n", "abi 1\\ncount(text: str, least: int = 1) -> int\\n")
    assert counting != shout
    (modules / "words.wasm").write_bytes(wasmtime.wat2wasm(counting))
    with installation(tmp_path_factory.mktemp("callers"), MODULES=str(modules)) as made:
        made.start_fleet("wasm", "python")
        yield made


def answer(fleet: Installation, code: str, **environment: str) -> tuple[Any, str]:
    """Run a caller's program; return what it leaves in `answer`, and what it wrote to standard error."""
    program = (
        "import asyncio, json, wasmfleet\nfrom wasmfleet.workers.errors import WasmfleetError\n"
        "def told(call):\n    try:\n        return call()\n    except WasmfleetError as error:\n"
        f"        return error.code + ': ' + error.message\n{code}\nprint(json.dumps(answer))"
    )
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(
        command, env=fleet.environment | environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


_CALL = {"data": b"abc"}
_WRONG: dict[str, tuple[Any, str]] = {
    "a misspelled lane": (
        lambda: digest.digest.apply_async((b"",), lanee="wasm"),
        r"there is no option 'lanee'; did you mean 'lane'\?",
    ),
    "a misspelled limit": (
        lambda: digest.digest.apply_async((b"",), soft_timelimit=1),
        "did you mean 'soft_time_limit'",
    ),
    "a misspelled expiry": (
        lambda: digest.digest.apply_async((b"",), expire=1),
        "'expire'; did you mean 'expires'",
    ),
    "what is near nothing": (lambda: digest.digest.apply_async((b"",), qqqq=1), "no option 'qqqq'$"),
    "too many by place": (
        lambda: digest.digest.apply_async((b"",), {}, "id", None, None, None, None, "wasm"),
        "5 options by place",
    ),
    "an unknown lane": (
        lambda: digest.digest.apply_async((b"",), lane="gpu"),
        "lane='gpu' is no lane; give any, wasm, python",
    ),
    "a lane of another type": (lambda: digest.digest.apply_async((b"",), lane=["wasm"]), "is no lane"),
    "a lane in the header": (
        lambda: digest.digest.apply_async((b"",), headers={"wasmfleet": {"lane": "gpu"}}),
        "name a lane that is no lane",
    ),
    "headers that are none": (
        lambda: digest.digest.apply_async((b"",), headers={"wasmfleet": "wasm"}),
        "are no headers",
    ),
    "a misspelled header": (
        lambda: digest.digest.apply_async((b"",), headers={"wasmfleet": {"lanee": "wasm"}}),
        "have no 'lanee' of a fleet; did you mean 'lane'",
    ),
    "a misspelled queue": (
        lambda: digest.digest.apply_async((b"",), queue="wasmfleet.pyhton"),
        "no queue of a fleet; did you mean 'wasmfleet.python'",
    ),
    "a serializer": (lambda: digest.digest.apply_async((b"",), serializer="pickle"), "give json or msgpack"),
    "a time in words": (lambda: digest.digest.apply_async((b"",), eta="tomorrow"), "is no datetime"),
    "a signature's lane": (lambda: digest.digest.s(b"").set(lane="gpu"), "is no lane"),
    "a signature's option": (lambda: digest.digest.s(b"").set(lanee="wasm"), "did you mean 'lane'"),
    "a signature's option, when it is made": (
        lambda: digest.digest.signature((b"",), lanee="wasm"),
        "did you mean 'lane'",
    ),
    "a signature's option, when it is sent": (
        lambda: digest.digest.s(b"").apply_async(lanee="wasm"),
        "did you mean 'lane'",
    ),
    "the option of a copied signature": (
        lambda: digest.digest.s(b"").clone().set(lanee="wasm").apply_async(),
        "did you mean 'lane'",
    ),
    "the option of a call that follows": (
        lambda: (text.hash.s("") | text.hash.s().clone().set(lanee="wasm")).apply_async(),
        "did you mean 'lane'",
    ),
    "the option of a chord's body": (
        lambda: digest.digest.apply_async((b"",), link=text.hash.s().clone().set(lane="gpu")),
        "is no lane",
    ),
    "a chain's lane": (
        lambda: (text.hash.s("") | text.hash.s()).apply_async(lane="wasm"),
        "of its first call alone",
    ),
    "a chain's lane, when it is set": (
        lambda: (text.hash.s("") | text.hash.s()).set(lane="wasm").apply_async(),
        "of its first call alone",
    ),
    "a group's option": (lambda: group(text.hash.s("")).apply_async(lanee="wasm"), "did you mean 'lane'"),
    "an option of a call at once": (lambda: digest.digest.apply((b"",), lanee="wasm"), "did you mean 'lane'"),
    "options()": (lambda: digest.digest.options(lanee="wasm"), "did you mean 'lane'"),  # type: ignore[call-arg]
    "options() of a batch": (lambda: digest.digest.options(priority=3).many([]), "no option 'priority'"),
    "a batch's lane": (lambda: digest.digest.many([_CALL], lane="gpu"), "is no lane"),  # type: ignore[arg-type]
    "a batch's expiry": (lambda: digest.digest.many([_CALL], expires=float("nan")), "expires=nan"),
    "bytes in a batch": (
        lambda: digest.digest.many([_CALL, b"abc"]),  # type: ignore[list-item]
        "^item 1: .*by name, in a mapping; got bytes",
    ),
    "a tuple in a batch": (lambda: digest.digest.many([(b"abc",)]), "^item 0: .*; got tuple"),  # type: ignore[list-item]
    "names that are none in a batch": (lambda: digest.digest.many([{1: b"abc"}]), "^item 0: "),  # type: ignore[dict-item]
    "a negative expiry": (lambda: digest.digest.apply_async((b"",), expires=-1), "expires=-1"),
    "an endless expiry": (lambda: digest.digest.apply_async((b"",), expires=float("inf")), "expires=inf"),
    "a true expiry": (lambda: digest.digest.apply_async((b"",), expires=True), "expires=True"),
    "a negative countdown": (lambda: digest.digest.apply_async((b"",), countdown=-0.1), "countdown=-0.1"),
    "a time that is none": (lambda: digest.digest.apply_async((b"",), eta=5), "eta=5 is no datetime"),
    "no time at all": (lambda: digest.digest.apply_async((b"",), soft_time_limit=0), "above 0"),
    "a limit that is none": (lambda: digest.digest.apply_async((b"",), time_limit="1"), "above 0"),
    "a priority out of range": (
        lambda: digest.digest.apply_async((b"",), priority=10),
        "from 0 .first. to 9",
    ),
    "arguments that are no list": (lambda: digest.digest.apply_async("abc"), "as a list or tuple"),
    "arguments that are no mapping": (lambda: digest.digest.apply_async((), [1]), "`kwargs` as a mapping"),  # type: ignore[arg-type]
    "an item's argument given twice": (lambda: digest.digest.item(b"", data=b""), "given twice"),  # type: ignore[misc]
}


@pytest.mark.parametrize("what", _WRONG)
def test_a_wrong_option_is_refused_before_anything_is_sent(what: str) -> None:
    call, reason = _WRONG[what]  # nothing listens where this process would send

    with pytest.raises(InvalidArguments, match=reason):
        call()


def test_a_call_at_once_has_the_lane_that_it_says() -> None:
    source = {"source": "let a;", "filename": "a.js"}
    unchecked = {
        lane: ast.validate.apply(kwargs=source, lane=lane, throw=True).get()["unchecked"]
        for lane in ("wasm", "python")
    }

    assert unchecked["wasm"] == []
    assert unchecked["python"]
    with pytest.raises(RuntimeUnavailable, match="its module is not here"):
        wasmfleet.operation("nowhere.shout").apply(kwargs={"data": b"abc"})


def test_calls_that_celery_runs_at_once_can_be_awaited(fleet: Installation) -> None:
    given, _ = answer(
        fleet,
        """
from wasmfleet.tasks import digest
digest.digest.app.conf.task_always_eager = True
async def main():
    batch = await digest.digest.aio.many([{"data": b"abc"}])
    return [await digest.digest.aio(b"abc"), [item.value async for item in batch][0]]
answer = [value[:8] for value in asyncio.run(main())]
""",
    )

    assert given == ["ba7816bf"] * 2


def test_every_option_that_celery_and_kombu_document_is_known() -> None:
    documented = re.findall(
        r"\w+",
        """
        countdown eta expires shadow connection retry retry_policy time_limit soft_time_limit queue exchange
        routing_key priority serializer compression link link_error producer add_to_parent ignore_result
        publisher headers task_id chain chord group_id group_index root_id parent_id reply_to
        stamped_headers correlation_id message_id delivery_mode mandatory declare expiration lane
        """,
    )

    assert set(documented) - options.known() == set()
    assert set(options.Options.__annotations__) - options.known() == set()
    assert not {"self", "args", "kwargs", "body", "properties", "options"} & options.known()


def test_stamps_are_options_too(fleet: Installation) -> None:
    given, _ = answer(
        fleet,
        "from wasmfleet.tasks import digest\n"
        "call = digest.digest.s(b'abc')\n"
        "call.stamp(customer='one')\n"
        "answer = call.apply_async().get(timeout=30)[:8]",
    )

    assert given == "ba7816bf"


def test_a_users_module_is_called_by_name_and_checked_by_its_section(fleet: Installation) -> None:
    given, _ = answer(
        fleet,
        """
shout, count = wasmfleet.operation("shouting.shout"), wasmfleet.operation("wasmfleet.words.count")
answer = [
    shout.delay(b"abc").get(timeout=30).decode(), shout.wasm(b"abc").decode(),
    asyncio.run(shout.aio(data=b"abc")).decode(),
    [item.value.decode() for item in shout.many([shout.item(b"a"), {"data": b"b"}], lane="wasm")],
    [told(lambda: shout.delay("abc")), told(lambda: count.delay("a", least="b")), told(lambda: count.many([{}]))],
    [told(lambda: wasmfleet.operation("shouting.shuot")), told(lambda: wasmfleet.operation("words"))],
    count.__doc__,
]
""",
    )

    assert given[:4] == ["ABC", "ABC", "ABC", ["A", "B"]]
    assert given[4] == [
        "InvalidArguments: shouting.shout: `data`: expected `bytes`, got `str`",
        "InvalidArguments: words.count: `least`: expected `int`, got `str`",
        "InvalidArguments: item 0: words.count: object missing required field `text`",
    ]
    assert (
        given[5][0]
        == "UnknownOperation: there is no operation 'shouting.shuot'; did you mean 'shouting.shout'?"
    )
    assert given[5][1].startswith("UnknownOperation: ")
    assert "(text: str, least: int = 1) -> int" in given[6]


def test_a_users_module_that_is_not_here_is_called_unchecked_and_that_is_said(fleet: Installation) -> None:
    given, warned = answer(
        fleet,
        """
shout, wrong = wasmfleet.operation("shouting.shout"), wasmfleet.operation("shouting.shuot")
answer = [
    shout.delay(data=b"abc").get(timeout=30).decode(), shout.delay(b"abc").get(timeout=30).decode(),
    asyncio.run(shout.aio(data=b"abc")).decode(),
    [item.value.decode() for item in shout.many([{"data": b"a"}, shout.item(data=b"b")])],
    [item.error.code for item in shout.many([{"data": "a"}])],
    (shout.s(b"abc") | shout.s()).apply_async().get(timeout=30).decode(),
    [told(lambda: shout.delay(data="abc").get(timeout=30)), told(lambda: wrong.delay().get(timeout=30))],
    [told(lambda: shout(data=b"abc")), told(lambda: shout.item(b"abc"))],
]
""",
        WASMFLEET_MODULES="",
    )

    assert given[:6] == ["ABC", "ABC", "ABC", ["A", "B"], ["InvalidArguments"], "ABC"]
    codes = [told.partition(":")[0] for told in given[6] + given[7]]
    assert codes == ["InvalidArguments", "UnknownOperation", "RuntimeUnavailable", "InvalidArguments"]
    assert len(warned.splitlines()) == 2
    assert "shouting.shout: its module is neither built in nor among WASMFLEET_MODULES here" in warned


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_operations_run_in_pools_of_processes(fleet: Installation, method: str) -> None:
    done = subprocess.run(
        [sys.executable, _HERE / "pooled_client.py", method],
        env=fleet.environment,
        capture_output=True,
        text=True,
        timeout=200,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [True] * 9


def test_importing_the_package_makes_no_celery_app() -> None:
    code = (
        "import sys, wasmfleet; print([name for name in sys.modules if name.partition('.')[0] == 'celery'])"
    )
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True)

    assert done.stdout == "[]\n"
