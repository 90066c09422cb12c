"""What the S3 backend makes of answers that moto does not give."""

import base64
import hashlib
import ssl
import time
from collections.abc import Callable, Iterator
from xml.etree.ElementTree import ParseError

import pytest
import urllib3
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from storage.backends.s3 import upload as uploading
from storage.backends.s3.backend import S3Backend
from storage.backends.s3.bucket import Bucket, TimedBody
from storage.backends.s3.failures import meaning
from storage.backends.s3.upload import PART
from storage.errors import (
    BackendError,
    BackendForbidden,
    BackendFull,
    BackendMisplaced,
    BackendTimeout,
    BackendUnavailable,
    KeyAbsent,
    PurgeIncomplete,
)
from storage.ports import ItemKind
from storage.testing.s3 import CREDENTIALS, Answer, LoopbackServer, Request, S3Server
from tests.support.backends.s3 import BODY, KEY, UPLOAD_ID, at_home, backend_at, put


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


EMPTY = Answer(body=b"<R><IsTruncated>false</IsTruncated></R>")


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
    """One that is missing is noticed at opening, not when somebody asks to be forgotten."""

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
    page = f"<R><IsTruncated>false</IsTruncated>{entry * 1001}</R>".encode()
    scripted.answer = lambda request: Answer(body=page) if "versions" in request.query else EMPTY
    other.purge(KEY)

    deletes = [request.body for request in scripted.requests if is_delete(request)]
    assert [body.count(b"<VersionId>") for body in deletes] == [1000, 1]


# --- Listings


def uploads_page(keys: list[str], *, more: str = "") -> Answer:
    """A page of ListMultipartUploads."""
    entries = "".join(
        f"<Upload><Key>{key}</Key><UploadId>u-{number}</UploadId></Upload>"
        for number, key in enumerate(keys)
    )
    truncated = "true" if more else "false"
    body = f"<R><IsTruncated>{truncated}</IsTruncated>{more}{entries}</R>"
    return Answer(body=body.encode())


def test_all_pages_of_uploads_are_read(scripted: LoopbackServer, other: S3Backend) -> None:
    """Moto has one page; S3 has as many as it takes, and each goes on where the last ended."""

    def answer(request: Request) -> Answer:
        if "uploads" not in request.query:
            return EMPTY
        marks = (request.query.get("key-marker"), request.query.get("upload-id-marker"))
        if marks == (None, None):
            more = "<NextKeyMarker>b</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>"
            return uploads_page(["b", "a"], more=more)
        assert marks == ("b", "u")
        return uploads_page(["b", "c"])

    scripted.answer = answer

    assert [trace.key for trace in other.scan()] == ["a", "b", "b", "c"]
    assert len(other.list_key("b")) == 2


@pytest.mark.parametrize("more", [" ", "<NextKeyMarker>a</NextKeyMarker>"])
@pytest.mark.parametrize("call", ["list_key", "purge", "scan"])
def test_a_listing_that_breaks_off_is_not_the_end(
    scripted: LoopbackServer, other: S3Backend, call: str, more: str
) -> None:
    """It says that there is more, but not where, or always the same: then nothing is known."""
    first = uploads_page([], more="<NextKeyMarker>a</NextKeyMarker>")
    scripted.answer = lambda request: (
        uploads_page([], more=more) if "key-marker" in request.query else first
    )

    with pytest.raises(BackendUnavailable, match="ends early"):
        list(getattr(other, call)("a") or [])


