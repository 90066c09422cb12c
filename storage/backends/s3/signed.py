"""A request with botocore's signer and connections alone, in less than half of boto3's time.

Without the parts that look for an endpoint, check parameters and read XML: the endpoint is known,
the parameters are ours, and there is no XML unless it is an error. What guards a client is asked
here too, as it listens to the same events. A request is sent once.

This relies on private attributes of botocore; tests fail if a new version gets past it.
"""

from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from botocore.awsrequest import AWSRequest
from botocore.endpoint import convert_to_response_dict
from botocore.exceptions import ClientError
from botocore.model import OperationModel
from botocore.utils import check_dns_name, percent_encode, percent_encode_sequence

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_FIRST_ERROR = 300


def send(
    s3: "S3Client",
    operation: str,
    bucket: str,
    key: str = "",
    *,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: IO[bytes] | None = None,
    unread: bool = False,
) -> dict[str, Any]:
    """Send a request; return the response as botocore's events have it: ``headers``, ``body``.

    ``unread``: the body of a success may be an error. botocore would read all of it to find out.
    Raises what the method of the client raises.
    """
    model = s3.meta.service_model.operation_model(operation)
    request = AWSRequest(
        method=model.http["method"],
        url=_url(s3, model, bucket, key, query or {}),
        headers={"User-Agent": _inner(s3).meta.config.user_agent, **(headers or {})},
        data=body or b"",
        stream_output=model.has_streaming_output,
    )
    request.context["client_config"] = s3.meta.config
    request.context["has_streaming_input"] = model.has_streaming_input
    response = _answer(s3, model, request, about="s3" if unread else f"s3.{operation}")
    if response["status_code"] >= _FIRST_ERROR:
        parsed = _inner(s3)._response_parser.parse(response, model.output_shape)  # noqa: SLF001
        raise ClientError(parsed, operation)
    return response


def _url(
    s3: "S3Client", model: OperationModel, bucket: str, key: str, query: Mapping[str, str]
) -> str:
    own = urlsplit(s3.meta.endpoint_url)
    path = f"/{percent_encode(key, safe='/~')}" if key else ""
    # TLS has no certificates for a bucket whose name has dots
    style = _inner(s3).meta.config.s3["addressing_style"]
    if style == "path" or not check_dns_name(bucket):
        path = f"{own.path.rstrip('/')}/{bucket}{path}"
    else:
        own = own._replace(netloc=f"{bucket}.{own.netloc}")
    words = [model.http["requestUri"].partition("?")[2], percent_encode_sequence(query)]
    return urlunsplit(own._replace(path=path or "/", query="&".join(filter(None, words))))


def _answer(
    s3: "S3Client", model: OperationModel, request: AWSRequest, *, about: str
) -> dict[str, Any]:
    """Sign and send. ``about``: whose listeners see the response."""
    endpoint, events = _inner(s3)._endpoint, s3.meta.events  # noqa: SLF001
    signer = _inner(s3)._request_signer.get_auth_instance("s3", s3.meta.region_name, "s3v4")  # noqa: SLF001
    signer.add_auth(request)
    prepared = endpoint.prepare_request(request)
    given = events.emit(f"before-send.s3.{model.name}", request=prepared)
    answer = next((one for _, one in given if one is not None), None)
    if answer is None:
        answer = endpoint.http_session.send(prepared)
    response: dict[str, Any] = convert_to_response_dict(answer, model)
    events.emit(
        f"before-parse.{about}",
        operation_model=model,
        response_dict=response,
        customized_response_dict={},
    )
    return response


def _inner(s3: "S3Client") -> Any:  # noqa: ANN401 - what its type does not name
    return s3
