"""Translate errors of S3 into ours, and decide whether a write may have taken effect.

Our messages contain the server's error code and request id. They omit its message and the URL,
which name the object and may show what was signed.
"""

import re
import ssl
from http import HTTPStatus

from botocore import exceptions as boto
from urllib3.exceptions import HTTPError

from storage.backends.s3.responses import InvalidResponse
from storage.errors import (
    BackendError,
    BackendForbidden,
    BackendFull,
    BackendMisplaced,
    BackendTimeout,
    BackendUnavailable,
    KeyAbsent,
)

_MISPLACED = (
    "AuthorizationHeaderMalformed",  # signed for another region
    "IllegalLocationConstraintException",
    "NoSuchBucket",
    "PermanentRedirect",
    "Redirect",
    "TemporaryRedirect",
)
_FULL = ("InsufficientStorage", "QuotaExceeded", "ServiceQuotaExceeded", "XMinioStorageFull")
_NOT_KNOWN = (  # about who asks, whatever is asked
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
)
_FORBIDDEN = ("AccessDenied", "AllAccessDisabled", *_NOT_KNOWN)
ABSENT = frozenset({"NoSuchKey", "NoSuchUpload", "NoSuchVersion"})
"""Codes that mean: there is nothing to delete."""

_BY_CODE: dict[str, type[BackendError]] = {
    **dict.fromkeys(_MISPLACED, BackendMisplaced),
    **dict.fromkeys(_FULL, BackendFull),
    **dict.fromkeys(_FORBIDDEN, BackendForbidden),
    **dict.fromkeys(ABSENT, KeyAbsent),
    "RequestTimeout": BackendTimeout,
}
_BY_STATUS: dict[int, type[BackendError]] = {
    HTTPStatus.MOVED_PERMANENTLY: BackendMisplaced,
    HTTPStatus.FOUND: BackendMisplaced,
    HTTPStatus.TEMPORARY_REDIRECT: BackendMisplaced,
    HTTPStatus.PERMANENT_REDIRECT: BackendMisplaced,
    HTTPStatus.UNAUTHORIZED: BackendForbidden,
    HTTPStatus.FORBIDDEN: BackendForbidden,
    HTTPStatus.NOT_FOUND: KeyAbsent,
    HTTPStatus.METHOD_NOT_ALLOWED: KeyAbsent,  # a GET of the version that is a marker
    HTTPStatus.NOT_IMPLEMENTED: BackendUnavailable,
    HTTPStatus.INSUFFICIENT_STORAGE: BackendFull,
}
_NOTHING_SENT = (
    boto.ConnectTimeoutError,
    boto.EndpointConnectionError,
    boto.ProxyConnectionError,
)
_NO_ANSWER = (boto.BotoCoreError, HTTPError, OSError)
_NO_CREDENTIALS = (
    boto.CredentialRetrievalError,
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.TokenRetrievalError,
)


def refusal(backend: str, code: str) -> BackendError:
    """Return our error for an error code of one key in a ``DeleteObjects`` response."""
    return _BY_CODE.get(code, BackendUnavailable)(backend, f"it answers {_plain(code)} to a delete")


_REFUSALS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.NOT_IMPLEMENTED,
)


def is_refusal(error: boto.ClientError) -> bool:
    """Return whether a server refuses a question about a bucket, or does not know it."""
    answer, code = error.response.get("ResponseMetadata", {}), error.response["Error"].get("Code")
    return answer.get("HTTPStatusCode") in _REFUSALS and code not in (*_MISPLACED, *_NOT_KNOWN)


def meaning(backend: str, error: Exception, *, writes: bool, late: bool = False) -> BackendError:
    """Return our error for any error of boto3. ``writes``: the request was to store something.

    ``late``: the response took too long, or was too long. A write of unknown outcome is
    BackendTimeout, whatever the server responded.
    """
    if late:
        return BackendTimeout(backend, "its response took too long, or was too long")
    if isinstance(error, boto.ClientError):
        return _of_answer(backend, error, writes=writes)
    if isinstance(error, InvalidResponse):
        kind = BackendTimeout if writes else BackendUnavailable
        return kind(backend, f"invalid response: {error}")
    return _of_exception(backend, error, writes=writes)


def _of_exception(backend: str, error: Exception, *, writes: bool) -> BackendError:
    name = type(error).__name__
    if isinstance(error, _NO_CREDENTIALS):
        return BackendForbidden(backend, f"there are no credentials ({name})")
    if isinstance(error, _NOTHING_SENT):
        return BackendUnavailable(backend, f"no connection ({name})")
    if isinstance(error, boto.SSLError) and _is_certificate(error):
        return BackendUnavailable(backend, "its certificate is not trusted")
    what = "no answer" if isinstance(error, _NO_ANSWER) else "invalid response"
    if writes or isinstance(error, boto.ReadTimeoutError):
        return BackendTimeout(backend, f"{what} ({name})")
    return BackendUnavailable(backend, f"{what} ({name})")


def _of_answer(backend: str, error: boto.ClientError, *, writes: bool) -> BackendError:
    answer = error.response.get("ResponseMetadata", {})
    status, code = answer.get("HTTPStatusCode", 0), error.response.get("Error", {}).get("Code", "")
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status)
    if kind is None:
        unknown = writes and status >= HTTPStatus.INTERNAL_SERVER_ERROR
        kind = BackendTimeout if unknown else BackendUnavailable
    if writes and kind is KeyAbsent:  # the upload was purged meanwhile
        kind = BackendUnavailable
    request = _plain(answer.get("RequestId", ""))
    message = f"it answers {_plain(code)} ({status}) to {error.operation_name} [{request}]"
    return kind(backend, message)


def _plain(text: str) -> str:
    """Return the text if it looks like a code or id of the server; it may be a secret otherwise."""
    return text if re.fullmatch(r"[A-Za-z0-9-]{1,64}", text) else "-"


def _is_certificate(error: boto.SSLError) -> bool:
    """Return whether the handshake failed. A later TLS error may follow a sent request."""
    cause: object = error.kwargs.get("error")
    while isinstance(cause, BaseException):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.args[0] if cause.args else None
    return False
