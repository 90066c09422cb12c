"""What must hold of what is destroyed, and of what is sent to a bucket."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from regions.fields import PostureCheck
from regions.words import begun_with_article
from storage.model import PostureFinding
from storage.policy.proof.properties import Property, Violation

_STATES: Mapping[str, Collection[str]] = {
    "record": {"erased", "released"},
    "object": {"writing", "stored"},
    "replica": {"purging"},
    "key": {"expiring", "dropped"},
    "partition": {"expiring"},
    "orphan": {"unknown"},
    "copy": {"requested"},
}


@dataclass(frozen=True, slots=True)
class Facts:
    """A case of a destruction."""

    what: str
    state: str
    held: bool
    now: datetime
    day: date | None
    since: datetime | None


def of_destruction(facts: Facts, *, allowed: bool, reason: str) -> Iterator[Violation]:
    """Yield each violation of whether something may be destroyed."""
    sentence = f"{begun_with_article(facts.what)} in the state {facts.state}"
    against = dict(_against(facts))
    if allowed:
        for why in against.values():
            yield Violation(Property.DESTRUCTION, f"{sentence} would be destroyed, although {why}.")
    elif not against:
        yield Violation(Property.USABLE, f"{sentence} would not be destroyed ({reason}).")
    elif reason not in against:
        yield Violation(Property.REASONS, f"{sentence} would stay as {reason}, which is not so.")


def _against(facts: Facts) -> Iterator[tuple[str, str]]:
    if facts.held:
        yield "held", "a hold needs it"
    wrong = {
        "record": "not_given_up",
        "object": "not_there",
        "replica": "not_purging",
        "key": "day_not_expiring",
        "partition": "day_not_expiring",
        "orphan": "announced",
        "copy": "not_requested",
    }
    if facts.state not in _STATES[facts.what]:
        yield wrong[facts.what], "it is in that state"
    if facts.what in ("key", "partition"):
        begins = None if facts.day is None else datetime.combine(facts.day, time.min, UTC)
        if begins is None or facts.now < begins:
            yield "day_not_over", f"its day {facts.day} has not come"
    seen = facts.since is not None and facts.now - facts.since >= timedelta(days=3)
    if facts.what == "orphan" and not seen:
        yield "in_grace", f"it was first seen at {facts.since}"


def of_posture(
    findings: Mapping[PostureCheck, PostureFinding] | None,
    read: datetime | None,
    now: datetime,
    *,
    vouched: bool,
    closed: str | None,
) -> Iterator[Violation]:
    """Yield each violation of whether a bucket is closed. ``vouched``: by a document."""
    against: set[str] = set()
    if findings is None or read is None or not timedelta(seconds=-1) <= now - read <= _AGE:
        against.add("posture_unknown")
    for found in (findings or {}).values():
        if found is PostureFinding.BAD:
            against.add("posture_bad")
        if found is PostureFinding.UNREADABLE and not vouched:
            against.add("posture_unreadable")
    says = ", ".join(f"{check} is {found}" for check, found in (findings or {}).items())
    sentence = f"A bucket of which {says or 'nothing'} was read at {read}"
    if closed is None and against:
        yield Violation(Property.POSTURE, f"{sentence} would take what is new.")
    if closed is not None and not against:
        yield Violation(Property.USABLE, f"{sentence} would be closed ({closed}).")
    if closed is not None and against and closed not in against:
        yield Violation(
            Property.REASONS, f"{sentence} would be closed as {closed}, which is not so."
        )


_AGE = timedelta(minutes=5)
