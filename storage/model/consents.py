"""Consent: who said yes or no to what, when, and to which text."""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from regions.model import DataClass, Purpose


class ConsentKind(StrEnum):
    """What was said."""

    OPT_IN = "opt_in"
    WITHDRAWAL = "withdrawal"  # of what was consented to
    OPT_OUT = "opt_out"  # an objection of a time in which no consent was asked for


@dataclass(frozen=True, slots=True)
class Consent:
    """What a tenant, or one of its subjects, said about some classes and purposes.

    ``of_subject``: a subject said it, and it is about its records alone. ``wording``: SHA-256 of
    the text that was consented to. ``by``: who said it, an opaque id. ``given``: when.
    ``covers_from``: an opt-in is for what was submitted from that day on. ``document``: SHA-256 of
    what shows it. ``recorded_by``: the login of the session that recorded it.
    """

    id: UUID
    tenant: str
    kind: ConsentKind
    of_subject: bool
    wording: str | None
    classes: tuple[DataClass, ...]
    purposes: tuple[Purpose, ...]
    by: str = field(repr=False)
    given: datetime
    covers_from: date | None
    document: str | None
    recorded: datetime
    recorded_by: str
