"""Connections after a failover that leaves them open: each leaves the server that is no master any more."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
from redis import Redis
from redis.exceptions import RedisError, ResponseError

from tests.acceptance.installation import until
from tests.chaos.pair import Pair, pair
from wasmfleet.workers.internals.redis_masters import client_of


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Pair]:
    with pair(tmp_path) as made:
        yield made


@pytest.fixture
def client(servers: Pair) -> Iterator["Redis"]:
    with client_of(servers.url, socket_timeout=5) as made:
        made.set("here", "before")
        yield made


def test_a_write_goes_to_the_new_master_at_once(servers: Pair, client: "Redis") -> None:
    servers.fail_over()

    client.set("here", "after")

    assert servers.at(servers.new).get("here") == "after"
    assert servers.staying() == 0


def test_a_transaction_and_a_script_go_to_the_new_master(servers: Pair, client: "Redis") -> None:
    script = client.register_script("return redis.call('INCR', KEYS[1])")
    assert script(keys=["number"]) == 1
    servers.fail_over()

    with client.pipeline() as pipe:
        pipe.get("here")
        pipe.set("here", "after")
        assert pipe.execute() == [b"before", True]
    assert script(keys=["number"]) == 2

    assert servers.at(servers.new).get("here") == "after"


def test_a_transaction_that_was_queued_before_runs_on_the_new_master(servers: Pair, client: "Redis") -> None:
    """The server demoted in the middle refuses EXEC alone: with EXECABORT, and the reason behind it."""
    client.connection = connection = client.connection_pool.get_connection()
    for words in (["MULTI"], ["SET", "here", "half"]):
        connection.send_command(*words)
        connection.read_response()
    servers.fail_over()
    connection.send_command("EXEC")

    with pytest.raises(RedisError, match="READONLY") as told:
        connection.read_response()

    assert type(told.value).__name__ == "NoMaster"
    assert client.get("here") == b"before"
    assert servers.staying() == 0


def test_who_blocks_for_an_answer_leaves(servers: Pair, client: "Redis") -> None:
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.blpop, ["list"], timeout=4)
        until(lambda: servers.at(servers.old).info("clients")["blocked_clients"] == 1, what="it blocks")
        servers.fail_over()
        servers.at(servers.new).rpush("list", "found")

        assert answer.result(10) == (b"list", b"found")


def test_who_only_reads_notices_within_seconds(servers: Pair, client: "Redis") -> None:
    servers.fail_over()
    servers.at(servers.new).set("here", "after")
    began = time.monotonic()

    until(lambda: client.get("here") == b"after", seconds=10, what="it reads from the new master")

    print(f"a reader left after {time.monotonic() - began:.1f} s")
    assert servers.staying() == 0


def test_a_replica_that_serves_nothing_stale_is_left(servers: Pair, client: "Redis") -> None:
    servers.fail_over(serves_stale=False)

    assert client.get("here") == b"before"
    assert servers.staying() == 0


@pytest.mark.parametrize("code", ["READONLY", "MASTERDOWN", "LOADING", "UNBLOCKED"])
def test_what_such_a_server_answers_is_a_lost_connection(servers: Pair, client: "Redis", code: str) -> None:
    servers.proxy.lead_to(servers.new)

    with pytest.raises(RedisError) as told:
        client.eval(f"return redis.error_reply('{code} told by a script')", 0)

    assert isinstance(told.value, redis.exceptions.ConnectionError)
    assert servers.staying() == 0


@pytest.mark.parametrize("code", ["MISCONF", "NOREPLICAS", "OOM"])
def test_after_a_refusal_the_next_try_dials_anew(servers: Pair, client: "Redis", code: str) -> None:
    with client.pipeline(transaction=False) as pipe:
        pipe.eval(f"return redis.error_reply('{code} told by a script')", 0)
        pipe.set("here", "written")
        refused, written = pipe.execute(raise_on_error=False)
    servers.fail_over()

    assert isinstance(refused, ResponseError)
    assert not isinstance(refused, redis.exceptions.ConnectionError)
    assert written is True
    assert client.get("here") == b"written"
    assert servers.staying() == 0


def test_an_address_that_leads_to_a_replica_is_refused(servers: Pair) -> None:
    url = f"redis://127.0.0.1:{servers.new}/0"

    with client_of(url) as client, pytest.raises(RedisError, match="the server is a replica"):
        client.get("here")
