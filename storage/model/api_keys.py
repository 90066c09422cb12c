"""API keys: with one, a customer calls an HTTP service as its tenant."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class KeyScope(StrEnum):
    """What an API key is good for."""

    READ = "read"  # to list and to read
    WRITE = "write"  # to store and to delete too


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key as the catalog knows it, which does not have the key itself.

    ``last_used``: to the minute. ``revoked``: since when it is good for nothing.
    """

    id: UUID
    tenant: str
    scope: KeyScope
    created: datetime
    last_used: datetime | None = None
    revoked: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """An API key that was just created. ``secret`` is the key: nothing shows it again."""

    key: ApiKey
    secret: str = field(repr=False)
