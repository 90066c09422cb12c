"""Check that a response is what was asked for, before botocore reads it.

botocore takes any root element for the one that it expects, and ``maybe`` for false. So all that
proves something is checked in the XML itself. Listings are read by us: see ``pages``.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, ParseError, fromstring

from botocore.model import OperationModel

from storage.backends.s3.vocabulary import Unread, check_read, local_name

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_ROOTS: Mapping[str, tuple[str, ...]] = {
    "CompleteMultipartUpload": ("CompleteMultipartUploadResult",),
    "CreateMultipartUpload": ("InitiateMultipartUploadResult",),
    "DeleteObjects": ("DeleteResult",),
    "GetBucketAcl": ("AccessControlPolicy",),
    "GetBucketLifecycleConfiguration": ("LifecycleConfiguration",),
    # the second name is that of SeaweedFS, which states no region
    "GetBucketLocation": ("LocationConstraint", "CreateBucketConfiguration"),
    "GetBucketLogging": ("BucketLoggingStatus",),
    # the second names are those of moto
    "GetBucketNotificationConfiguration": (
        "NotificationConfiguration",
        "GetBucketNotificationResponse",
    ),
    "GetBucketPolicyStatus": ("PolicyStatus",),
    "GetBucketReplication": ("ReplicationConfiguration",),
    "GetBucketVersioning": ("VersioningConfiguration", "GetBucketVersioningResponse"),
    "GetObjectLockConfiguration": ("ObjectLockConfiguration",),
    "GetPublicAccessBlock": ("PublicAccessBlockConfiguration",),
    "ListBucketInventoryConfigurations": (
        "ListInventoryConfigurationsResult",
        "ListBucketInventoryConfigurationsResponse",
    ),
}
_SETTINGS = _ROOTS.keys() - {
    "CompleteMultipartUpload",
    "CreateMultipartUpload",
    "DeleteObjects",
    "GetBucketLocation",
}
_KEEP = {"PutObject", "UploadPart"}
_CREATED = {HTTPStatus.CREATED, HTTPStatus.NO_CONTENT}
_OK, _FIRST_ERROR = 200, 300


class InvalidResponse(Exception):
    """A response is not one to the request. The message has no text of the server."""


def install(client: "S3Client") -> None:
    """Check every later response that a client gets."""

    def check(
        operation_model: OperationModel, response_dict: Mapping[str, Any], **_: object
    ) -> None:
        status = response_dict["status_code"]
        if _OK < status < _FIRST_ERROR and not _is_done(operation_model.name, response_dict):
            raise InvalidResponse(f"status {status}")
        if _OK <= status < _FIRST_ERROR:
            check_response(operation_model.name, response_dict["body"])
            check_settings(operation_model, response_dict["body"])

    client.meta.events.register_first("before-parse.s3", check)


def _is_done(operation: str, response: Mapping[str, Any]) -> bool:
    """Return whether a response with a status from 201 to 299 says that an operation is done."""
    if operation in _KEEP:  # Ceph may be set to answer so (rgw_s3_success_create_obj_status)
        return response["status_code"] in _CREATED and "etag" in response["headers"]
    return bool(response["status_code"] != HTTPStatus.ACCEPTED)


def check_response(operation: str, body: object) -> None:
    """Raise InvalidResponse unless the body of a success is one that the operation returns."""
    if operation not in _ROOTS:
        return
    root = parse(body)
    if local_name(root) == "Error":
        return  # some servers send it with status 200; botocore raises it
    if local_name(root) not in _ROOTS[operation]:
        raise InvalidResponse("another root element")
    if operation == "GetBucketLocation" and len(root) and _text(root, "LocationConstraint"):
        raise InvalidResponse("a region that is not read")


def check_settings(operation: OperationModel, body: object) -> None:
    """Raise InvalidResponse if a part of an answer about a bucket would not be read."""
    if operation.name not in _SETTINGS:
        return
    root = parse(body)
    if local_name(root) == "Error":
        return
    try:
        check_read(root, operation.output_shape)
    except Unread as error:
        raise InvalidResponse(str(error)) from None


def parse(body: object) -> Element:
    """Return the root of an XML document. Raises InvalidResponse."""
    # Neither a declaration nor a comment, nor UTF-16, in which they would look otherwise.
    if not isinstance(body, bytes) or b"<!" in body or b"\0" in body:
        raise InvalidResponse("not XML")
    try:
        return fromstring(body)  # noqa: S314 - it has no declaration, so no entities
    except (ParseError, ValueError, LookupError):  # LookupError: an unknown encoding
        raise InvalidResponse("not XML") from None


def _text(parent: Element, name: str) -> str:
    """Return the text of the only child of that name. Raises InvalidResponse if there are more."""
    found = [child for child in parent if local_name(child) == name]
    if len(found) > 1:
        raise InvalidResponse(f"more than one {name}")
    return (found[0].text or "") if found else ""
