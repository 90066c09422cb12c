"""The lines of a region's transparency log."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class LineKind(StrEnum):
    """What a line of the log is about."""

    OPENING = "opening"  # a person looked into content
    REFUSAL = "refusal"  # a person was refused that
    GRANT_REQUESTED = "grant_requested"
    GRANT_APPROVED = "grant_approved"
    GRANT_REVOKED = "grant_revoked"
    ROSTER = "roster"  # who belongs to the staff
    HOLD_PLACED = "hold_placed"
    HOLD_CONFIRMED = "hold_confirmed"
    HOLD_CHANGED = "hold_changed"
    HOLD_RELEASED = "hold_released"
    HAND_OVER = "hand_over"  # of a copy, to a processor
    ERASURE = "erasure"
    RECEIPT = "receipt"
    AGREEMENT = "agreement"  # the terms of a tenant
    TOPOLOGY = "topology"
    CONSENT = "consent"  # what a tenant or a subject said
    TRAINING = "training"  # a run of training, or a job of fine-tuning, was given content
    KEY_ROTATION = "key_rotation"
    RECOVERY = "recovery"  # of a restored catalog
    EXPORT = "export"
    POLICY = "policy"
    LOST = "lost"  # what it said was lost with the catalog; the log still has its place


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the log. ``number`` counts from 0; None: it is not in a checkpoint yet.

    ``text`` is canonical JSON, and None once it was forgotten. The log itself has only
    ``commitment``, which salt and text open. ``login``: of the session that added it, as the
    catalog knows it. None: a recovery brought it back.
    """

    id: UUID
    kind: LineKind
    at: datetime
    text: str | None = field(repr=False)
    salt: bytes | None = field(repr=False)
    commitment: bytes
    number: int | None
    login: str | None = None
