"""Erasures, and how far they are."""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from regions.model import DataClass
from storage.model.scopes import ScopeKind


class Reason(StrEnum):
    """Why a scope is erased."""

    SUBJECT_REQUEST = "subject_request"
    CUSTOMER_REQUEST = "customer_request"
    CONTRACT_END = "contract_end"
    RETENTION = "retention"  # it was shortened, and a worker erases what it ended


REQUESTED = tuple(reason for reason in Reason if reason is not Reason.RETENTION)
"""The reasons for which somebody requests an erasure."""


class ErasureState(StrEnum):
    """How far an erasure is. Reads are refused from FENCED on."""

    FENCED = "fenced"  # nothing that it covers can be read; rows and bytes are still there
    DEFERRED = "deferred"  # a hold preserves a part, which is erased when the hold is released
    PURGING = "purging"  # rows and record keys are deleted; bytes are still there
    COMPLETE = "complete"  # every byte was seen to be absent; there is a receipt


@dataclass(frozen=True, slots=True)
class Outstanding:
    """What an erasure still waits for on one backend; at a processor ``replicas`` are copies.

    For a run of training, or a model, they are its reads: see ``TrainingRuns.confirm``.

    With ``OrphansLeft`` as the last error they are keys that no row of the catalog knows.
    """

    backend: str
    replicas: int
    last_error: str | None
    next_attempt: datetime | None


@dataclass(frozen=True, slots=True)
class Deferral:
    """How many records of an erasure a hold preserves. ``until`` is None while it still does.

    Counting stops at 10,000.
    """

    hold: UUID
    records: int
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Kept:
    """What an erasure leaves, because a law wants it kept: its floor is not over.

    It goes by its own day, the last of it on ``until`` (None: when it is erased after its floor).
    Counting stops at 10,000 in each of the places where records are.
    """

    data_class: DataClass
    records: int
    until: date | None
    reason: Literal["floor"] = "floor"


@dataclass(frozen=True, slots=True)
class Erasure:
    """One durable request to destroy a scope, and its progress."""

    id: UUID
    region: str
    tenant: str
    scope: ScopeKind
    reason: Reason
    state: ErasureState
    requested: datetime
    fenced: datetime  # since then nothing that it covers can be read
    completed: datetime | None
    deleted: int  # records deleted so far
    outstanding: tuple[Outstanding, ...]
    receipt: str | None = field(default=None, repr=False)  # one line; see storage.evidence.receipts
    deferred: tuple[Deferral, ...] = ()  # never complete while one of them has no end
    kept: tuple[Kept, ...] = ()  # neither erased nor unreadable


@dataclass(frozen=True, slots=True)
class AccountErasure:
    """The erasures of all tenants of an account, one per tenant.

    ``not_reached`` names the regions in which nothing is fenced yet: call again for those.
    """

    account: str
    erasures: tuple[Erasure, ...]
    not_reached: tuple[str, ...]
