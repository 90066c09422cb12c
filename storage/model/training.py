"""What was handed out for training and fine-tuning, and what must not be used any more."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from storage.model.ids import RecordId
from storage.model.records import Record


@dataclass(frozen=True, slots=True)
class FineTuning:
    """The job and the model that a file is read for. The model must be the tenant's own."""

    job: str
    model: str


@dataclass(frozen=True, slots=True)
class TenantModel:
    """A model that is fine-tuned for one tenant alone, since ``added``. ``by``: who added it."""

    name: str
    tenant: str
    added: datetime
    by: str


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """A record that was handed out for training. ``entry``: its line in the manifest of the run."""

    record: Record
    entry: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Use:
    """A use of a record: for a run of training, or for a job that fine-tunes a model."""

    purpose: str
    run: str  # of fine-tuning: the model
    job: str | None
    at: datetime


class ExclusionReason(StrEnum):
    """Why what was handed out must not be used any more."""

    ERASED = "erased"
    WITHDRAWN = "withdrawn"  # or refused


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A record that a run was given and must not use any more. ``statement``: what withdrew it."""

    tenant: str
    record: RecordId
    reason: ExclusionReason
    statement: UUID | None = None


@dataclass(frozen=True, slots=True)
class ExclusionList:
    """What a run must not use any more, by all that had happened when it was ``listed``.

    Its records are read while you iterate: once.
    """

    run: str
    listed: datetime
    records: Iterable[Exclusion] = field(repr=False)
