"""Who may open a record, and what for."""

from dataclasses import dataclass
from datetime import datetime

from regions.model import DataClass, Purpose, Service, Topology
from storage.errors import DomicileError, Erased, Expired, PurposeRefused
from storage.model import utc

OPEN_PURPOSES = frozenset({Purpose.SERVE, Purpose.FINE_TUNE})
"""What this version opens content for. A topology may name others; they stay shut."""


@dataclass(frozen=True, slots=True)
class Access:
    """Whether a record may be opened.

    Reason codes: ``allowed``, ``erased``, ``expired``, ``unknown_class``, ``purpose_not_open`` (in
    this version), ``purpose_not_allowed`` and ``service_not_allowed`` (for the class).
    """

    allowed: bool
    reason: str

    def demand(self) -> None:
        """Raises Erased, Expired or PurposeRefused, unless it is allowed."""
        if not self.allowed:
            raise self._error()

    def _error(self) -> DomicileError:
        match self.reason:
            case "erased":
                return Erased()
            case "expired":
                return Expired()
            case reason:
                if reason == "not_held":
                    return PurposeRefused(
                        "That hold is not in force, or does not cover this record.",
                        reasons=(reason,),
                        advice="See: domicile hold records",
                    )
                return PurposeRefused(
                    reasons=(reason,), advice="classes.toml says what each class may be opened for."
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
    """Whether a record may be opened now for that purpose.

    A service in the place of the purpose: a copy is made for a processor of that service.
    ``fenced``: an erasure covers it. ``readable_until`` is from its Term (None: no end). What is
    said first: erased, then expired, then the purpose.
    """
    reason = _against(topology, data_class, purpose)
    if readable_until is not None and utc(now) >= utc(readable_until):
        reason = "expired"
    if fenced:
        reason = "erased"
    return Access(reason is None, reason or "allowed")


def may_open_held(*, covered: bool) -> Access:
    """Whether a record may be opened for the purpose ``legal``, erased or expired as it may be.

    ``covered``: the hold that is named is in force and covers it. Reason codes: ``allowed``,
    ``not_held``.
    """
    return Access(covered, "allowed" if covered else "not_held")


def _against(topology: Topology, data_class: DataClass, purpose: Purpose | Service) -> str | None:
    rule = topology.classes.get(data_class)
    if rule is None:
        return "unknown_class"
    if isinstance(purpose, Service):
        return None if purpose in rule.handed_to else "service_not_allowed"
    if purpose not in OPEN_PURPOSES:
        return "purpose_not_open"
    return None if purpose in rule.purposes else "purpose_not_allowed"