def test_a_server_without_versions_has_to_be_attested(
    scripted: LoopbackServer, other: S3Backend
) -> None:
    """A listing that is refused is never taken for an empty one."""
    scripted.answer = lambda request: (
        Answer.error(501, "NotImplemented") if "versions" in request.query else EMPTY
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
        EMPTY if request.method == "GET" and "uploads" in request.query else None
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
    monkeypatch.setattr(uploading, "_MOST_PARTS", 1)

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
        return Answer(headers={"ETag": '"e"'}, body=b"" if request.method == "PUT" else UPLOAD_ID)

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


# --- What errors mean


@pytest.mark.parametrize(
    "error",
    [
        ResponseParserError("secret"),
        ParseError("secret"),
        urllib3.exceptions.SSLError("secret"),
        TimeoutError("secret"),
        boto.HTTPClientError(error="secret"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_boto_lets_through_becomes_ours(backend: S3Backend, error: Exception) -> None:
    """Not all of its errors are of its own family; each comes after something may be sent."""

    def fail(*_: object) -> None:
        raise error

    with pytest.raises(BackendTimeout) as caught:
        backend._bucket.write(fail, timeout=10)
    with pytest.raises(BackendUnavailable):
        backend._bucket.ask(fail)

    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None


def answered(status: int, code: str = "") -> boto.ClientError:
    """An error answer."""
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return boto.ClientError(answer, "PutObject")  # type: ignore[arg-type]


NOTHING_SENT = [
    boto.EndpointConnectionError(endpoint_url="https://x/secret"),
    boto.ConnectTimeoutError(endpoint_url="https://x/secret"),
    boto.ProxyConnectionError(proxy_url="https://x"),
]
NO_CREDENTIALS = [
    boto.NoCredentialsError(),
    boto.PartialCredentialsError(provider="env", cred_var="x"),
    boto.CredentialRetrievalError(provider="x", error_msg="x"),
]
UNKNOWN = [
    boto.ConnectionClosedError(endpoint_url="https://x/secret"),
    boto.HTTPClientError(error="x"),
    boto.SSLError(endpoint_url="https://x/secret", error=ssl.SSLError("bad record mac")),
    boto.ResponseStreamingError(error="x"),
    ResponseParserError("secret"),
    OSError("x"),
]


@pytest.mark.parametrize("writes", [False, True])
@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (301, "PermanentRedirect", BackendMisplaced),
        (307, "TemporaryRedirect", BackendMisplaced),
        (301, "301", BackendMisplaced),
        (400, "AuthorizationHeaderMalformed", BackendMisplaced),
        (400, "IllegalLocationConstraintException", BackendMisplaced),
        (404, "NoSuchBucket", BackendMisplaced),
        (403, "AccessDenied", BackendForbidden),
        (403, "SignatureDoesNotMatch", BackendForbidden),
        (403, "InvalidAccessKeyId", BackendForbidden),
        (403, "RequestTimeTooSkewed", BackendForbidden),
        (400, "ExpiredToken", BackendForbidden),
        (403, "SomethingNew", BackendForbidden),
        (401, "", BackendForbidden),
        (403, "QuotaExceeded", BackendFull),
        (507, "XMinioStorageFull", BackendFull),
        (507, "", BackendFull),
        (501, "NotImplemented", BackendUnavailable),
        (400, "BadDigest", BackendUnavailable),
        (429, "TooManyRequests", BackendUnavailable),
        (400, "RequestTimeout", BackendTimeout),
    ],
)
def test_an_answer_has_a_meaning(
    status: int,
    code: str,
    expected: type[BackendError],
    writes: bool,  # noqa: FBT001
) -> None:
    """The same for reads and writes: the server has decided."""
    found = meaning("s3", answered(status, code), writes=writes)

    assert type(found) is expected


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchVersion", "NoSuchUpload", "404", ""])
def test_absent_is_for_reads(code: str) -> None:
    """A write that finds nothing has failed; it has not found out that there is nothing."""
    assert type(meaning("s3", answered(404, code), writes=False)) is KeyAbsent
    assert type(meaning("s3", answered(404, code), writes=True)) is BackendUnavailable


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520])
def test_a_server_error_leaves_a_write_unknown(status: int) -> None:
    """It may have happened before the server failed."""
    assert type(meaning("s3", answered(status), writes=True)) is BackendTimeout
    assert type(meaning("s3", answered(status), writes=False)) is BackendUnavailable


@pytest.mark.parametrize(
    ("errors", "write", "read"),
    [
        (NOTHING_SENT, BackendUnavailable, BackendUnavailable),
        (NO_CREDENTIALS, BackendForbidden, BackendForbidden),
        (UNKNOWN, BackendTimeout, BackendUnavailable),
        ([boto.ReadTimeoutError(endpoint_url="https://x")], BackendTimeout, BackendTimeout),
    ],
    ids=["nothing sent", "no credentials", "unknown", "timeout"],
)
def test_no_answer_has_a_meaning(
    errors: list[Exception], write: type[BackendError], read: type[BackendError]
) -> None:
    """Known to be not stored only where nothing can have been sent; and no URL is shown."""
    for error in errors:
        assert type(meaning("s3", error, writes=True)) is write
        assert type(meaning("s3", error, writes=False)) is read
        assert "secret" not in str(meaning("s3", error, writes=True))
