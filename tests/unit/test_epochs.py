"""Which epoch a record belongs to, what training needs in it, and its ceiling."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.load import load_topology
from regions.model import DataClass, Epoch, Topology, TrainRule
from storage.errors import OriginRefused, StaleId
from storage.model import RecordId, TenantSpec
from storage.policy import (
    ConsentReason,
    InForce,
    RetentionReason,
    TrainingReason,
    accept_id,
    ceiling_of,
    epoch_of,
    retain,
    training_rule,
)

PROMPT, FILE = DataClass.PROMPT, DataClass.FINE_TUNING_FILE
SHIPPED = load_topology()
CHANGE = date(2023, 3, 1)
DAY = timedelta(days=1)
ACME = TenantSpec("acme-eu", "acme", "eu-central-1", "EU")
OPTED_IN, OPTED_OUT = InForce(ConsentReason.OPTED_IN), InForce(ConsentReason.OPTED_OUT)
SILENT = InForce(ConsentReason.NOTHING_SAID)
KNOWN = (ConsentReason.OPTED_IN, ConsentReason.OPTED_OUT, ConsentReason.NOTHING_SAID)
ALLOWED = (TrainingReason.ALLOWED,)

days = st.dates(date(2019, 1, 1), date(2035, 1, 1))
rules = st.sampled_from([None, *TrainRule])
consents = st.builds(InForce, st.sampled_from(KNOWN))


def epoch(
    begins: date, train: TrainRule | None = None, ceilings: Mapping[DataClass, int] | None = None
) -> Epoch:
    """Return an epoch, as epochs.toml states it."""
    return Epoch.model_validate({"from": begins, "train": train, "ceiling_days": ceilings or {}})


def topology(*epochs: Epoch) -> Topology:
    """Return the shipped topology with other epochs."""
    return SHIPPED.model_copy(update={"epochs": epochs})


@st.composite
def histories(draw: st.DrawFn) -> Topology:
    """Up to five epochs, each with a rule or none, and with a ceiling for prompts or none."""
    begins = sorted(draw(st.sets(days, max_size=5)))
    ceilings = st.none() | st.integers(0, 60)
    found = []
    for day in begins:
        ceiling = draw(ceilings)
        found.append(epoch(day, draw(rules), {} if ceiling is None else {PROMPT: ceiling}))
    return topology(*found)


@given(history=histories(), day=days)
def test_an_epoch_lasts_until_the_next_one_begins(history: Topology, day: date) -> None:
    """Each day is of the last epoch that has begun, or of none before the first."""
    found = epoch_of(history, day)
    begun = [one.begins for one in history.epochs if one.begins <= day]

    assert (found is None) == (not begun)
    if found is not None:
        assert found.begins == max(begun)


def test_data_submitted_before_march_1_2023_may_be_used_if_the_customer_had_not_previously_opted_out() -> (  # noqa: E501
    None
):
    """Then. Today's rule holds as well: an explicit opt-in, and still no opt-out."""
    submitted = CHANGE - DAY
    then = training_rule(SHIPPED, submitted, submitted)
    today = training_rule(SHIPPED, submitted, date(2026, 3, 1))

    assert then.reasons(SILENT) == ALLOWED
    assert then.reasons(OPTED_OUT) == (TrainingReason.OPTED_OUT,)
    assert today.reasons(SILENT) == (TrainingReason.NOT_OPTED_IN,)
    assert today.reasons(OPTED_IN) == ALLOWED


def test_from_march_1_2023_not_used_for_training_unless_you_explicitly_decide_to_share() -> None:
    """From the day itself on: silence is no decision."""
    rule = training_rule(SHIPPED, CHANGE, CHANGE)

    assert rule.strictest is TrainRule.OPTED_IN
    assert rule.reasons(SILENT) == (TrainingReason.NOT_OPTED_IN,)
    assert rule.reasons(OPTED_IN) == ALLOWED


def test_data_is_kept_for_a_maximum_of_30_days() -> None:
    """Under both epochs of the example, also if classes.toml and a tenant say more."""
    rule = SHIPPED.classes[PROMPT].model_copy(update={"retention_days": 90, "ceiling_days": 90})
    wider = SHIPPED.model_copy(update={"classes": {**SHIPPED.classes, PROMPT: rule}})
    own = TenantSpec("acme-eu", "acme", "eu-central-1", "EU", retention={PROMPT: 60})
    for day in (CHANGE - DAY, CHANGE, date(2026, 3, 1)):
        written = datetime.combine(day, time(12), UTC)
        for tenant in (ACME, own):
            term = retain(wider, tenant, PROMPT, written)
            assert term.deadline is not None
            assert written + 29 * DAY <= term.deadline <= written + 30 * DAY
            assert term.reason is RetentionReason.EPOCH_CEILING


@given(history=histories(), origin=days, today=days, consent=consents)
def test_both_epochs_must_permit_a_use(
    history: Topology, origin: date, today: date, consent: InForce
) -> None:
    """What one of them does not state permits nothing, whatever the customer said."""
    found = training_rule(history, origin, today)
    allowed = found.reasons(consent) == ALLOWED

    def met(day: date) -> bool:
        one = epoch_of(history, day)
        match one.train if one is not None else None:
            case TrainRule.OPTED_IN:
                return consent.opted_in and not consent.opted_out
            case TrainRule.UNLESS_OPTED_OUT:
                return not consent.opted_out
            case None:
                return False

    assert allowed == (met(origin) and met(today) and origin <= today)
    if found.strictest is None:
        assert not allowed


