"""Read the posture of a bucket."""

from regions.fields import PostureCheck
from storage.backends.s3.backend import S3Backend
from storage.backends.s3.bucket import Bucket
from storage.model import Posture
from storage.testing.s3 import CREDENTIALS, S3Server
from tests.support.backends.s3 import HOME

NAME = "domicile-eu"

QUESTIONS = {
    "replication": PostureCheck.REPLICATION,
    "policyStatus": PostureCheck.PUBLIC_ACCESS,
    "acl": PostureCheck.PUBLIC_ACCESS,
    "lifecycle": PostureCheck.LIFECYCLE,
    "object-lock": PostureCheck.DEFAULT_RETENTION,
    "inventory": PostureCheck.INVENTORY,
    "logging": PostureCheck.ACCESS_LOGS,
    "notification": PostureCheck.NOTIFICATIONS,
    "versioning": PostureCheck.VERSIONING,
}
"""The checks by what the query of a question contains."""


def backend(url: str, *, listed: bool = True) -> S3Backend:
    """Return the bucket as a backend. Not ``listed``: versions are attested to be off."""
    bucket = Bucket(
        "eu-a",
        NAME,
        HOME,
        endpoint_url=url,
        credentials=CREDENTIALS,
        timeout=5,
        clock=lambda: 0.0,
    )
    return S3Backend(bucket, attested_off=frozenset() if listed else frozenset({"versions"}))


def read(server: S3Server, *, listed: bool = True) -> Posture:
    """Return the posture of the bucket."""
    return backend(server.url, listed=listed).posture(timeout=5)
