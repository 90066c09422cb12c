"""A backend in a bucket of AWS, or of another server that speaks S3. Only this package uses boto3.

``open_s3`` opens one; boto3, which takes long to import, is imported then.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, SecretStr

from regions.backends import S3Spec
from regions.fields import PostureCheck
from storage.ports import Backend

if TYPE_CHECKING:
    from storage.backends.s3.bucket import Bucket


class S3Credentials(BaseModel):
    """An access key for one bucket. Neither ``repr`` nor an error shows any part of it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )

    access_key: SecretStr
    """The access key of an S3 backend. Without both keys, boto3 searches for credentials itself."""
    secret_key: SecretStr
    """The secret key of an S3 backend."""
    session_token: SecretStr | None = None
    """The session token of temporary credentials."""


def open_s3(
    spec: S3Spec,
    *,
    credentials: S3Credentials | None,
    timeout: float,
    clock: Callable[[], float],
) -> Backend:
    """Return the bucket as a backend. Without ``credentials`` boto3 searches for some."""
    from storage.backends.s3.backend import S3Backend  # noqa: PLC0415 - imports boto3

    bucket = _bucket(spec, credentials, timeout, clock)
    return S3Backend(bucket, attested_off=spec.attested_off, longest_request=spec.longest_request)


def make_bucket(
    spec: S3Spec,
    *,
    credentials: S3Credentials | None,
    timeout: float,
    clock: Callable[[], float],
    refuse_foreign: Callable[[], None],
) -> frozenset[PostureCheck]:
    """Create the bucket if it is absent, and set it up. Return what the server cannot set.

    ``refuse_foreign`` raises if what is in an existing bucket is not ours: it is then untouched.
    """
    from storage.backends.s3 import creation  # noqa: PLC0415 - imports boto3

    bucket = _bucket(spec, credentials, timeout, clock)
    if not creation.exists(bucket):
        creation.create(bucket, spec.aws_region, locks=spec.object_lock)
    refuse_foreign()
    return creation.set_up(bucket, versions="versions" not in spec.attested_off)


def _bucket(
    spec: S3Spec,
    credentials: S3Credentials | None,
    timeout: float,
    clock: Callable[[], float],
) -> "Bucket":
    from storage.backends.s3.bucket import Bucket  # noqa: PLC0415 - imports boto3

    return Bucket(
        spec.name,
        spec.bucket,
        spec.aws_region,
        endpoint_url=spec.endpoint_url,
        credentials=credentials,
        timeout=timeout,
        clock=clock,
    )
