"""What an erasure or a legal hold covers."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from storage.model.ids import RecordId


class ScopeKind(StrEnum):
    """The kind of a scope."""

    RECORD = "record"
    SUBJECT = "subject"
    GROUP = "group"
    TENANT = "tenant"
    ACCOUNT = "account"
    REGION = "region"
    CLASS = "class"  # what its retention ended of a class: nobody requests such an erasure


def count_named(kind: ScopeKind, sought: Iterable[bytes]) -> int:
    """Return how many records, subjects or groups these values are of, at least.

    A name has one pseudonym under each version of the key, which is its first byte.
    """
    if kind is ScopeKind.RECORD:
        return len(set(sought))
    if kind in {ScopeKind.SUBJECT, ScopeKind.GROUP}:
        return max(Counter(value[:1] for value in set(sought)).values(), default=0)
    return 1


@dataclass(frozen=True, slots=True)
class Scope:
    """What to erase, or to hold.

    An erasure also covers what derives from it, where the topology says so. A hold of a record
    covers that record alone.
    """

    kind: ScopeKind
    value: str = field(default="", repr=False)

    @classmethod
    def record(cls, record_id: RecordId | str) -> Self:
        """One record; an erasure also covers what derives from it."""
        return cls(ScopeKind.RECORD, str(record_id))

    @classmethod
    def subject(cls, name: str) -> Self:
        """All records about one end user of the tenant."""
        return cls(ScopeKind.SUBJECT, name)

    @classmethod
    def group(cls, name: str) -> Self:
        """All records of one conversation of the tenant."""
        return cls(ScopeKind.GROUP, name)

    @classmethod
    def tenant(cls) -> Self:
        """All records of the tenant."""
        return cls(ScopeKind.TENANT)

    @classmethod
    def account(cls, account: str) -> Self:
        """All records of all tenants of an account.

        To erase it, use ``store.erase``. A hold of it covers the account's tenants of one region,
        also those that are made later.
        """
        return cls(ScopeKind.ACCOUNT, account)

    @classmethod
    def region(cls) -> Self:
        """All records of a region, also those of tenants that are made later. For holds alone."""
        return cls(ScopeKind.REGION)
