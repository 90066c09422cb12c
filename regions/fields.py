"""Types that the models of a topology share."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from regions.endpoints import safe_url

NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
Name = Annotated[str, StringConstraints(pattern=NAME)]
Text = Annotated[str, StringConstraints(min_length=1)]
TENANT = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
TenantId = Annotated[str, StringConstraints(pattern=TENANT)]
JURISDICTION = r"^[A-Z]{2,3}$"
Jurisdiction = Annotated[str, StringConstraints(pattern=JURISDICTION)]


def _checked_url(url: str) -> str:
    if not safe_url(url):
        raise ValueError("must be https, without user, query and fragment (http: loopback only)")
    return url


SafeUrl = Annotated[str, AfterValidator(_checked_url)]
"""A URL to which content may be sent."""

Located = Literal["checked", "attested", "local"]
"""How it is known where a backend stands.

``checked``: by the provider's own name for the place. ``attested``: by a document of the company
that runs it. ``local``: it is this machine, or a disk of it, and no document says where it stands.
"""

DIGEST = r"^[0-9a-f]{64}$"
Digest = Annotated[str, StringConstraints(pattern=DIGEST)]
"""A SHA-256."""


class PostureCheck(StrEnum):
    """What a bucket may do with its objects, and who may reach them, apart from Domicile."""

    REPLICATION = "replication"  # it copies objects to another bucket
    PUBLIC_ACCESS = "public_access"  # anyone may read or list
    TRANSPORT = "transport"  # its policy does not demand TLS
    LIFECYCLE = "lifecycle"  # a rule expires or moves objects
    DEFAULT_RETENTION = "default_retention"  # an object lock that nobody asked for
    INVENTORY = "inventory"  # it writes the names of objects elsewhere
    ACCESS_LOGS = "access_logs"  # the same, of requests
    NOTIFICATIONS = "notifications"  # the same, as events
    VERSIONING = "versioning"  # versions are kept that are attested off, or need a code to delete


Fault = tuple[str, str]
"""A dotted key, and what is wrong with its value."""


class Model(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
