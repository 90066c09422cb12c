"""An upload to a bucket: parts of 8 MiB, or a single request for less."""

import base64
import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

from storage.backends.s3.bucket import Bucket
from storage.backends.s3.responses import InvalidResponse
from storage.backends.s3.signed import send
from storage.backends.uploads import AbortingUpload
from storage.errors import BackendFull, BackendUnavailable, KeyAbsent

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef

PART = 8 * 1024 * 1024
"""Bytes of a part. S3 requires 5 MiB, and accepts 10,000 parts: 78 GiB."""

_MOST_PARTS = 10_000


def put(bucket: Bucket, key: str, data: bytes, *, timeout: float) -> str | None:
    """Store an object in one request; return its version. None: the bucket has no versions."""
    # Until the server says that it goes on, the body is not sent: it may redirect, or refuse.
    headers = {"Content-MD5": md5(data)} | ({"Expect": "100-continue"} if data else {})

    def write(s3: "S3Client", left: float) -> str | None:
        body = bucket.sending(data, left)
        answer = send(s3, "PutObject", bucket.name, key, headers=headers, body=body)
        version: str | None = answer["headers"].get("x-amz-version-id")
        return version

    return bucket.write(write, timeout=timeout)


def begin(bucket: Bucket, key: str, *, timeout: float) -> str:
    """Start a multipart upload; return its id."""

    def create(s3: "S3Client", _: float) -> str:
        answer = s3.create_multipart_upload(Bucket=bucket.name, Key=key)
        if answer["Key"] != key or not answer["UploadId"]:
            raise InvalidResponse("an upload of another key, or without an id")
        return answer["UploadId"]

    return bucket.write(create, timeout=timeout)


def abort(bucket: Bucket, key: str, upload: str) -> None:
    """Remove an upload and its parts. An absent upload is not an error."""
    with suppress(KeyAbsent):
        bucket.ask(
            lambda s3: s3.abort_multipart_upload(Bucket=bucket.name, Key=key, UploadId=upload)
        )


def md5(data: bytes) -> str:
    """Return the value of Content-MD5, with which the server refuses other bytes."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


class S3Upload(AbortingUpload):
    """An upload that buffers one part in memory, and a duplicate of it while it is sent."""

    def __init__(self, bucket: Bucket, key: str, timeout: float) -> None:
        super().__init__()
        self._bucket, self._key, self._timeout = bucket, key, timeout
        self._id: str | None = None  # of the multipart upload, once there is one
        self._buffer = bytearray()
        self._parts: list[CompletedPartTypeDef] = []
        self._aborted = False

    def write(self, data: bytes) -> None:
        self._check()
        rest = memoryview(data)
        while rest:
            room = PART - len(self._buffer)
            self._buffer += rest[:room]
            rest = rest[room:]
            if len(self._buffer) == PART:
                self._send_part()

    def finish(self) -> None:
        self._check()
        if self._id is None:
            put(self._bucket, self._key, bytes(self._buffer), timeout=self._timeout)
        else:
            if self._buffer:
                self._send_part()
            self._complete(self._id)
        self.finished = True

    def abort(self) -> None:
        self._aborted = True
        self._buffer.clear()
        if self._id is not None and not self.finished:
            abort(self._bucket, self._key, self._id)

    def _send_part(self) -> None:
        if self._id is None:
            self._id = begin(self._bucket, self._key, timeout=self._timeout)
        upload = self._id
        number = len(self._parts) + 1
        if number > _MOST_PARTS:
            raise BackendFull(self._bucket.backend, f"an upload may have {_MOST_PARTS} parts")
        data = bytes(self._buffer)
        digest = md5(data)
        self._buffer.clear()

        def send_part(s3: "S3Client", left: float) -> str:
            return s3.upload_part(
                Bucket=self._bucket.name,
                Key=self._key,
                UploadId=upload,
                PartNumber=number,
                Body=self._bucket.sending(data, left),
                ContentMD5=digest,
            )["ETag"]

        tag = self._bucket.write(send_part, timeout=self._timeout)
        self._parts.append({"PartNumber": number, "ETag": tag})

    def _complete(self, upload: str) -> None:
        self._bucket.write(
            lambda s3, _: s3.complete_multipart_upload(
                Bucket=self._bucket.name,
                Key=self._key,
                UploadId=upload,
                MultipartUpload={"Parts": self._parts},
            ),
            timeout=self._timeout,
        )

    def _check(self) -> None:
        if self._aborted or self.finished:
            raise BackendUnavailable(self._bucket.backend, "the upload has ended")
