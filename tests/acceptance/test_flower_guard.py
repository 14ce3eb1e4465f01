"""Flower answers under its own names only, and refuses what pages of other origins send to it."""

import socket
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from tests.acceptance.installation import installation, until

_POST = ("POST", "/api/task/async-apply/wasmfleet.text.hash")


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a Flower whose own setting opens its API to everybody."""
    with installation(
        tmp_path_factory.mktemp("guard"), FLOWER_HOSTS="Flower.example.org, [2001:db8::5]"
    ) as made:
        made.environment["FLOWER_UNAUTHENTICATED_API"] = "true"
        made.start("broker")
        made.start("flower")
        port = int(made.environment["WASMFLEET_FLOWER_PORT"])
        until(lambda: _answers(port), what="Flower answers", log=made.output)
        yield port


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:{port}",
        "localhost:{port}",
        "LOCALHOST:{port}",
        "localhost:8080",
        "localhost",
        "127.0.0.1",
        "127.8.9.1:{port}",
        "[::1]:{port}",
        "[0:0:0:0:0:0:0:1]",
        "flower.example.org",
        "FLOWER.example.org:443",
        "[2001:DB8:0::5]:443",
    ],
)
def test_flower_answers_under_its_own_names(port: int, host: str) -> None:
    for path in ("/", "/api/workers", "/static/css/flower.css", "/healthcheck"):
        assert status(port, "GET", path, {"Host": host.format(port=port)}) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "localhost.evil.example:{port}",
        "evil-localhost:{port}",
        "127.0.0.1.evil.example",
        "flower.example.org.evil.example",
        "localhost.",
        "192.0.2.1:{port}",
        "0.0.0.0:{port}",
        "[::]:{port}",
        "[2001:db8::6]",
        "[::ffff:192.0.2.1]",
        "2130706433",
        "0x7f000001",
        "127.1",
        "localhost:{port}:{port}",
        "evil.example%40localhost",
    ],
)
def test_no_page_under_another_name_is_answered(port: int, host: str) -> None:
    for path in ("/", "/api/workers", "/static/css/flower.css", "/healthcheck", "/no/such/page", "/metrics"):
        assert status(port, "GET", path, {"Host": host.format(port=port)}) == 403
    assert status(port, *_POST, {"Host": host.format(port=port)}) == 403
    assert status(port, "GET", "/", {"Host": host.format(port=port), **_WEBSOCKET}) == 403


@pytest.mark.parametrize(
    "request_text",
    [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost, evil.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: evil.example@localhost\r\n\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET http://localhost/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "GET //evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_a_request_without_one_clear_name_is_answered_to_nobody(port: int, request_text: str) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(request_text.encode())
        first_line = connection.makefile("rb").readline()

    assert first_line.split()[1] in (b"400", b"403")


_WEBSOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


@pytest.mark.parametrize(
    ("headers", "is_answered"),
    [
        ({}, True),
        ({"Origin": "http://localhost:{port}"}, True),
        ({"Origin": "https://flower.example.org"}, True),
        ({"Origin": "http://localhost:1"}, False),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, False),
    ],
)
def test_a_page_of_another_origin_neither_reads_nor_orders(
    port: int, headers: dict[str, str], is_answered: bool
) -> None:
    sent = {"Host": f"localhost:{port}"} | {name: text.format(port=port) for name, text in headers.items()}

    assert (status(port, "GET", "/api/workers", sent) == 200) is is_answered
    assert (status(port, *_POST, sent) == 200) is is_answered


def test_a_link_on_another_page_may_be_followed(port: int) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}

    assert status(port, "GET", "/", {"Host": "localhost", **link}) == 200
    assert status(port, *_POST, {"Host": "localhost", **link}) == 403


def test_no_page_may_show_flower_in_a_frame(port: int) -> None:
    for path in ("/", "/static/css/flower.css", "/no/such/page"):
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()

        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
        connection.close()


def status(port: int, method: str, path: str, headers: dict[str, str]) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    body = b'{"kwargs": {"text": "a"}}' if method == "POST" else b""
    for name, value in (headers | {"Content-Length": str(len(body))}).items():
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def _answers(port: int) -> bool:
    try:
        return status(port, "GET", "/healthcheck", {"Host": "localhost"}) == 200
    except OSError:
        return False
