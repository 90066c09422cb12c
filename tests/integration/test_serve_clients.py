"""Clients that leave and clients that are slow: they are cut, and leave nothing behind."""

import socket
from contextlib import closing
from http.client import HTTPConnection
from time import monotonic

import pytest

from storage.testing import Domicile, Gate, wait_at
from tests.support.refusals import finish_all_work, ready_tenant
from tests.support.serving import SETTINGS, Service, left, serving

pytestmark = pytest.mark.one_region

MIB = 1024 * 1024
QUICK = SETTINGS.model_copy(update={"client_seconds": 1.0})
BEGIN = (
    b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
)


def head(service: Service, length: int) -> bytes:
    """Return the head of an upload."""
    return (
        f"POST /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {service.key()}\r\n"
        "content-type: multipart/form-data; boundary=b\r\n"
        f"content-length: {length}\r\n\r\n"
    ).encode()


def ended(connection: socket.socket) -> bool:
    """Wait until the other side has ended the connection without an answer."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


@pytest.fixture
def before(domicile: Domicile) -> list[object]:
    """What is there before the service is used, without any work left to do."""
    ready_tenant(domicile)
    return left(domicile)


def assert_same(domicile: Domicile, before: list[object]) -> None:
    """Check that nothing was left behind, but for the API keys of the test."""
    finish_all_work(domicile)
    assert left(domicile) == before


def test_a_client_that_leaves_in_the_middle(domicile: Domicile, before: list[object]) -> None:
    """Also when bytes of its file are on their way to the backends already."""
    gate = Gate()
    domicile.backends["eu-a"].inject(wait_at(gate), "upload.write", times=1)
    with serving(domicile) as service:
        with service.connect() as connection:
            connection.sendall(head(service, 50 * MIB) + BEGIN + 4 * MIB * b"x")
            assert gate.reached.wait(60)
        gate.open.set()

    assert_same(domicile, before)


def test_a_client_that_leaves_in_its_headers(domicile: Domicile, before: list[object]) -> None:
    """Nothing has begun."""
    with serving(domicile) as service, service.connect() as connection:
        connection.sendall(head(service, 100)[:60])

    assert_same(domicile, before)


def test_a_client_that_leaves_a_download(domicile: Domicile) -> None:
    """The service goes on."""
    domicile.tenant()
    body = bytes(20 * MIB)
    with serving(domicile) as service, service.openai() as client:
        made = client.files.create(file=("a", body), purpose="fine-tune")
        with client.files.with_streaming_response.content(made.id) as answer:
            next(answer.iter_bytes(1000))
        assert client.files.content(made.id).read() == body


@pytest.mark.parametrize("sent", ["nothing", "headers", "body"])
def test_a_client_that_sends_too_slowly(
    domicile: Domicile, before: list[object], sent: str
) -> None:
    """Cut while it is its turn: before its request, in its headers, or in its file."""
    with serving(domicile, QUICK) as service, service.connect() as connection:
        whole = head(service, 50 * MIB) + BEGIN + b"x" * 1000
        connection.sendall({"nothing": b"", "headers": whole[:50], "body": whole}[sent])
        assert ended(connection)

    assert_same(domicile, before)


def test_a_client_that_takes_too_slowly(domicile: Domicile) -> None:
    """It is cut while it is connected: the service ends long before its patience does."""
    domicile.tenant()
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with serving(domicile, QUICK) as service:
            with service.openai() as client:
                made = client.files.create(file=("a", bytes(50 * MIB)), purpose="fine-tune")
            slow.connect(("127.0.0.1", service.port))
            asked = (
                f"GET /v1/files/{made.id}/content HTTP/1.1\r\nhost: x\r\n"
                f"authorization: Bearer {service.key()}\r\n\r\n"
            )
            slow.sendall(asked.encode())
            assert slow.recv(12) == b"HTTP/1.1 200"
            began = monotonic()
        assert monotonic() - began < 20


def test_a_connection_that_is_used_again_is_not_cut(domicile: Domicile) -> None:
    """Many small requests one after the other are not slow."""
    domicile.tenant()
    statuses = set()
    with serving(domicile, QUICK) as service:
        headers = {"authorization": f"Bearer {service.key()}"}
        with closing(HTTPConnection("127.0.0.1", service.port)) as connection:
            until = monotonic() + 3
            while monotonic() < until:
                connection.request("GET", "/v1/files", headers=headers)
                answer = connection.getresponse()
                answer.read()
                statuses.add(answer.status)

    assert statuses == {200}
