"""GET of an object, or of a part of it."""

from contextlib import closing
from http import HTTPStatus
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from storage.backends.s3.responses import InvalidResponse
from storage.backends.s3.signed import send

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


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
    query, headers = {}, {}
    if version is not None:
        query["versionId"] = version
    if start or stop is not None:
        headers["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
    try:
        response = send(s3, "GetObject", bucket, key, query=query, headers=headers)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return b""
        raise
    partial = response["status_code"] == HTTPStatus.PARTIAL_CONTENT
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
