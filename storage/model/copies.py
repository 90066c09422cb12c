"""Copies of records at processors."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from regions.model import DataClass


class CopyState(StrEnum):
    """The state of a copy. A copy is what one processor received of one record."""

    ANNOUNCED = "announced"  # it may be on its way, or have arrived
    DELIVERED = "delivered"  # the processor has it
    REQUESTED = "requested"  # it must go; requested until the processor confirms the deletion
    CONFIRMED = "confirmed"  # acknowledged by the processor, or attested by a person


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of a record at a processor. It must be gone by ``deadline``.

    ``how``: ``acknowledged`` (signed by the processor) or ``attested`` (recorded by a person).
    ``digest`` is the SHA-256 of the signed acknowledgement, or of the person's document.
    """

    id: UUID
    tenant: str
    processor: str
    data_class: DataClass
    state: CopyState
    announced: datetime
    deadline: datetime
    requested: datetime | None
    attempts: int
    next_attempt: datetime | None
    last_error: str | None
    acknowledged: datetime | None
    how: str | None
    digest: bytes | None


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A copy that was handed over to a processor.

    ``content`` is None if the connector delivered it. For connectors of kind manual it is the
    content, which a person takes to the processor under the id of the copy.
    """

    copy: UUID
    processor: str
    deadline: datetime
    content: bytes | None = field(default=None, repr=False)
