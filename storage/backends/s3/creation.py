"""Make a bucket that keeps objects and does nothing else with them. See ``posture``.

Every step can be repeated, and may be done by two at once.
"""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from regions.fields import PostureCheck
from storage.backends.s3.bucket import Bucket
from storage.backends.s3.posture import BLOCKS
from storage.errors import BackendInUse

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_ABSENT = frozenset({"NoSuchBucket", "404", "NotFound"})
_DONE_BY_ANOTHER = frozenset({"BucketAlreadyOwnedByYou", "OperationAborted"})
_OF_ANOTHER = "BucketAlreadyExists"
_UNABLE = frozenset({"NotImplemented", "MethodNotAllowed", "XNotImplemented", "InvalidArgument"})
_NONCURRENT_DAYS, _UPLOAD_DAYS = 1, 1
_NO_DEFAULT_LOCATION = "us-east-1"  # must not be named as a constraint


def exists(bucket: Bucket) -> bool:
    """Return whether the bucket is there. Raises BackendMisplaced if it is elsewhere."""

    def ask(s3: "S3Client") -> bool:
        try:
            s3.get_bucket_location(Bucket=bucket.name)
        except ClientError as error:
            if error.response["Error"].get("Code") in _ABSENT:
                return False
            raise
        return True

    found = bucket.ask(ask)
    if found:
        bucket.check_place()
    return found


def create(bucket: Bucket, region: str, *, locks: bool) -> None:
    """Create the bucket. ``locks``: with object lock, which only a new bucket can get.

    Raises BackendInUse if it belongs to another.
    """
    options: dict[str, Any] = {"ObjectLockEnabledForBucket": True} if locks else {}
    if region != _NO_DEFAULT_LOCATION:
        options["CreateBucketConfiguration"] = {"LocationConstraint": region}

    def ask(s3: "S3Client") -> None:
        try:
            s3.create_bucket(Bucket=bucket.name, **options)
        except ClientError as error:
            code = error.response["Error"].get("Code")
            if code == _OF_ANOTHER:
                reason = "a bucket of that name belongs to another"
                raise BackendInUse(bucket.backend, reason) from None
            if code not in _DONE_BY_ANOTHER:
                raise

    bucket.ask(ask)
    bucket.check_place()


def set_up(bucket: Bucket, *, versions: bool) -> frozenset[PostureCheck]:
    """Refuse what is public or without TLS; keep versions for a day, if ``versions`` is true.

    Return what the server cannot set: somebody has to know that it is so. Raises BackendError.
    """
    settings: dict[PostureCheck, Callable[[S3Client], object]] = {
        PostureCheck.PUBLIC_ACCESS: lambda s3: s3.put_public_access_block(
            Bucket=bucket.name, PublicAccessBlockConfiguration=_blocks(on_aws=bucket.is_aws)
        ),
        PostureCheck.LIFECYCLE: lambda s3: s3.put_bucket_lifecycle_configuration(
            Bucket=bucket.name, LifecycleConfiguration={"Rules": [_rule(versions=versions)]}
        ),
        PostureCheck.TRANSPORT: lambda s3: s3.put_bucket_policy(
            Bucket=bucket.name, Policy=json.dumps(tls_policy(bucket.name, on_aws=bucket.is_aws))
        ),
        PostureCheck.VERSIONING: lambda s3: s3.put_bucket_versioning(
            Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"}
        ),
    }
    if bucket.is_local:
        del settings[PostureCheck.TRANSPORT]
    if not versions or bucket.has_locks():  # with locks it has versions, and some refuse to hear it
        del settings[PostureCheck.VERSIONING]
    return frozenset(check for check, change in settings.items() if not _set(bucket, change))


def tls_policy(name: str, *, on_aws: bool) -> dict[str, object]:
    """Return a policy that denies everyone everything without TLS."""
    test = "Bool" if on_aws else "BoolIfExists"  # Ceph sets the key for requests with TLS alone
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "OnlyWithTLS",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"],
                "Condition": {test: {"aws:SecureTransport": "false"}},
            }
        ],
    }


def _blocks(*, on_aws: bool) -> Any:  # noqa: ANN401 - types_boto3 wants its own type
    """Return what blocks public access. With BlockPublicAcls Ceph 16 denies every PUT.

    Access lists that are ignored need not be blocked.
    """
    return {name: on_aws or name != "BlockPublicAcls" for name in BLOCKS}


def _rule(*, versions: bool) -> Any:  # noqa: ANN401 - types_boto3 wants its own type
    """Return the only lifecycle that harms nothing: uploads that were left, and old versions."""
    rule: dict[str, object] = {
        "ID": "domicile",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": _UPLOAD_DAYS},
    }
    if versions:
        rule["NoncurrentVersionExpiration"] = {"NoncurrentDays": _NONCURRENT_DAYS}
        rule["Expiration"] = {"ExpiredObjectDeleteMarker": True}
    return rule


def _set(bucket: Bucket, change: "Callable[[S3Client], object]") -> bool:
    """Return whether the server could do it."""

    def ask(s3: "S3Client") -> bool:
        try:
            change(s3)
        except ClientError as error:
            if error.response["Error"].get("Code") in _UNABLE:
                return False
            raise
        return True

    return bucket.ask(ask)
