"""Root keys in AWS KMS. Only this package and the S3 backend use boto3, which they import late.

KMS checks who calls and no permit: it stands behind a key service.
"""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, SecretStr

from regions.endpoints import aws_region_of_kms_key, is_kms_endpoint
from regions.model import Locations, Region
from storage.errors import SettingsError
from storage.ports import RootKeys

if TYPE_CHECKING:
    from storage.crypto.kms.root import KmsRootKeys


class KmsKey(BaseModel):
    """A KMS key, and an access key to use it. Neither ``repr`` nor an error shows a secret."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )

    key: str
    """The ARN of the KMS key that wraps new day keys. Not of an alias or a multi-Region key."""
    endpoint_url: str | None = None
    """The endpoint of KMS in the region of the key. Unset: the public one."""
    access_key: SecretStr | None = None
    """The access key for KMS. Without both keys, boto3 searches for credentials itself."""
    secret_key: SecretStr | None = None
    """The secret key for KMS."""
    session_token: SecretStr | None = None
    """The session token of temporary credentials."""


def check_place(given: KmsKey, region: Region, known: Locations) -> str:
    """Return the AWS region of the key. Raises SettingsError unless it is in the jurisdiction."""
    aws = aws_region_of_kms_key(given.key)
    if aws is None:
        raise SettingsError(
            f"The KMS key of {region.name} is not the ARN of a key in one region.",
            advice="Give the ARN of a single-Region key: arn:aws:kms:REGION:ACCOUNT:key/ID.",
        )
    where = known.aws.get(aws)
    if where != region.jurisdiction:
        found = "not in locations.toml" if where is None else f"in {where}"
        raise SettingsError(
            f"The KMS key of {region.name} is in {aws}, which is {found}, not in "
            f"{region.jurisdiction}.",
            advice="Root keys stay in the jurisdiction of their region.",
        )
    if given.endpoint_url is not None and not is_kms_endpoint(given.endpoint_url, aws):
        raise SettingsError(
            f"The endpoint of the KMS key of {region.name} does not say that it is in {aws}.",
            advice=f"Use https://kms.{aws}.amazonaws.com, or leave it out.",
        )
    return aws


def open_kms(
    given: KmsKey, region: Region, known: Locations, *, older: RootKeys | None = None
) -> "KmsRootKeys":
    """Return the root keys in KMS. ``older``: a key file that opens what it wrapped before.

    Raises SettingsError, as ``check_place`` does.
    """
    from storage.crypto.kms.root import KmsRootKeys  # noqa: PLC0415 - imports botocore

    aws = check_place(given, region, known)
    return KmsRootKeys(given, region=region.name, aws_region=aws, older=older)
