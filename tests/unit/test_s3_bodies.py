"""The S3 backend: bodies, ranges and time."""

import base64
import hashlib
from collections.abc import Iterator

import pytest

from storage.backends.s3 import upload as upload_module
from storage.backends.s3.backend import S3Backend
from storage.backends.s3.bucket import Bucket, TimedBody
from storage.backends.s3.upload import PART
from storage.errors import (
    BackendFull,
    BackendTimeout,
)
from storage.testing.s3 import CREDENTIALS, Answer, LoopbackServer, Request, S3Server
from tests.support.backends.s3 import BODY, KEY, at_home, backend_at, put, uploading


@pytest.fixture
def server() -> Iterator[S3Server]:
    """The S3 of moto, with a versioned bucket."""
    with S3Server() as running:
        running.make_bucket("domicile-eu", "eu-central-1", versioned=True)
        yield running


@pytest.fixture
def backend(server: S3Server) -> Iterator[S3Backend]:
    """A backend in that bucket."""
    made = backend_at(server.url)
    yield made
    made.close()


@pytest.fixture
def scripted() -> Iterator[LoopbackServer]:
    """A server that answers what the test says."""
    with LoopbackServer(lambda _: Answer()) as running:
        yield running


@pytest.fixture
def other(scripted: LoopbackServer) -> Iterator[S3Backend]:
    """A backend at that server."""
    made = backend_at(scripted.url)
    yield made
    made.close()


# --- Bytes


def content_md5(request: Request) -> bool:
    """Whether Content-MD5 is that of the body."""
    digest = hashlib.md5(request.body, usedforsecurity=False).digest()
    return request.headers["Content-MD5"] == base64.b64encode(digest).decode()


def test_bodies_are_sent_with_their_digest_in_parts(server: S3Server, backend: S3Backend) -> None:
    """Ceph ignores other checksums; and memory is bounded however large a piece is written."""
    put(backend)
    with backend.upload(KEY, timeout=10) as upload:
        upload.write(b"x" * (2 * PART + 5))
        upload.finish()
    sent = [request for request in server.requests if request.method == "PUT"]

    assert [len(request.body) for request in sent] == [len(BODY), PART, PART, 5]
    assert all(content_md5(request) for request in sent)


def test_an_upload_has_no_more_parts_than_s3_takes(
    server: S3Server, backend: S3Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused clearly, and taken back."""
    monkeypatch.setattr(upload_module, "_MOST_PARTS", 1)

    def store() -> None:
        with backend.upload(KEY, timeout=10) as upload:
            upload.write(b"x" * 2 * PART)

    with pytest.raises(BackendFull, match="parts"):
        store()

    assert backend.list_key(KEY) == []


def test_an_error_inside_of_a_completion_is_unknown(
    scripted: LoopbackServer, other: S3Backend
) -> None:
    """CompleteMultipartUpload may answer 200 first and fail then."""

    def answer(request: Request) -> Answer:
        if request.method == "POST" and "uploadId" in request.query:
            return Answer(body=b"<Error><Code>InternalError</Code></Error>")
        return uploading(request)

    scripted.answer = at_home(answer)
    upload = other.upload(KEY, timeout=10)
    upload.write(b"x" * PART)

    with pytest.raises(BackendTimeout):
        upload.finish()


@pytest.mark.parametrize(("start", "stop"), [(2, 5), (2, None), (0, 3), (9, 20), (20, 30)])
def test_a_server_that_ignores_ranges_is_understood(
    scripted: LoopbackServer, other: S3Backend, start: int, stop: int | None
) -> None:
    """It sends the whole; the caller still gets what it asked for."""
    scripted.answer = lambda _: Answer(body=b"0123456789")

    assert other.get(KEY, start, stop) == b"0123456789"[start:stop]


def test_a_range_is_one_request_for_exactly_its_bytes(server: S3Server, backend: S3Backend) -> None:
    """Packs are large, records are small."""
    put(backend)
    server.requests.clear()
    backend.get(KEY, 4, 8)

    assert [request.headers.get("Range") for request in server.requests] == ["bytes=4-7"]


# --- Time


def test_a_body_cannot_be_sent_for_ever() -> None:
    """A timeout of boto3's begins anew with every piece; the body itself has an end."""
    now = [10.0]
    body = TimedBody(b"x" * 100, lambda: now[0], 12.0)

    assert body.read(10) == b"x" * 10

    now[0] = 12.0

    with pytest.raises(TimeoutError):
        body.read(10)


def test_a_slow_server_does_not_get_the_whole_body(scripted: LoopbackServer) -> None:
    """The attempt ends, its outcome is unknown to us, and the server has nothing to store."""
    scripted.answer = at_home(lambda _: Answer())
    ticks = iter(range(10**6))
    bucket = Bucket(
        "s3",
        "bucket",
        "eu-central-1",
        endpoint_url=scripted.url,
        credentials=CREDENTIALS,
        timeout=10,
        clock=lambda: next(ticks) / 10,
    )
    backend = S3Backend(bucket)

    with pytest.raises(BackendTimeout):
        backend.put(KEY, b"x" * PART, timeout=10)

    assert [request.method for request in scripted.requests] == ["GET"]
    backend.close()


def test_there_are_few_clients(backend: S3Backend) -> None:
    """Each has connections of its own; attempts of about the same time share one."""
    for number in range(50):
        backend.put(KEY, BODY, timeout=10 + number / 50)

    assert len(backend._bucket._clients) <= 4
