"""Grants: a person may open some records of a tenant, for a purpose, for some hours."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from regions.model import Purpose
from storage.model.scopes import Scope, ScopeKind

GRANT_PURPOSES: Final = frozenset(
    {Purpose.ABUSE_INVESTIGATION, Purpose.LEGAL, Purpose.SUBJECT_REQUEST}
)
"""The purposes for which people open content, always under a grant."""

LONGEST_GRANT_HOURS: Final = 24
"""The most hours from the request of a grant until its end."""


class GrantState(StrEnum):
    """What a grant is good for now."""

    REQUESTED = "requested"  # an approval is missing
    IN_FORCE = "in_force"
    EXHAUSTED = "exhausted"  # as many records as it allows were opened
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class GrantSpec:
    """A grant to request.

    ``actor``: who is to use it, by its id in the roster. ``scope``: which records of the tenant;
    None for the purpose ``legal``, which opens what a ``hold`` covers. No other purpose has one.
    ``case``: your opaque reference; without one an ``abuse_investigation`` opens only what is
    flagged, and the other purposes need one. ``justification`` is kept sealed, and its SHA-256 in
    the open. ``hours`` counts from the request.
    """

    tenant: str
    purpose: Purpose
    actor: str
    scope: Scope | None
    justification: str = field(repr=False)
    records_max: int
    hours: int
    case: str | None = None
    hold: UUID | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """Who approved a grant, and when.

    ``signature``: Ed25519 over the grant's statement (``storage.evidence.grants``), by the key that
    is pinned for the approver. ``for_customer``: the tenant's own approval, which has none.
    """

    actor: str
    at: datetime
    signature: bytes | None = field(repr=False)
    for_customer: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant in the catalog. ``used``: how many records were opened under it."""

    id: UUID
    region: str
    tenant: str
    purpose: Purpose
    actor: str
    requester: str
    scope: ScopeKind
    # pseudonyms of the subject or group, or the unique part of an id; empty for a tenant
    sought: tuple[bytes, ...] = field(repr=False)
    hold: UUID | None
    case: str | None
    records_max: int
    justification_digest: str
    requested: datetime
    until: datetime
    approvals: tuple[Approval, ...] = ()
    customer_must_approve: bool = False
    used: int = 0
    revoked: datetime | None = None
    revoked_by: str | None = None

    def state(self, now: datetime) -> GrantState:
        """Return what it is good for at that time."""
        if self.revoked is not None:
            return GrantState.REVOKED
        if now >= self.until:
            return GrantState.EXPIRED
        if not self.approved:
            return GrantState.REQUESTED
        return GrantState.EXHAUSTED if self.used >= self.records_max else GrantState.IN_FORCE

    @property
    def approved(self) -> bool:
        """Whether a second person approved it, and the customer too where it must."""
        second = any(
            not one.for_customer and one.actor not in (self.actor, self.requester)
            for one in self.approvals
        )
        customer = any(one.for_customer for one in self.approvals)
        return second and (customer or not self.customer_must_approve)
