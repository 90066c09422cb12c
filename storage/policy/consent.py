"""Decide what may be recorded about consent, and whether a consent is in force for a record.

Consent is never there by default. What counts is when something was said, not when it was recorded.
But a refusal counts from its recording on, also if the time at which it was said is ahead.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from enum import StrEnum
from itertools import product
from typing import Final
from uuid import UUID

from regions.model import CONSENT_PURPOSES, DataClass, Purpose, Wording
from storage.errors import ConsentRefused
from storage.model import ConsentKind, utc


class ConsentReason(StrEnum):
    """Why something about consent may not be recorded, or why a consent is in force or not."""

    # recorded or not
    ALLOWED = "allowed"
    UNKNOWN_WORDING = "unknown_wording"
    WORDING_NOT_IN_USE = "wording_not_in_use"  # it was not shown yet when it was given
    CLASS_NOT_IN_WORDING = "class_not_in_wording"
    PURPOSE_NOT_IN_WORDING = "purpose_not_in_wording"
    PURPOSE_WITHOUT_CONSENT = "purpose_without_consent"
    GIVEN_IN_THE_FUTURE = "given_in_the_future"
    OLDER_THAN_WITHDRAWAL = "older_than_withdrawal"
    NOT_A_PROCESS = "not_a_process"
    # in force or not
    OPTED_IN = "opted_in"
    OPTED_OUT = "opted_out"  # by the tenant
    SUBJECT_OPTED_OUT = "subject_opted_out"
    NOTHING_SAID = "nothing_said"
    NOT_COVERED = "not_covered"  # the opt-in is for what was submitted later
    NO_SUBJECT = "no_subject"  # each subject is asked, and the record is about none


_TEXTS: Final[Mapping[ConsentReason, tuple[str, str]]] = {  # what happened and why; what to do
    ConsentReason.UNKNOWN_WORDING: (
        "The topology has no such wording.",
        "Register the text that was shown: see consents.toml.",
    ),
    ConsentReason.WORDING_NOT_IN_USE: (
        "That wording was not shown yet when the consent was given.",
        "Name the wording that was shown then: see consents.toml.",
    ),
    ConsentReason.CLASS_NOT_IN_WORDING: (
        "The wording does not name one of these classes.",
        "See consents.toml. A text that does not name files is no consent for files.",
    ),
    ConsentReason.PURPOSE_NOT_IN_WORDING: (
        "The wording does not name one of these purposes.",
        "See consents.toml.",
    ),
    ConsentReason.PURPOSE_WITHOUT_CONSENT: (
        "One of these purposes rests on no consent.",
        f"Name some of: {', '.join(sorted(CONSENT_PURPOSES))}.",
    ),
    ConsentReason.GIVEN_IN_THE_FUTURE: (
        "Nobody can have said it yet.",
        "Pass the time at which it was said.",
    ),
    ConsentReason.OLDER_THAN_WITHDRAWAL: (
        "It was withdrawn later than this consent was given.",
        "A new consent, given after the withdrawal, is needed. See: domicile consent list",
    ),
    ConsentReason.NOT_A_PROCESS: (
        "The login of a person replays nothing from the ledger.",
        "Recover with the login of a worker.",
    ),
}


@dataclass(frozen=True, slots=True)
class Statement:
    """What is known of one Consent. ``subjects``: pseudonyms of its subject; empty: the tenant."""

    id: UUID
    kind: ConsentKind
    subjects: frozenset[bytes] = field(repr=False)
    wording: str | None
    classes: frozenset[DataClass]
    purposes: frozenset[Purpose]
    given: datetime
    covers_from: date | None
    recorded: datetime

    @property
    def refuses(self) -> bool:
        """Whether it says no."""
        return self.kind is not ConsentKind.OPT_IN

    def about(self, data_class: DataClass, purpose: Purpose) -> bool:
        """Return whether it says something about a class and a purpose."""
        return data_class in self.classes and purpose in self.purposes

    def same_holder(self, other: "Statement") -> bool:
        """Return whether both are of the tenant, or of the same subject."""
        return bool(self.subjects & other.subjects) or not (self.subjects or other.subjects)


@dataclass(frozen=True, slots=True)
class Consenting:
    """Whether something about consent may be recorded: it may if there is no reason not to."""

    reason: ConsentReason

    @property
    def allowed(self) -> bool:
        """Whether it may."""
        return self.reason is ConsentReason.ALLOWED

    def demand(self) -> None:
        """Raise ConsentRefused unless it may."""
        if not self.allowed:
            raise self.error()

    def error(self) -> ConsentRefused:
        """Return the error."""
        said, advice = _TEXTS[self.reason]
        return ConsentRefused(said, reasons=(self.reason,), advice=advice)


def moment_of(kind: ConsentKind, given: datetime | date, now: datetime) -> datetime:
    """Return the time at which something was said. ``given``: that time, or the UTC day alone.

    Of a day the safe end is taken: for a consent its beginning, for a refusal its end, or now. So a
    refusal wins over a consent of the same day. A day that has not begun stays in the future.
    """
    if isinstance(given, datetime):
        return utc(given)
    begins = datetime.combine(given, time.min, UTC)
    if kind is ConsentKind.OPT_IN or begins > utc(now):
        return begins
    return min(utc(now), datetime.combine(given, time.max, UTC))


def not_before(said: Iterable[Statement], subjects: Collection[bytes], now: datetime) -> datetime:
    """Return now, or when the holder of a refusal spoke last, if the clock of that was ahead.

    ``subjects``: its pseudonyms; empty: the tenant. What is refused after a consent must win.
    """
    own = (x for x in said if (x.subjects & set(subjects) if subjects else not x.subjects))
    return max([utc(now), *(utc(x.given) for x in own)])


def may_state(
    wordings: Mapping[str, Wording],
    new: Statement,
    others: Iterable[Statement],
    *,
    now: datetime,
    known: Collection[UUID] | None = None,
) -> Consenting:
    """Decide whether a statement may be recorded beside the ``others`` of its tenant.

    ``known``: those of them that were recorded before it was said; None: all. A refusal that was
    recorded since is newer, whatever the clocks say.
    """
    if new.kind is ConsentKind.OPT_IN:
        found = _against_wording(wordings, new)
        if found is not None:
            return Consenting(found)
    if not new.purposes <= CONSENT_PURPOSES:
        return Consenting(ConsentReason.PURPOSE_WITHOUT_CONSENT)
    if utc(new.given) > utc(now):
        return Consenting(ConsentReason.GIVEN_IN_THE_FUTURE)
    if new.kind is ConsentKind.OPT_IN and any(
        _ends(other, new, later=known is not None and other.id not in known) for other in others
    ):
        return Consenting(ConsentReason.OLDER_THAN_WITHDRAWAL)
    return Consenting(ConsentReason.ALLOWED)


def _against_wording(wordings: Mapping[str, Wording], new: Statement) -> ConsentReason | None:
    wording = wordings.get(new.wording or "")
    if wording is None:
        return ConsentReason.UNKNOWN_WORDING
    if not new.classes <= wording.classes:
        return ConsentReason.CLASS_NOT_IN_WORDING
    if not new.purposes <= wording.purposes:
        return ConsentReason.PURPOSE_NOT_IN_WORDING
    return ConsentReason.WORDING_NOT_IN_USE if new.given.date() < wording.since else None


def _ends(other: Statement, given: Statement, *, later: bool) -> bool:
    """Return whether a refusal is not older than a consent of the same holder, and about it."""
    return (
        other.refuses
        and other.same_holder(given)
        and (later or other.given >= given.given)
        and bool(other.classes & given.classes)
        and bool(other.purposes & given.purposes)
    )


@dataclass(frozen=True, slots=True)
class InForce:
    """Whether a consent is in force for a record, why, and the statement that decides it."""

    reason: ConsentReason
    statement: Statement | None = None

    @property
    def opted_in(self) -> bool:
        """Whether there is a consent."""
        return self.reason is ConsentReason.OPTED_IN

    @property
    def opted_out(self) -> bool:
        """Whether somebody has said no. Nothing is said if nobody has said yes either."""
        return self.reason in (ConsentReason.OPTED_OUT, ConsentReason.SUBJECT_OPTED_OUT)


def consent_in_force(
    said: Collection[Statement],
    *,
    data_class: DataClass,
    purpose: Purpose,
    origin: date,
    subject: bytes | None,
    per_subject: bool,
    now: datetime,
) -> InForce:
    """Decide whether a consent is in force for a record that was submitted on the day ``origin``.

    ``subject``: the pseudonym of its subject. ``per_subject``: each subject is asked, so the
    tenant's own consent is not enough. A refusal wins over every consent that is not newer, a
    subject's over the tenant's consent, and the tenant's over that of any subject. A consent waits
    for its time, a refusal does not: the clock of who recorded it may be ahead.
    """
    about = [x for x in said if x.about(data_class, purpose)]
    known = [x for x in about if x.refuses or utc(x.given) <= utc(now)]
    own = _newest([x for x in known if not x.subjects], origin)
    mine = _newest([x for x in known if subject is not None and subject in x.subjects], origin)
    if mine.reason is ConsentReason.OPTED_OUT:
        return InForce(ConsentReason.SUBJECT_OPTED_OUT, mine.statement)
    if own.reason is ConsentReason.OPTED_OUT:
        return own
    if not per_subject:
        return own
    return InForce(ConsentReason.NO_SUBJECT) if subject is None else mine


def _newest(said: Collection[Statement], origin: date) -> InForce:
    """Return what one holder says of a day: its newest refusal, unless it consented later."""
    refused = max((x for x in said if x.refuses), key=lambda x: x.given, default=None)
    given = [x for x in said if refused is None or x.given > refused.given]
    covering = [x for x in given if x.covers_from is not None and x.covers_from <= origin]
    if covering:
        return InForce(ConsentReason.OPTED_IN, max(covering, key=lambda x: x.given))
    if refused is not None:
        return InForce(ConsentReason.OPTED_OUT, refused)
    if given:
        return InForce(ConsentReason.NOT_COVERED, max(given, key=lambda x: x.given))
    return InForce(ConsentReason.NOTHING_SAID)


def outlasting(said: Collection[Statement], refusal: Statement) -> list[Statement]:
    """Return the consents of its holder that a refusal leaves in force: they were given later."""
    found: list[Statement] = []
    for data_class, purpose in product(sorted(refusal.classes), sorted(refusal.purposes)):
        about = [x for x in said if x.same_holder(refusal) and x.about(data_class, purpose)]
        refused = max([refusal.given, *(x.given for x in about if x.refuses)])
        later = (x for x in about if not x.refuses and x.given > refused)
        found += [x for x in later if x not in found]
    return found
