"""Whether a record may be used for a purpose on a day, with every reason."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.load import load_topology
from regions.model import RECORD_CLASSES, DataClass, Purpose
from storage.cli.use_texts import USE_REASONS
from storage.model import Actor, ActorKind, ConsentKind, Trait
from storage.policy import (
    NOTHING_SAID,
    OPENERS,
    AccessReason,
    ConsentReason,
    Ground,
    InForce,
    Openable,
    Statement,
    TrainingReason,
    Usable,
    may_open,
    may_use,
)
from tests.support.openings import MILL, authority, entry_of

SHIPPED = load_topology()
TODAY = date(2026, 3, 1)
DAY = timedelta(days=1)
CHANGE = date(2023, 3, 1)
PROMPT, FILE = DataClass.PROMPT, DataClass.FINE_TUNING_FILE
CHAT = Actor("chat", ActorKind.CUSTOMER, employer="acme", location="EU")
MIDNIGHT = datetime.combine(TODAY, time(), UTC)
OPT_IN = Statement(
    id=UUID(int=9),
    kind=ConsentKind.OPT_IN,
    subjects=frozenset(),
    wording=None,
    classes=frozenset(RECORD_CLASSES),
    purposes=frozenset({Purpose.TRAIN}),
    given=MIDNIGHT - 2 * DAY,
    covers_from=TODAY - 2 * DAY,
    recorded=MIDNIGHT - 2 * DAY,
)
OPT_OUT = replace(OPT_IN, kind=ConsentKind.OPT_OUT, given=MIDNIGHT - DAY, covers_from=None)
SAID = ((), (OPT_IN,), (OPT_IN, OPT_OUT))

records = st.builds(
    Usable,
    st.sampled_from(RECORD_CLASSES),
    st.integers(0, 3).map(lambda n: TODAY - n * DAY),
    st.none() | st.integers(-2, 2).map(lambda n: datetime.combine(TODAY + n * DAY, time(), UTC)),
    erased=st.booleans(),
    held=st.booleans(),
    traits=st.sets(st.sampled_from(Trait)).map(frozenset),
    flagged=st.booleans(),
    to_return=st.booleans(),
    consent=st.just(NOTHING_SAID),
)


def openable(record: Usable) -> Openable:
    """Return the same record, as somebody asks to open it."""
    return Openable(
        "t",
        bytes(16),
        record.data_class,
        record.readable_until,
        record.erased,
        flagged=record.flagged,
        held=record.held,
        origin=record.origin,
        to_return=record.to_return,
    )


@given(record=records, purpose=st.sampled_from(Purpose))
def test_what_is_allowed_is_opened_and_nothing_else(record: Usable, purpose: Purpose) -> None:
    """By the tenant's own service, at the beginning of the day, for its own purposes."""
    found = may_use(SHIPPED, record, purpose, TODAY)
    opened = may_open(SHIPPED, openable(record), CHAT, purpose, now=MIDNIGHT, login_of_person=False)

    if ActorKind.CUSTOMER in OPENERS[purpose]:
        assert (found == (AccessReason.ALLOWED,)) == opened.allowed
        assert opened.reason in found
    assert AccessReason.ALLOWED not in found or len(found) == 1


@given(record=records, said=st.sampled_from(SAID))
def test_what_is_allowed_for_training_is_opened_for_a_run_and_nothing_else(
    record: Usable, said: tuple[Statement, ...]
) -> None:
    """By a machine, if classes.toml names the purpose."""
    rule = SHIPPED.classes[record.data_class]
    listing = rule.model_copy(update={"purposes": rule.purposes | {Purpose.TRAIN}})
    topology = SHIPPED.model_copy(
        update={"classes": {**SHIPPED.classes, record.data_class: listing}}
    )
    ground = Ground("run-1", said, MIDNIGHT)
    consent = ground.consent(record.data_class, record.origin, None, MIDNIGHT)
    asked = replace(record, consent=consent)
    found = may_use(topology, asked, Purpose.TRAIN, TODAY)
    opened = may_open(
        topology,
        openable(record),
        MILL,
        Purpose.TRAIN,
        now=MIDNIGHT,
        login_of_person=False,
        authority=authority(None, entry_of(MILL)),
        ground=ground,
    )

    assert (found == (AccessReason.ALLOWED,)) == opened.allowed
    assert opened.reason in found
    assert AccessReason.PURPOSE_NOT_ALLOWED in may_use(SHIPPED, asked, Purpose.TRAIN, TODAY)


