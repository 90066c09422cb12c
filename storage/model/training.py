"""What was handed out for training and fine-tuning, and what must not be used any more."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from storage.errors import BodyTooLarge, InvalidRequest
from storage.model.ids import RecordId
from storage.model.records import Record, RecordInfo

TRAINING_CHUNK: Final = 1024 * 1024  # bytes


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
    """A record that was handed out for training. ``entry``: its line in the manifest of the run.

    A body of up to 16 MiB is in memory; a larger one is read chunk by chunk.
    """

    info: RecordInfo
    metadata: Mapping[str, object] = field(repr=False)
    entry: str = field(repr=False)
    body: bytes | None = field(repr=False)  # None: it is larger
    read_range: Callable[[int, int], bytes] = field(repr=False)

    @property
    def record(self) -> Record:
        """The record with its body. Raises BodyTooLarge if that is larger than 16 MiB."""
        if self.body is None:
            raise BodyTooLarge("The file is larger than 16 MiB.", advice="Read it in chunks().")
        return Record(self.info, self.body, self.metadata)

    def chunks(self, size: int = TRAINING_CHUNK) -> Iterator[bytes]:
        """Yield the body in chunks of ``size`` bytes.

        Each of a large file is decided and fetched when you ask for it: PurposeRefused is raised if
        it may not be trained on any more, and Corrupt if no backend has it any more. Delete what
        came before, in both cases, and go on with the next record.
        """
        if type(size) is not int or size < 1:
            raise InvalidRequest("A chunk has at least one byte.")
        for start in range(0, self.info.size, size):
            yield self.read_range(start, min(start + size, self.info.size))


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
