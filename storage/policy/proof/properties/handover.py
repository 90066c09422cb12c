"""What must hold of copies at processors."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from regions.connectors import LONGEST_COPY_DAYS
from regions.model import Form, SubProcessor
from storage.policy.proof.properties import Property, Violation
from storage.policy.proof.properties.companies import has_begun, has_ended, holds, why_not
from storage.policy.proof.properties.placement import Facts, causes_against


def of_hand_over(
    facts: Facts, processor: str, *, reason: str, allowed: bool
) -> Iterator[Violation]:
    """Yield each violation of a hand-over. ``facts``: those of storing the record."""
    stored = tuple(("not_storable", why) for why in causes_against(facts))
    against = (*stored, *(() if stored else _against(facts, processor)))
    sentence = f"{facts.subject} would be handed over to {processor}"
    if allowed:
        for _, why in against:
            yield Violation(Property.HAND_OVER, f"{sentence}, although {why}.")
    elif not against:
        yield Violation(Property.USABLE, f"{sentence.replace('would', 'would not')} ({reason}).")
    elif reason not in {code for code, _ in against}:
        yield Violation(
            Property.REASONS,
            f"{sentence.replace('would', 'would not')} as {reason}, which is not so.",
        )


def _against(facts: Facts, processor: str) -> Iterator[tuple[str, str]]:
    company = facts.topology.sub_processors.get(processor)
    if company is None:
        yield "unknown_processor", "the topology has no such company"
        return
    active = holds(company, facts.on)  # if not, that comes before what it may not get
    if company.connector is None:
        yield "no_connector", "there is no connector to it"
    rule = facts.topology.classes[facts.data_class]
    given = [one for one in rule.handed_to if one.service is company.service]
    if not given:
        yield "service_not_allowed", f"the class is handed to nobody for {company.service}"
    elif given[0].form is not Form.RAW and active:
        yield "form_not_available", f"it gets {given[0].form} content, which nothing makes"
    permitted = facts.topology.residencies[facts.tenant.residency].jurisdictions
    if not company.jurisdictions or company.jurisdictions - permitted:
        where = ", ".join(sorted(company.jurisdictions - permitted)) or "nowhere"
        yield "outside_residency", f"it may have data in {where}"
    if not has_begun(company, facts.on):
        yield "sub_processor_not_yet", f"it {why_not(company, facts.on)}"
    elif has_ended(company, facts.on):
        yield "sub_processor_ended", f"it {why_not(company, facts.on)}"
    if facts.lacks_baa(company) and active:
        yield "sub_processor_baa_missing", "it has no business associate agreement"
    if processor in facts.objections:
        yield "objected", "the tenant objects to it"


@dataclass(frozen=True, slots=True)
class Copied:
    """The term of a copy. ``ends`` and ``unreadable``: of its record; None: never."""

    company: SubProcessor
    now: datetime
    ends: datetime | None
    unreadable: datetime | None
    deadline: datetime
    ask_at: datetime
    allowed: bool


def of_copy(copied: Copied, ahead: timedelta) -> Iterator[Violation]:
    """Yield each violation of a term. ``ahead``: how long before the lead time it is asked for."""
    connector = copied.company.connector
    assert connector is not None
    days = min(connector.max_days, LONGEST_COPY_DAYS)
    ends = [copied.now + timedelta(days=days)]
    if copied.ends is not None:
        ends.append(copied.ends)
    if copied.company.until is not None:
        ends.append(datetime.combine(copied.company.until, time.min, UTC))
    sentence = f"A copy at {copied.company.name} that is handed over at {copied.now}"
    if copied.deadline > min(ends):
        yield Violation(
            Property.COPIES,
            f"{sentence} would be there until {copied.deadline}, not until {min(ends)}.",
        )
    if copied.deadline < min(ends):
        yield Violation(Property.USABLE, f"{sentence} would go before {min(ends)}.")
    asks = [copied.deadline - timedelta(hours=connector.lead_hours) - ahead]
    if copied.unreadable is not None:
        asks.append(copied.unreadable)
    if copied.ask_at != min(asks):
        yield Violation(
            Property.COPIES,
            f"{sentence} would be asked back at {copied.ask_at}, not at {min(asks)}.",
        )
    if copied.allowed is not (min(asks) > copied.now):
        which = Property.COPIES if copied.allowed else Property.USABLE
        yield Violation(which, f"{sentence} would have to be asked back by {min(asks)}.")


def of_leaving(
    company: SubProcessor, now: datetime, ahead: timedelta, *, ending: bool
) -> Iterator[Violation]:
    """Yield each violation of when all copies are asked back."""
    hours = 0 if company.connector is None else company.connector.lead_hours
    late = (now + timedelta(hours=hours) + ahead).date()
    wanted = company.until is not None and not holds(
        company.model_copy(update={"announced": None, "since": late}), late
    )
    if ending is not wanted:
        which = Property.COPIES if wanted else Property.USABLE
        yield Violation(
            which,
            f"At {now} all copies at {company.name}, whose agreement ends on {company.until}, "
            f"would {'' if ending else 'not '}be asked back.",
        )