def test_what_is_unstated_permits_nothing() -> None:
    """An epoch without a rule, and a day before the first epoch: of the data, or of the use."""
    silent, stated = date(2026, 1, 1), date(2026, 2, 1)
    before = topology(epoch(silent), epoch(stated, TrainRule.UNLESS_OPTED_OUT))
    after = topology(epoch(silent, TrainRule.UNLESS_OPTED_OUT), epoch(stated))

    for origin in (silent, silent - DAY):
        rule = training_rule(before, origin, stated)
        assert rule.reasons(OPTED_IN) == (TrainingReason.ORIGIN_UNSTATED,)
        assert rule.strictest is None
    rule = training_rule(after, silent, stated)
    assert rule.reasons(OPTED_IN) == (TrainingReason.TODAY_UNSTATED,)
    assert rule.strictest is None
    assert training_rule(before, stated, stated).reasons(OPTED_IN) == ALLOWED


@given(history=histories(), written=st.datetimes(datetime(2020, 1, 2), datetime(2034, 1, 1)))  # noqa: DTZ001
def test_no_record_outlives_the_ceiling_of_its_epoch(history: Topology, written: datetime) -> None:
    """Counted from its minting; nothing is stored that could not be read."""
    moment = written.replace(tzinfo=UTC)
    term = retain(history, ACME, PROMPT, moment)
    ceiling = ceiling_of(history, PROMPT, moment.date())

    if ceiling is not None and term.deadline is not None:
        assert term.deadline <= moment + timedelta(days=ceiling)
    if ceiling == 0:
        assert not term.stored
    other = retain(history, ACME, FILE, moment)
    assert other.reason is RetentionReason.UNTIL_DELETED, "a ceiling is that of its class alone"


@given(history=histories(), age=st.integers(0, 60), hour=st.integers(0, 23))
def test_the_term_of_older_data_counts_from_its_origin(
    history: Topology, age: int, hour: int
) -> None:
    """Retention and ceiling are those of its own epoch, and what is over is refused."""
    now = datetime(2026, 3, 1, hour, tzinfo=UTC)
    origin = (now - age * DAY).date()
    begins = datetime.combine(origin, time.min, UTC)
    ceiling = ceiling_of(history, PROMPT, origin)
    kept = 30 if ceiling is None else min(30, ceiling)
    end = begins + kept * DAY
    last = (end - DAY).date()  # reading ends with a day, a purge bound before the end
    if kept and last <= now.date():
        with pytest.raises(OriginRefused) as caught:
            retain(history, ACME, PROMPT, now, origin)
        assert caught.value.reasons == ("past_its_end" if end <= now else "never_readable",)
        return

    term = retain(history, ACME, PROMPT, now, origin)

    assert term.stored == (kept > 0)
    assert term.expiry_day == (last if kept else None)
    assert term.deadline == (end if kept else None)


@pytest.mark.parametrize("ahead", [1, 400])
def test_a_future_origin_date_is_refused(ahead: int) -> None:
    """Also for a class that is kept until it is deleted."""
    now = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
    for data_class in (PROMPT, FILE):
        with pytest.raises(OriginRefused, match="in the future") as caught:
            retain(SHIPPED, ACME, data_class, now, now.date() + ahead * DAY)
        assert caught.value.reasons == ("origin_ahead",)


def test_a_ceiling_of_the_past_binds_what_was_kept_without_an_end() -> None:
    """A file of an epoch with a ceiling has an end; of today's it has none."""
    then = epoch(date(2026, 1, 1), ceilings={FILE: 90})
    history = topology(then, epoch(date(2026, 2, 1)))
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    assert retain(history, ACME, FILE, now).expiry_day is None
    assert retain(history, ACME, FILE, now, date(2026, 1, 10)).expiry_day == date(2026, 4, 9)


def test_the_oldest_dates_are_refused_and_not_an_error() -> None:
    """The first day that a date can have included."""
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with pytest.raises(OriginRefused, match="past its end"):
        retain(SHIPPED, ACME, PROMPT, now, date.min)
    assert retain(SHIPPED, ACME, FILE, now, date.min).stored


def test_an_id_for_another_origin_is_refused() -> None:
    """An id for a later day than the origin allows; one with an earlier day keeps its own."""
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    origin = date(2026, 2, 20)

    def mint(origin: date | None) -> RecordId:
        day = retain(SHIPPED, ACME, PROMPT, now, origin).expiry_day
        return RecordId.mint(PROMPT, "eu-central-1", now, day, tenant="acme-eu", entropy=bytes)

    for other in (None, origin + DAY):
        with pytest.raises(StaleId, match="for a later origin date, or for none"):
            accept_id(SHIPPED, ACME, mint(other), now, timedelta(0), origin=origin)
    earlier = mint(origin - DAY)
    term = accept_id(SHIPPED, ACME, earlier, now, timedelta(0), origin=origin)
    assert term.expiry_day == earlier.day
