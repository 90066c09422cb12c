"""Decide whether a record may be opened, and for which purpose."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from regions.model import DataClass, Purpose, Service, Topology
from storage.errors import DomicileError, Erased, Expired, PurposeRefused
from storage.model import utc

OPEN_PURPOSES = frozenset({Purpose.SERVE, Purpose.FINE_TUNE})
"""The purposes for which this version opens content. Others stay shut, even if a topology names
them."""


class AccessReason(StrEnum):
    """Why a record may or may not be opened."""

    ALLOWED = "allowed"
    ERASED = "erased"
    EXPIRED = "expired"
    UNKNOWN_CLASS = "unknown_class"
    PURPOSE_NOT_OPEN = "purpose_not_open"  # in this version
    PURPOSE_NOT_ALLOWED = "purpose_not_allowed"  # for the class
    SERVICE_NOT_ALLOWED = "service_not_allowed"  # for the class
    NOT_HELD = "not_held"  # the named hold is not in force, or does not cover the record


@dataclass(frozen=True, slots=True)
class Access:
    """Whether a record may be opened, and why."""

    reason: AccessReason

    @property
    def allowed(self) -> bool:
        """Whether it may be opened."""
        return self.reason is AccessReason.ALLOWED

    def demand(self) -> None:
        """Raise Erased, Expired or PurposeRefused unless it is allowed."""
        error = self._error()
        if error is not None:
            raise error

    def _error(self) -> DomicileError | None:
        match self.reason:
            case AccessReason.ALLOWED:
                return None
            case AccessReason.ERASED:
                return Erased()
            case AccessReason.EXPIRED:
                return Expired()
            case AccessReason.NOT_HELD:
                return PurposeRefused(
                    "That hold is not in force, or does not cover this record.",
                    reasons=(self.reason,),
                    advice="See: domicile hold records",
                )
            case (
                AccessReason.UNKNOWN_CLASS
                | AccessReason.PURPOSE_NOT_OPEN
                | AccessReason.PURPOSE_NOT_ALLOWED
                | AccessReason.SERVICE_NOT_ALLOWED
            ):
                return PurposeRefused(
                    reasons=(self.reason,),
                    advice="classes.toml lists the purposes for which each class may be opened.",
                )


def may_open(
    topology: Topology,
    *,
    data_class: DataClass,
    purpose: Purpose | Service,
    now: datetime,
    readable_until: datetime | None,
    fenced: bool,
) -> Access:
    """Decide whether a record may be opened now for that purpose.

    Give a service instead of a purpose to make a copy for a processor of that service. ``fenced``:
    an erasure covers the record. ``readable_until`` is from its Term (None: no end). If several
    reasons apply, an erasure comes first, then expiry, then the purpose.
    """
    if fenced:
        return Access(AccessReason.ERASED)
    if readable_until is not None and utc(now) >= utc(readable_until):
        return Access(AccessReason.EXPIRED)
    return Access(_for_purpose(topology, data_class, purpose))


def may_open_held(*, covered: bool) -> Access:
    """Decide whether a record may be opened for the purpose ``legal``, even if erased or expired.

    ``covered``: the named hold is in force and covers the record.
    """
    return Access(AccessReason.ALLOWED if covered else AccessReason.NOT_HELD)


def _for_purpose(
    topology: Topology, data_class: DataClass, purpose: Purpose | Service
) -> AccessReason:
    rule = topology.classes.get(data_class)
    if rule is None:
        return AccessReason.UNKNOWN_CLASS
    if isinstance(purpose, Service):
        if purpose in rule.handed_to:
            return AccessReason.ALLOWED
        return AccessReason.SERVICE_NOT_ALLOWED
    if purpose not in OPEN_PURPOSES:
        return AccessReason.PURPOSE_NOT_OPEN
    if purpose in rule.purposes:
        return AccessReason.ALLOWED
    return AccessReason.PURPOSE_NOT_ALLOWED
