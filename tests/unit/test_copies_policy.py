"""Which processors may get a copy, for how long, and when it counts as deleted."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.connectors import ManualConnectorSpec
from regions.load import load_topology
from regions.model import RECORD_CLASSES, DataClass, Form, HandedTo, Service, SubProcessor, Topology
from storage.errors import AgreementMissing, HandOverRefused
from storage.model import CopyState, Dpa, TenantSpec
from storage.policy import (
    ASK_AHEAD,
    HELD_AT_PROCESSORS,
    Pace,
    agreement_ending,
    confirm_deletion,
    copy_lateness,
    copy_term,
    erasure_lateness,
    expiry_lateness,
    may_destroy,
    may_hand_over,
    processors_of,
    term_of,
)

TOPOLOGY = load_topology()
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MOMENT = timedelta(microseconds=1)
SKEW = timedelta(minutes=5)  # a processor's clock may be so far from ours
HOMES = {"EU": "eu-central-1", "US": "us-east-1"}
PROCESSORS = {
    "klarblick": "EU",
    "handverlesen": "EU",
    "vier-augen": "EU",
    "clearwater-screening": "US",
    "second-look": "US",
}


def tenant(residency: str = "EU") -> TenantSpec:
    """Return a tenant with a signed DPA."""
    agreements = [Dpa(signed=date(2026, 1, 5))]
    return TenantSpec("acme", "acme", HOMES[residency], residency, agreements=agreements)


def changed(processor: str = "klarblick", /, **fields: object) -> Topology:
    """Return the shipped topology with one company changed."""
    company = TOPOLOGY.sub_processors[processor].model_copy(update=fields)
    companies = TOPOLOGY.sub_processors | {processor: company}
    return TOPOLOGY.model_copy(update={"sub_processors": companies})


def company(lead: int = 24, most: int = 14, until: date | None = None) -> SubProcessor:
    """Return a processor with these terms."""
    spec = ManualConnectorSpec(lead_hours=lead, max_days=most)
    return TOPOLOGY.sub_processors["handverlesen"].model_copy(
        update={"connector": spec, "until": until}
    )


def test_every_class_to_every_company_of_the_shipped_topology() -> None:
    """Copies go only to processors within the residency, for services that the class allows."""
    for name, data_class, residency in product(TOPOLOGY.sub_processors, RECORD_CLASSES, HOMES):
        verdict = may_hand_over(TOPOLOGY, tenant(residency), data_class, name, NOW, objections=())

        file = data_class is DataClass.FINE_TUNING_FILE
        review = TOPOLOGY.sub_processors[name].service is Service.HUMAN_REVIEW
        expected = "allowed" if PROCESSORS.get(name) == residency else "outside_residency"
        if review and expected == "allowed":
            expected = "form_not_available"
        event = data_class is DataClass.EVENT
        if (file and review) or event:
            expected = "service_not_allowed"
        if name not in PROCESSORS:
            expected = "no_connector"
        assert (verdict.reason, verdict.allowed) == (expected, expected == "allowed")


def test_no_form_but_raw_can_be_handed_over_yet() -> None:
    """Raw content is no substitute for content without what identifies somebody."""
    given = HandedTo(service=Service.MODERATION, form=Form.DE_IDENTIFIED)
    rule = TOPOLOGY.classes[DataClass.PROMPT].model_copy(update={"handed_to": (given,)})
    classes = TOPOLOGY.classes | {DataClass.PROMPT: rule}
    topology = TOPOLOGY.model_copy(update={"classes": classes})

    verdict = may_hand_over(topology, tenant(), DataClass.PROMPT, "klarblick", NOW, objections=())

    assert verdict.reason == "form_not_available"
    with pytest.raises(HandOverRefused) as caught:
        verdict.demand()
    assert caught.value.reasons == ("form_not_available",)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"since": date(2026, 3, 2)}, "sub_processor_not_yet"),
        ({"until": date(2026, 3, 1)}, "sub_processor_ended"),
        ({"jurisdictions": frozenset({"EU", "US"})}, "outside_residency"),
        ({"jurisdictions": frozenset()}, "outside_residency"),
        ({"connector": None}, "no_connector"),
        ({"service": Service.HOSTING}, "service_not_allowed"),
    ],
)
def test_a_company_that_may_not_have_it(fields: dict[str, object], reason: str) -> None:
    """It is not active today, or may hold data outside the tenant's residency."""
    verdict = may_hand_over(
        changed(**fields), tenant(), DataClass.PROMPT, "klarblick", NOW, objections=()
    )

    assert verdict.reason == reason
    with pytest.raises(HandOverRefused) as caught:
        verdict.demand()
    assert caught.value.reasons == (reason,)


