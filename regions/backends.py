"""The kinds of backend: one class each, with the fields that the kind requires and permits.

To add a kind, add its class here and to ``BackendSpec``, add a module to ``storage/backends/``, and
add a case to its ``registry.py``.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from regions.endpoints import is_aws, is_loopback
from regions.fields import Digest, Fault, Located, Model, Name, PostureCheck, TenantId, Text


class PostureAttested(Model):
    """A document of the company that says what the server does not let us read."""

    on: date  # from this UTC day on
    document: Digest
    checks: frozenset[PostureCheck] = Field(min_length=1)


class _Spec(Model):
    """What every kind has: a place of one sub-processor in one region that stores bytes."""

    name: Name
    sub_processor: Name
    # features that the backend cannot list, and that a person attests are off
    attested_off: frozenset[Literal["versions", "uploads"]] = frozenset()
    # how long after its deadline an abandoned write may still take effect
    longest_request_minutes: int = Field(default=16, ge=0, le=1440)

    posture_attested: PostureAttested | None = None
    retires: bool = False  # nothing new goes there, and what is there is moved elsewhere
    # the tenants whose own it is: nothing of any other goes there, and theirs goes nowhere else
    dedicated_to: frozenset[TenantId] = Field(default=frozenset(), min_length=1)

    @property
    def longest_request(self) -> timedelta:
        """How long after its deadline an abandoned write may still take effect."""
        return timedelta(minutes=self.longest_request_minutes)

    @property
    def located(self) -> Located:
        """How it is known where the backend stands."""
        return "local"

    def reserved(self, tenant: str) -> bool:
        """Return whether it is dedicated, and not to that tenant."""
        return bool(self.dedicated_to) and tenant not in self.dedicated_to

    def overlap(self, other: "BackendSpec") -> Iterator[Fault]:
        """Yield a fault if both store in the same location: a purge of one would purge both."""
        yield from ()


class S3Spec(_Spec):
    """A bucket of AWS, or of another server that speaks S3."""

    kind: Literal["s3"] = "s3"
    aws_region: Text  # what GetBucketLocation must return
    bucket: Text
    endpoint_url: str | None = None  # None: AWS
    # SHA-256 of the contract or data sheet that says where an endpoint outside of AWS is
    location_document: Digest | None = None
    object_lock: bool = False  # a bucket that Domicile makes gets object lock

    @property
    def located(self) -> Located:
        if self.endpoint_url is None or is_aws(self.endpoint_url):
            return "checked"
        return "local" if is_loopback(self.endpoint_url) else "attested"

    def overlap(self, other: "BackendSpec") -> Iterator[Fault]:
        if isinstance(other, S3Spec) and self.location == other.location:
            yield "bucket", f"is the bucket of {other.name} already"

    @property
    def location(self) -> tuple[str, str]:
        """The endpoint and the bucket: a bucket name is unique at one endpoint only."""
        return (self.endpoint_url or "").rstrip("/"), self.bucket


def _own_directory(text: str) -> str:
    path = PurePosixPath(text)
    if ".." in path.parts or path == PurePosixPath("/") or not path.parts:
        raise ValueError("must name a directory of its own, without '..'")
    return text


class DirectorySpec(_Spec):
    """A directory on a disk of this machine."""

    kind: Literal["directory"] = "directory"
    # relative to the data directory, or absolute
    path: Annotated[Text, AfterValidator(_own_directory)]
    reserve_mib: int = Field(default=64, ge=0)  # kept free, so that deletion works on a full disk

    def overlap(self, other: "BackendSpec") -> Iterator[Fault]:
        if isinstance(other, DirectorySpec):
            one, another = PurePosixPath(self.path), PurePosixPath(other.path)
            if one.is_relative_to(another) or another.is_relative_to(one):
                yield "path", f"is, is in, or holds that of {other.name}"


class MemorySpec(_Spec):
    """Memory of this process, for tests."""

    kind: Literal["memory"] = "memory"


BackendSpec = Annotated[S3Spec | DirectorySpec | MemorySpec, Field(discriminator="kind")]
"""One backend of a region. ``kind`` says which class it is."""
