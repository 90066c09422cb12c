"""The S3 backend: deletions and listings that moto does not give."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from storage.backends.s3.backend import S3Backend
from storage.backends.s3.bucket import Bucket
from storage.backends.s3.upload import PART
from storage.errors import (
    BackendError,
    BackendForbidden,
    BackendUnavailable,
    PurgeIncomplete,
)
from storage.ports import ItemKind
from storage.testing.s3 import CREDENTIALS, Answer, LoopbackServer, Request, S3Server
from tests.support.backends.s3 import BODY, HOME, KEY, backend_at, nothing, page, put


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


def is_delete(request: Request) -> bool:
    """Whether it is DeleteObjects."""
    return request.method == "POST" and "delete" in request.query


# --- Deletion


def refusing(code: str) -> Callable[[Request], Answer | None]:
    """A server that deletes nothing and says so inside of a 200."""
    body = f"<DeleteResult><Error><Key>{KEY}</Key><Code>{code}</Code></Error></DeleteResult>"
    return lambda request: Answer(body=body.encode()) if is_delete(request) else None


@pytest.mark.parametrize(
    ("code", "cause"), [("AccessDenied", BackendForbidden), ("InternalError", BackendUnavailable)]
)
def test_an_error_inside_of_a_success_is_an_error(
    server: S3Server, backend: S3Backend, code: str, cause: type[BackendError]
) -> None:
    """DeleteObjects answers 200 and lists what it did not delete."""
    put(backend)
    server.instead = refusing(code)

    with pytest.raises(PurgeIncomplete) as caught:
        backend.purge(KEY)

    assert type(caught.value.__cause__) is cause
    assert KEY not in f"{caught.value} {caught.value.__cause__}"
    assert backend.get(KEY) == BODY


@pytest.mark.parametrize("code", ["NoSuchVersion", "NoSuchKey"])
def test_what_is_gone_already_is_no_error(server: S3Server, backend: S3Backend, code: str) -> None:
    """Somebody else deleted it between the listing and the delete."""
    put(backend)
    server.instead = refusing(code)

    backend.purge(KEY)


def test_a_probe_says_that_deleting_is_forbidden(server: S3Server, backend: S3Backend) -> None:
    """Not that a purge is incomplete: that would be tried again, and this is for a human."""
    server.instead = refusing("AccessDenied")

    with pytest.raises(BackendForbidden):
        backend.probe("canary/1")


@pytest.mark.parametrize(
    ("method", "query"),
    [
        ("PUT", ""),
        ("GET", "location"),
        ("GET", "uploads"),
        ("GET", "versions"),
        ("POST", "uploads"),
        ("POST", "delete"),
        ("DELETE", "uploadId"),
    ],
)
def test_a_probe_uses_every_right(
    server: S3Server, backend: S3Backend, method: str, query: str
) -> None:
    """A missing right is noticed at opening, not at the first erasure."""

    def forbid(request: Request) -> Answer | None:
        if request.method == method and (not query or query in request.query):
            return Answer.error(403, "AccessDenied")
        return None

    server.instead = forbid

    with pytest.raises(BackendForbidden):
        backend.probe("canary/1")


def test_a_refused_abort_does_not_stop_the_purge(server: S3Server, backend: S3Backend) -> None:
    """What can go goes, and then the refusal is said."""
    put(backend)
    upload = backend.upload(KEY, timeout=10)
    upload.write(b"x" * PART)
    server.instead = lambda request: (
        Answer.error(403, "AccessDenied") if request.method == "DELETE" else None
    )

    with pytest.raises(PurgeIncomplete) as caught:
        backend.purge(KEY)

    assert isinstance(caught.value.__cause__, BackendForbidden)
    assert [trace.kind for trace in backend.list_key(KEY)] == [ItemKind.UPLOAD]


def test_many_versions_go_a_thousand_at_a_time(scripted: LoopbackServer, other: S3Backend) -> None:
    """DeleteObjects takes no more."""
    entry = f"<Key>{KEY}</Key><VersionId>v</VersionId><IsLatest>false</IsLatest><Size>1</Size>"
    entry = f"<Version>{entry}</Version>"
    scripted.answer = lambda request: (
        page(request, entry * 1001) if "versions" in request.query else nothing(request)
    )
    other.purge(KEY)

    deletes = [request.body for request in scripted.requests if is_delete(request)]
    assert [body.count(b"<VersionId>") for body in deletes] == [1000, 1]


# --- Listings


def of_uploads(request: Request, keys: list[str]) -> str:
    """Entries of ListMultipartUploads."""
    return "".join(
        f"<Upload><Key>{key}</Key><UploadId>u-{number}</UploadId></Upload>"
        for number, key in enumerate(keys)
        if key.startswith(request.query["prefix"])
    )


def test_all_pages_of_uploads_are_read(scripted: LoopbackServer, other: S3Backend) -> None:
    """Moto has one page; S3 has as many as it takes, and each goes on where the last ended."""

    def answer(request: Request) -> Answer:
        if "uploads" not in request.query:
            return nothing(request)
        marks = (request.query.get("key-marker"), request.query.get("upload-id-marker"))
        if marks == (None, None):
            more = "<NextKeyMarker>b</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>"
            return page(request, of_uploads(request, ["b", "a"]), more=more)
        assert marks == ("b", "u")
        return page(request, of_uploads(request, ["b", "c"]))

    scripted.answer = answer

    assert [trace.key for trace in other.scan()] == ["a", "b", "b", "c"]
    assert len(other.list_key("b")) == 2


@pytest.mark.parametrize("more", [" ", "<NextKeyMarker>a</NextKeyMarker>"])
@pytest.mark.parametrize("call", ["list_key", "purge", "scan"])
def test_a_listing_that_breaks_off_is_not_the_end(
    scripted: LoopbackServer, other: S3Backend, call: str, more: str
) -> None:
    """It says that there is more, but not where, or always the same: then nothing is known."""
    first = "<NextKeyMarker>a</NextKeyMarker>"
    scripted.answer = lambda request: page(
        request, more=more if "key-marker" in request.query else first
    )

    with pytest.raises(BackendUnavailable, match="does not advance"):
        list(getattr(other, call)("a") or [])


def test_a_server_without_versions_has_to_be_attested(
    scripted: LoopbackServer, other: S3Backend
) -> None:
    """A listing that is refused is never taken for an empty one."""
    scripted.answer = lambda request: (
        Answer.error(501, "NotImplemented") if "versions" in request.query else nothing(request)
    )

    with pytest.raises(BackendUnavailable):
        other.list_key(KEY)
    with pytest.raises(BackendUnavailable):
        other.purge(KEY)


@pytest.mark.parametrize(
    ("attested", "sees"),
    [
        (set(), {"object", "version", "marker", "upload"}),
        ({"versions"}, {"object", "upload"}),
        ({"uploads"}, {"object", "version", "marker"}),
        ({"versions", "uploads"}, {"object"}),
    ],
)
def test_what_is_attested_is_not_seen(attested: set[str], sees: set[str]) -> None:
    """And not asked for."""
    bucket = Bucket(
        "s3",
        "bucket",
        "eu-central-1",
        endpoint_url=None,
        credentials=None,
        timeout=1,
        clock=time.monotonic,
    )
    backend = S3Backend(bucket, attested_off=attested)  # type: ignore[arg-type]

    assert backend.listable == sees


def test_a_probe_notices_that_uploads_are_not_listed(server: S3Server, backend: S3Backend) -> None:
    """Else a receipt would say that none was seen where none can be."""
    server.instead = lambda request: (
        page(request) if request.method == "GET" and "uploads" in request.query else None
    )

    with pytest.raises(BackendUnavailable, match="attested_off"):
        backend.probe("canary/1")


def test_a_probe_notices_other_bytes(server: S3Server, backend: S3Backend) -> None:
    """A backend that mixes up its objects is not one to use."""
    server.instead = lambda request: (
        Answer(body=b"other") if request.method == "GET" and not request.query else None
    )

    with pytest.raises(BackendUnavailable, match="other bytes"):
        backend.probe("canary/1")


def test_a_probe_notices_what_stays(server: S3Server, backend: S3Backend) -> None:
    """A server that says yes to a delete and does nothing."""
    server.instead = lambda request: Answer(body=b"<DeleteResult/>") if is_delete(request) else None

    with pytest.raises(PurgeIncomplete):
        backend.probe("canary/1")


# --- moto in this process


def test_what_moto_answers_leaves_no_process() -> None:
    """A service may test with moto's decorator: reads are answered by it, as all the rest."""
    with mock_aws():
        backend = S3Backend(
            Bucket(
                "eu-a",
                "domicile-eu",
                HOME,
                endpoint_url=None,
                credentials=CREDENTIALS,
                timeout=5.0,
                clock=time.monotonic,
            )
        )
        place: Any = {"LocationConstraint": HOME}
        client = boto3.client("s3", region_name=HOME)
        client.create_bucket(Bucket="domicile-eu", CreateBucketConfiguration=place)
        backend.put(KEY, BODY, timeout=5.0)
        assert backend.get(KEY) == BODY
        assert backend.get(KEY, 1, 3) == BODY[1:3]
        backend.close()
        client.close()