def test_a_record_that_may_not_be_stored_is_not_handed_over() -> None:
    """No copy is made without the customer's agreement, nor for an unknown company."""
    bare = TenantSpec("acme", "acme", "eu-central-1", "EU")
    verdict = may_hand_over(TOPOLOGY, bare, DataClass.PROMPT, "klarblick", NOW, objections=())

    with pytest.raises(AgreementMissing):
        verdict.demand()
    unknown = may_hand_over(TOPOLOGY, tenant(), DataClass.PROMPT, "nobody", NOW, objections=())
    assert unknown.reason == "unknown_processor"


def test_each_region_has_the_processors_of_its_jurisdiction() -> None:
    """As in the shipped topology."""
    found = {
        r.name: [c.name for c in processors_of(TOPOLOGY, r)] for r in TOPOLOGY.regions.values()
    }

    assert found == {
        "eu-central-1": ["klarblick", "handverlesen", "vier-augen"],
        "us-east-1": ["clearwater-screening", "second-look"],
    }


@pytest.mark.parametrize(
    ("fields", "listed"),
    [
        ({"jurisdictions": frozenset({"EU"})}, True),
        ({"jurisdictions": frozenset()}, False),
        ({"jurisdictions": frozenset({"EU", "US"})}, False),
        ({"connector": None}, False),
    ],
)
def test_a_processor_is_listed_only_if_a_residency_covers_it(
    fields: dict[str, object],
    listed: bool,  # noqa: FBT001
) -> None:
    """It has a connector, and some residency of the region permits all of its jurisdictions."""
    topology = changed(**fields)
    narrow = topology.residencies["EU"].model_copy(
        update={"name": "narrow", "jurisdictions": frozenset({"EU", "CH"})}
    )
    topology = topology.model_copy(
        update={"residencies": topology.residencies | {"narrow": narrow}}
    )
    found = processors_of(topology, topology.regions["eu-central-1"])

    assert ("klarblick" in {company.name for company in found}) == listed


def test_a_residency_that_does_not_cover_a_processor_does_not_hide_it() -> None:
    """One residency of the region's jurisdiction that covers it is enough."""
    wide = TOPOLOGY.residencies["EU"].model_copy(
        update={"name": "wide", "jurisdictions": frozenset({"EU", "US"})}
    )
    topology = changed(jurisdictions=frozenset({"EU", "US"}))
    topology = topology.model_copy(update={"residencies": topology.residencies | {"wide": wide}})
    found = processors_of(topology, topology.regions["eu-central-1"])

    assert "klarblick" in {company.name for company in found}


def test_a_copy_without_time_is_refused() -> None:
    """Its deletion would have to be requested at once; with a moment left it is allowed."""
    slow = company(lead=24, most=1)
    with pytest.raises(HandOverRefused) as caught:
        copy_term(slow, term_of(None, TOPOLOGY.bounds), NOW).demand()
    copy_term(company(lead=21, most=1), term_of(None, TOPOLOGY.bounds), NOW).demand()

    assert caught.value.reasons == ("too_short",)


