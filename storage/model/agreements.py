"""Agreements as they are recorded, and what a customer chose for the end of its data."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from storage.model.tenants import Agreement


@dataclass(frozen=True, slots=True)
class RecordedAgreement:
    """An entry in the history of a tenant's agreements, which never changes.

    ``supersedes``: the entry that it replaces from ``recorded`` on. ``recorded_by``: a login.
    """

    id: UUID
    tenant: str
    agreement: Agreement
    supersedes: UUID | None
    recorded: datetime
    recorded_by: str


class ExitKind(StrEnum):
    """What a customer chose for its data when the agreement has ended (GDPR, article 28(3)(g))."""

    DELETE = "delete"
    RETURN = "return"  # to the customer, and then delete it


class ExitState(StrEnum):
    """How far the end of a tenant's data is."""

    CHOSEN = "chosen"  # the customer has had no notice yet
    NOTIFIED = "notified"  # no second person has confirmed it, or only before a recovery
    LAPSED = "lapsed"  # an agreement was in force on its day or later: the customer chooses anew
    CONFIRMED = "confirmed"  # carried out on its day, unless an agreement is in force then
    CARRIED_OUT = "carried_out"  # the erasure is requested


@dataclass(frozen=True, slots=True)
class TenantExit:
    """A recorded choice, and what was done about it. The newest of a tenant counts.

    ``on``: the UTC day on which the tenant is erased. ``document``, ``notice``: the SHA-256 of the
    customer's instruction, and of what it was told. ``requested_by`` and ``confirmed_by`` are two
    actors of the roster. ``erasure``: the id of the erasure, once there is one.
    """

    id: UUID
    tenant: str
    kind: ExitKind
    on: date
    document: str
    requested_by: str
    requested: datetime
    state: ExitState
    notice: str | None = None
    notified: datetime | None = None
    confirmed_by: str | None = None
    confirmed: datetime | None = None
    erasure: UUID | None = None
