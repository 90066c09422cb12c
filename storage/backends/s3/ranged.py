"""GET of an object with botocore's signer and connections alone, in half of boto3's time.

Without the parts that look for an endpoint, check parameters and read XML: the endpoint is known,
the key is one of ours, and there is no XML unless it is an error. What guards a client is asked
here too, as it listens to the same events.

This relies on private attributes of botocore; a test fails if a new version gets past it.
"""

from contextlib import closing
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

from botocore.awsrequest import AWSRequest
from botocore.endpoint import convert_to_response_dict
from botocore.exceptions import ClientError

from storage.backends.s3.responses import InvalidResponse

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

OPERATION: Final = "GetObject"


def read(
    s3: "S3Client",
    bucket: str,
    key: str,
    start: int,
    stop: int | None,
    *,
    version: str | None = None,
    most: int,
) -> bytes:
    """Return bytes ``start`` to ``stop`` (exclusive) of an object, at most ``most``.

    Raises what ``S3Client.get_object`` raises, and InvalidResponse for other bytes.
    """
    request = _request(s3, bucket, key, version)
    if start or stop is not None:
        request.headers["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
    response = _send(s3, request)
    status = response["status_code"]
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return b""
    if status >= HTTPStatus.MULTIPLE_CHOICES:
        shape, inner = s3.meta.service_model.operation_model(OPERATION).output_shape, _inner(s3)
        raise ClientError(inner._response_parser.parse(response, shape), OPERATION)  # noqa: SLF001
    partial = status == HTTPStatus.PARTIAL_CONTENT
    if partial and not response["headers"].get("content-range", "").startswith(f"bytes {start}-"):
        raise InvalidResponse("another range")
    skipped = 0 if partial else start  # a server that ignores ranges sends the whole
    with closing(response["body"]) as body:
        data: bytes = body.read(skipped + most)
        if len(data) < skipped + most:
            body.read(1)  # at the end, botocore compares the length with the one announced
        elif partial and body.read(1):
            raise InvalidResponse("more bytes than the range")
    return data[skipped:]


def _request(s3: "S3Client", bucket: str, key: str, version: str | None) -> AWSRequest:
    own, path = urlsplit(s3.meta.endpoint_url), f"/{key}"
    if _inner(s3).meta.config.s3["addressing_style"] == "path":
        path = f"{own.path.rstrip('/')}/{bucket}/{key}"
    else:
        own = own._replace(netloc=f"{bucket}.{own.netloc}")
    request = AWSRequest(
        method="GET",
        url=urlunsplit(own._replace(path=path)),
        params={} if version is None else {"versionId": version},
        stream_output=True,
    )
    request.context["client_config"] = s3.meta.config
    return request


def _send(s3: "S3Client", request: AWSRequest) -> dict[str, Any]:
    """Sign and send; return the response as botocore's events have it."""
    inner, events = _inner(s3), s3.meta.events
    signer = inner._request_signer.get_auth_instance("s3", s3.meta.region_name, "s3v4")  # noqa: SLF001
    signer.add_auth(request)
    prepared = request.prepare()
    given = events.emit(f"before-send.s3.{OPERATION}", request=prepared)
    answer = next((one for _, one in given if one is not None), None)
    if answer is None:
        answer = inner._endpoint.http_session.send(prepared)  # noqa: SLF001
    model = s3.meta.service_model.operation_model(OPERATION)
    response: dict[str, Any] = convert_to_response_dict(answer, model)
    events.emit(
        f"before-parse.s3.{OPERATION}",
        operation_model=model,
        response_dict=response,
        customized_response_dict={},
    )
    return response


def _inner(s3: "S3Client") -> Any:  # noqa: ANN401 - what its type does not name
    return s3
