"""Types that the models of a topology share."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
Name = Annotated[str, StringConstraints(pattern=NAME)]
Text = Annotated[str, StringConstraints(min_length=1)]
TENANT = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
TenantId = Annotated[str, StringConstraints(pattern=TENANT)]
JURISDICTION = r"^[A-Z]{2,3}$"
Jurisdiction = Annotated[str, StringConstraints(pattern=JURISDICTION)]

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
