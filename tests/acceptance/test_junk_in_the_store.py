"""Junk where the fleet's processes share their state: it is skipped and logged once, and no process stops."""

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from redis import Redis

from tests.acceptance.installation import until
from tests.acceptance.junk import BEAT, ENTRY, HUGE_BYTES, junk, of_type, other_types
from tests.chaos.fleet import ChaosFleet, chaos_fleet


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosFleet]:
    with chaos_fleet(tmp_path_factory.mktemp("junk")) as made:
        made.start("broker")
        until(made.answers, what="the broker answers")
        with Redis.from_url(made.url) as connection:
            connection.zadd("unacked_holders", {b"|||": 0, b"\xff": 0, b"silent": float("inf")})
        made.start_worker("python")
        yield made


@pytest.fixture
def store(fleet: ChaosFleet) -> Iterator["Redis"]:
    """A connection to the store, from which the junk is removed after the test.

    The same worker must then still serve, and must not have logged a traceback.
    """
    [before] = fleet.workers()
    with Redis.from_url(fleet.url) as connection:
        yield connection
        left = set(connection.scan_iter("wasmfleet:*", count=10_000))
        connection.unlink(b"", *left - {f"wasmfleet:presence:{before.worker}".encode()})
        result = fleet.client().signature(
            "wasmfleet.chaos.nap", kwargs={"seconds": 0.0}, queue="wasmfleet.python"
        )
        assert result.apply_async().get(timeout=20) == 0, fleet.output()
        assert before.pid in [worker.pid for worker in fleet.workers()]
        assert "Traceback" not in fleet.output()


def test_junk_for_heartbeats_is_skipped_and_said_once(fleet: ChaosFleet, store: "Redis") -> None:
    for number, odd in enumerate(junk(BEAT)):
        store.set(f"wasmfleet:presence:{number}", odd)
    other_types(store, "wasmfleet:presence:")
    store.setrange("wasmfleet:presence:huge", HUGE_BYTES, b"x")
    store.set(b"wasmfleet:presence:\xff\x1b[2J", b"x")

    seen = fleet.workers()
    _beats(fleet, 3)

    assert len(seen) == 1
    doctor = _said(fleet, "doctor")
    assert doctor.returncode == 0
    lines = [line for line in doctor.stderr.splitlines() if "the heartbeat" in line]
    assert 3 < len(lines) <= 21  # each junk key is named once, and not all of them when there are many
    assert len(set(lines)) == len(lines)
    assert "the heartbeat" not in fleet.output()  # workers read nobody's heartbeat


def test_junk_where_workers_look_at_each_beat_stops_no_heartbeat(fleet: ChaosFleet, store: "Redis") -> None:
    for key in ("wasmfleet:accelerated", "wasmfleet:cancelled:version"):
        store.delete(key)
        store.rpush(key, "a list")

    _beats(fleet, 2)

    store.delete("wasmfleet:cancelled:version")
    store.setrange("wasmfleet:cancelled:version", HUGE_BYTES, b"x")
    _beats(fleet, 2)
    assert _doctor(fleet) == 0


def test_thousands_of_keys_that_are_no_heartbeats_hide_nobody(fleet: ChaosFleet, store: "Redis") -> None:
    store.eval("for i = 1, 5000 do redis.call('SET', 'wasmfleet:presence:' .. i, 'x') end", 0)

    _beats(fleet, 2)

    assert _doctor(fleet) == 0


def test_junk_in_the_quarantine_is_skipped(fleet: ChaosFleet, store: "Redis") -> None:
    for number, odd in enumerate(junk(ENTRY)):
        store.hset("wasmfleet:quarantine", str(number), odd)
    for at in (float("nan"), float("inf"), -1.0, 1e300):
        store.hset(
            "wasmfleet:quarantine", f"at {at}", msgspec.msgpack.encode(ENTRY | {"id": f"at {at}", "at": at})
        )
    store.hset("wasmfleet:quarantine", "large", b"x" * (3 << 20))
    store.hset("wasmfleet:quarantine", b"\xff", b"x")
    store.hset("wasmfleet:quarantine", "entry", msgspec.msgpack.encode(ENTRY))

    assert [entry["id"] for entry in fleet.quarantine()] == ["entry"]
    assert "nothing with the id" in _said(fleet, "quarantine", "show", "large").stderr.splitlines()[-1]
    assert _doctor(fleet) == 0


def test_a_quarantine_of_another_type_is_empty_and_is_written_anew(fleet: ChaosFleet, store: "Redis") -> None:
    of_type(store, "wasmfleet:quarantine", "zset")

    assert fleet.quarantine() == []
    assert _doctor(fleet) == 0
    store.lpush("wasmfleet.python", b"no message")
    until(lambda: store.type("wasmfleet:quarantine") == b"hash", what="it is set aside", log=fleet.output)


def test_junk_for_the_cancelled_calls_is_skipped(fleet: ChaosFleet, store: "Redis") -> None:
    for kinds in (("text", "hash"), ("list", "list"), ("hash", "text")):
        for name, kind in zip(("", ":version"), kinds, strict=True):
            of_type(store, f"wasmfleet:cancelled{name}", kind)
        _beats(fleet, 1)

    fleet.run("from wasmfleet.workers.fleet_state import cancelled; cancelled.note(['a'])")

    assert store.zrange("wasmfleet:cancelled", 0, -1) == [b"a"]
    assert int(store.get("wasmfleet:cancelled:version") or 0) == 1


