"""Tenants, and the agreements with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from regions.model import AgreementKind, DataClass


@dataclass(frozen=True, slots=True)
class Agreement:
    """A signed agreement between a customer and the provider of the service.

    ``document``: the SHA-256 of what was signed. ``signatory``: who signed it for the customer.
    Both are None only of what was recorded before they were asked for.
    """

    kind: AgreementKind
    signed: date
    until: date | None = None  # the first day on which it is no longer in force
    since: date | None = None  # the first day on which it is; None: the day it was signed
    document: str | None = None
    signatory: str | None = field(default=None, repr=False)

    @property
    def begins(self) -> date:
        """The first day on which it is in force."""
        return self.since or self.signed

    def in_force(self, on: date) -> bool:
        """Return whether the agreement is in force on that day."""
        return self.begins <= on and not self.over(on)

    def over(self, on: date) -> bool:
        """Return whether it has ended by that day."""
        return self.until is not None and self.until <= on


def Dpa(*, signed: date, until: date | None = None) -> Agreement:  # noqa: N802 - reads as a type
    """Return a data processing agreement (GDPR, article 28)."""
    return Agreement("dpa", signed, until)


class Trait(StrEnum):
    """What a customer asked for: of people who look into its content, of consent, of HIPAA."""

    CUSTOMER_APPROVED = "customer_approved"  # nobody looks without its own approval
    NO_HUMAN_REVIEW = "no_human_review"  # nobody looks for abuse
    MODIFIED_ABUSE_MONITORING = "modified_abuse_monitoring"  # the same, by a contract of its own
    CONSENT_PER_SUBJECT = "consent_per_subject"  # the tenant's own consent is not enough
    PHI = "phi"  # it stores protected health information (HIPAA)


@dataclass(frozen=True, slots=True)
class TenantSpec:
    """A customer's project: its home region, and its terms.

    ``retention`` shortens the topology's retention of a class, in days; 0 stores nothing.
    ``dedicated`` tenants have packs and day keys of their own. ``traits`` limit who looks into it,
    say whose consent is needed, and what must be in force before anything is stored.
    """

    id: str
    account: str
    home: str
    residency: str
    service: str = "api"
    agreements: tuple[Agreement, ...] | list[Agreement] = ()
    retention: Mapping[DataClass, int] = field(default_factory=dict)
    dedicated: bool = False
    traits: frozenset[Trait] = frozenset()
