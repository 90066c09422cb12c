"""The S3 backend: what errors of boto3 and of servers mean."""

import ssl
from collections.abc import Iterator
from xml.etree.ElementTree import ParseError

import pytest
import urllib3
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from storage.backends.s3.backend import S3Backend
from storage.backends.s3.failures import meaning
from storage.errors import (
    BackendError,
    BackendForbidden,
    BackendFull,
    BackendMisplaced,
    BackendTimeout,
    BackendUnavailable,
    KeyAbsent,
)
from storage.testing.s3 import S3Server
from tests.support.backends.s3 import backend_at


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