def test_very_many_cancelled_ids_and_odd_ones_stop_nobody(fleet: ChaosFleet, store: "Redis") -> None:
    many = "for i = 1, 200 do local a = {} for j = 1, 1000 do a[2*j-1] = i a[2*j] = i .. '-' .. j end "
    store.eval(many + "redis.call('ZADD', 'wasmfleet:cancelled', unpack(a)) end", 0)
    store.zadd("wasmfleet:cancelled", {b"\xff\xfe": 1e18, b"": 1e18, b"x" * (5 << 20): 1e18, b"mine": 1e19})
    store.set("wasmfleet:cancelled:version", "7")
    _beats(fleet, 2)

    call = fleet.client().signature("wasmfleet.chaos.nap", kwargs={"seconds": 0.0}, queue="wasmfleet.python")
    with pytest.raises(Exception, match="revoked"):
        call.apply_async(task_id="mine").get(timeout=20)


def test_a_call_that_kills_its_process_is_set_aside_whatever_lies_where_deaths_are_counted(
    fleet: ChaosFleet, store: "Redis"
) -> None:
    killers = [f"killer {kind}" for kind in ("text", "list", "hash", "zset")]
    for id in killers:
        for name in ("deaths", "begun", "died", "done"):
            of_type(store, f"wasmfleet:{name}:{id}", id.removeprefix("killer "))
        call = fleet.client().signature("wasmfleet.chaos.crash", queue="wasmfleet.python")
        call.apply_async(task_id=id)

    until(lambda: store.hlen("wasmfleet:quarantine") == len(killers), log=fleet.output)
    reasons = {entry["id"]: entry["reason"] for entry in fleet.quarantine()}
    assert reasons == dict.fromkeys(killers, "it killed its process 3 times")


def test_junk_for_holders_and_leases_is_said_once_and_the_dead_are_succeeded(
    fleet: ChaosFleet, store: "Redis"
) -> None:
    own = _holder(store)
    node = own.split(b"|")[0]
    dead = node + b"|999999999:1|0"
    names = [b"", b"x", b"\xff\xfe", b"a|b", b"||", node + b"|x|0", node + b"|1:x|y", b"x" * 5000, dead]
    store.zadd("unacked_holders", dict.fromkeys(names, 0))
    store.zadd("unacked_holders", {b"inf": float("inf"), b"negative": float("-inf")})
    for name in (b"a|b", b"\xff\xfe"):
        store.set(b"unacked_leases:" + name, b"of another type")
    leases = {
        b"t1": b"",
        b"t2": b"x",
        b"t3": b"\xff",
        b"t4": b"1 2",
        b"t5": b"x y z",
        b"\xff": b"1 1 x",
        b"t6": b"1" * 9000,
    }
    store.hset(b"unacked_leases:" + dead, mapping={**leases, b"good": b"0 0 wasmfleet.python"})
    message = _message("held by the dead")
    store.hset("unacked", "good", json.dumps([message, "", "wasmfleet.python"]))

    rows = until(lambda: fleet.rows("held by the dead"), log=fleet.output)

    assert [row["outcome"] for row in rows] == ["ok"]
    until(lambda: b"x" * 5000 not in store.zrange("unacked_holders", 0, -1), log=fleet.output)
    lines = [_without_time(line) for line in fleet.output().splitlines() if "is skipped" in line]
    assert len(set(lines)) == len(lines)


def test_a_silent_holder_is_forgotten_whatever_its_name(fleet: ChaosFleet, store: "Redis") -> None:
    odd = {b"|||", b"\xff", b"silent"}  # the fixture `fleet` wrote these before the worker started

    until(lambda: not odd & set(store.zrange("unacked_holders", 0, -1)), log=fleet.output)


def test_a_key_of_the_transport_that_is_of_another_type_is_written_anew(
    fleet: ChaosFleet, store: "Redis"
) -> None:
    own = _holder(store)
    keys = ["unacked_holders", "_wasmfleet.bell.wasmfleet.python", f"unacked_leases:{own.decode()}"]
    for key in keys:
        store.set(key, "of another type")

    until(lambda: b"string" not in map(store.type, keys), log=fleet.output)


def _holder(store: "Redis") -> bytes:
    """Return the name under which the worker holds messages."""
    names: list[bytes] = store.zrange("unacked_holders", 1, "+inf", byscore=True)
    [name] = [name for name in names if name.endswith(b"|0")]
    return name


def _message(id: str) -> dict[str, Any]:
    return {
        "body": json.dumps([[], {"seconds": 0.0}, {}]),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": "wasmfleet.chaos.nap", "id": id},
        "properties": {
            "delivery_tag": "good",
            "delivery_info": {"exchange": "", "routing_key": "wasmfleet.python"},
        },
    }


def _beats(fleet: ChaosFleet, count: int) -> None:
    """Wait for this many heartbeats of the worker."""
    for _ in range(count):
        before = time.time()
        until(lambda at=before: any(worker.sent_at > at for worker in _seen(fleet)), log=fleet.output)


def _seen(fleet: ChaosFleet) -> list[Any]:
    with Redis.from_url(fleet.url) as connection:
        found = connection.get(f"wasmfleet:presence:{_name(fleet)}")
    return [msgspec.convert(msgspec.msgpack.decode(found), type=_Beat)] if found else []


class _Beat(msgspec.Struct):
    sent_at: float


def _name(fleet: ChaosFleet) -> str:
    with Redis.from_url(fleet.url) as connection:
        [key] = connection.scan_iter("wasmfleet:presence:python-*", count=10_000)
    return key.decode().removeprefix("wasmfleet:presence:")


def _said(fleet: ChaosFleet, *words: str) -> "subprocess.CompletedProcess[str]":
    done = fleet.command(*words)
    assert "Traceback" not in done.stderr
    return done


def _doctor(fleet: ChaosFleet) -> int:
    return _said(fleet, "doctor").returncode


def _without_time(line: str) -> str:
    return line.partition(" WARNING ")[2]
