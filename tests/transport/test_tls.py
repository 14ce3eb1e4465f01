"""The transport over TLS."""

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from kombu.exceptions import OperationalError
from redis import Redis

from tests.acceptance.installation import until
from tests.transport.conftest import Connect
from tests.transport.inbox import Inbox, bodies, put


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of 127.0.0.1 with its key, as one PEM file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "broker")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "broker.pem"
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def tls_port(port: int, certificate: Path) -> Iterator[int]:
    """The port of a TLS proxy before Valkey; the server in the wheel is built without TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_terminate_tls, args=(listener, context, port), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def test_messages_travel_over_tls(
    tls_port: int, certificate: Path, connect: Connect, broker: "Redis"
) -> None:
    connection = connect("wasmfleet+rediss", place=f"127.0.0.1:{tls_port}/0?ssl_ca_certs={certificate}")
    inbox = Inbox(connection, "q")
    put(connection, "q", *range(50), "x" * 100_000)
    assert bodies(inbox.drain(51))[:2] == [0, 1]
    for message in inbox:
        message.ack()
    until(lambda: broker.hlen("unacked") == 0, what="the acknowledgements are told")


def test_an_unknown_certificate_is_refused(tls_port: int, connect: Connect) -> None:
    with pytest.raises(OperationalError, match="CERTIFICATE_VERIFY_FAILED"):
        put(connect("wasmfleet+rediss", place=f"127.0.0.1:{tls_port}/0"), "q", 1, retry=False)


def _terminate_tls(listener: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client, context, port), daemon=True).start()


def _serve(client: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with contextlib.suppress(OSError):
        secure = context.wrap_socket(client, server_side=True)
        server = socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=_copy, args=(server, secure), daemon=True).start()
        _copy(secure, server)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError), source, target:
        while data := source.recv(1 << 16):
            target.sendall(data)