@given(
    st.integers(0, 900),
    st.integers(1, 30),
    st.none() | st.integers(1, 60),
    st.none() | st.integers(1, 60),
)
def test_a_copy_lives_no_longer_than_anything_allows(
    lead: int, most: int, expires: int | None, ends: int | None
) -> None:
    """Nor than 30 days; deletion is requested early enough, and never after reads end."""
    day = None if expires is None else NOW.date() + expires * DAY
    until = None if ends is None else NOW.date() + ends * DAY
    term = term_of(day, TOPOLOGY.bounds)
    found = copy_term(company(lead, most, until), term, NOW)

    assert found.deadline <= NOW + min(most, 30) * DAY
    assert term.deadline is None or found.deadline <= term.deadline
    assert until is None or found.deadline <= datetime.combine(until, time.min, UTC)
    assert found.ask_at <= found.deadline - lead * HOUR - ASK_AHEAD
    assert term.readable_until is None or found.ask_at <= term.readable_until
    assert (found.reason == "allowed") == (found.ask_at > NOW)


def test_it_is_not_asked_back_earlier_than_need_be() -> None:
    """A file that does not expire, with a lead of a day: thirteen days less two hours."""
    found = copy_term(company(24, 14), term_of(None, TOPOLOGY.bounds), NOW)

    assert found.deadline - NOW == 14 * DAY
    assert found.deadline - found.ask_at == 24 * HOUR + ASK_AHEAD


@pytest.mark.parametrize(
    ("days", "expected"), [(0, True), (1, True), (2, True), (3, False), (None, False)]
)
def test_copies_are_asked_back_before_an_agreement_ends(
    days: int | None,
    expected: bool,  # noqa: FBT001
) -> None:
    """By the lead time, so that no copy is left on the first day without an agreement."""
    until = None if days is None else NOW.date() + days * DAY

    assert agreement_ending(company(lead=36, until=until), NOW) is expected


@pytest.mark.parametrize(
    ("deleted", "asked", "reason"),
    [
        (HOUR, HOUR, "gone"),
        (timedelta(), HOUR, "gone"),
        (-SKEW, HOUR, "gone"),
        (-SKEW - MOMENT, HOUR, "before_delivery"),
        (HOUR + SKEW, HOUR, "gone"),
        (HOUR + SKEW + MOMENT, HOUR, "in_the_future"),
        (timedelta(minutes=1), timedelta(minutes=17), "may_still_land"),
        (timedelta(minutes=1), timedelta(minutes=17) + MOMENT, "gone"),
    ],
)
def test_which_statement_confirms_a_deletion(
    deleted: timedelta, asked: timedelta, reason: str
) -> None:
    """It is after the delivery, not in the future, and requested when nothing can arrive."""
    land_by = NOW + timedelta(minutes=17)
    verdict = confirm_deletion(
        deleted_at=NOW + deleted, announced=NOW, land_by=land_by, asked=NOW + asked
    )

    assert (verdict.reason, verdict.done) == (reason, reason == "gone")


@pytest.mark.parametrize("state", CopyState)
def test_only_a_requested_copy_is_deleted(state: CopyState) -> None:
    """The same predicate decides as for everything else that is destroyed."""
    destruction = may_destroy(what="copy", state=state, held=False, now=NOW)

    assert destruction.allowed is (state is CopyState.REQUESTED)


def test_a_legal_hold_does_not_keep_copies_at_processors() -> None:
    """It keeps our own replicas, so a copy is deleted on request all the same."""
    held = HELD_AT_PROCESSORS

    assert may_destroy(what="copy", state=CopyState.REQUESTED, held=held, now=NOW).allowed


def test_lead_times_are_terms_of_the_bounds() -> None:
    """An erasure waits for the slowest; an expiry for none, because they were asked ahead."""
    region, bounds = TOPOLOGY.regions["eu-central-1"], TOPOLOGY.bounds
    pace = Pace(timedelta(seconds=5), 10 * HOUR / 60, HOUR / 2, HOUR, HOUR / 60)
    slow, slower = [company(lead=24)], [company(lead=24), company(lead=100)]

    none, some, more = (erasure_lateness(region, bounds, pace, p) for p in ([], slow, slower))
    assert some.at_most - none.at_most == 24 * HOUR + pace.retry
    assert more.at_most - some.at_most == 76 * HOUR
    assert expiry_lateness(region, bounds, pace, slower).at_most == (
        expiry_lateness(region, bounds, pace).at_most
    )
    assert copy_lateness(company(lead=100), pace).fits
    assert not copy_lateness(company(), Pace(HOUR, HOUR, HOUR, HOUR, HOUR)).fits