@pytest.mark.parametrize(
    ("record", "purpose", "at", "reasons"),
    [
        (Usable(FILE, TODAY, None), Purpose.SERVE, TODAY, ["allowed"]),
        (Usable(FILE, TODAY, None), Purpose.SERVE, TODAY - DAY, ["origin_ahead"]),
        (Usable(PROMPT, TODAY, None), Purpose.FINE_TUNE, TODAY, ["purpose_not_allowed"]),
        (
            Usable(FILE, TODAY, None),
            Purpose.TRAIN,
            TODAY,
            ["purpose_not_allowed", "not_opted_in"],
        ),
        (
            Usable(FILE, CHANGE - DAY, None),
            Purpose.TRAIN,
            CHANGE - DAY,
            ["purpose_not_allowed"],
        ),
        (
            Usable(FILE, CHANGE - DAY, None, consent=InForce(ConsentReason.OPTED_OUT)),
            Purpose.TRAIN,
            TODAY,
            ["purpose_not_allowed", "not_opted_in", "opted_out"],
        ),
        (
            Usable(FILE, date(2019, 1, 1), None, consent=InForce(ConsentReason.OPTED_IN)),
            Purpose.TRAIN,
            TODAY,
            ["purpose_not_allowed", "origin_unstated"],
        ),
        (Usable(PROMPT, TODAY, None, erased=True), Purpose.SERVE, TODAY, ["erased"]),
        (Usable(PROMPT, TODAY, None), Purpose.LEGAL, TODAY, ["not_held"]),
        (Usable(PROMPT, TODAY, None, erased=True, held=True), Purpose.LEGAL, TODAY, ["allowed"]),
        (
            Usable(PROMPT, TODAY, None, traits=frozenset({Trait.NO_HUMAN_REVIEW})),
            Purpose.ABUSE_INVESTIGATION,
            TODAY,
            ["no_human_review"],
        ),
        (Usable(PROMPT, TODAY, None), Purpose.ABUSE_INVESTIGATION, TODAY, ["allowed"]),
    ],
)
def test_every_reason_is_named(
    record: Usable, purpose: Purpose, at: date, reasons: list[str]
) -> None:
    """All that apply, not the first alone."""
    assert list(may_use(SHIPPED, record, purpose, at)) == reasons


def test_the_last_day_of_reading_is_the_one_before_the_expiry_day() -> None:
    """Also for what a hold keeps, but for the purpose legal."""
    record = Usable(PROMPT, TODAY, datetime.combine(TODAY + 29 * DAY, time(), UTC), held=True)

    assert may_use(SHIPPED, record, Purpose.SERVE, TODAY + 28 * DAY) == ("allowed",)
    assert may_use(SHIPPED, record, Purpose.SERVE, TODAY + 29 * DAY) == ("expired",)
    assert may_use(SHIPPED, record, Purpose.LEGAL, TODAY + 29 * DAY) == ("allowed",)


@given(record=records, purpose=st.sampled_from(Purpose))
def test_every_reason_has_a_text(record: Usable, purpose: Purpose) -> None:
    """The command prints it."""
    assert all(USE_REASONS[code] for code in may_use(SHIPPED, record, purpose, TODAY))
    assert {str(one) for one in TrainingReason} <= USE_REASONS.keys()
