"""Consent: what may be recorded, and what is in force, against an oracle."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.model import DataClass, Purpose, Wording
from storage.errors import ConsentRefused
from storage.model import ConsentKind
from storage.policy import (
    ConsentReason,
    InForce,
    Statement,
    consent_in_force,
    may_state,
    moment_of,
    not_before,
    outlasting,
)

PROMPT, COMPLETION, FILE = (
    DataClass.PROMPT,
    DataClass.COMPLETION,
    DataClass.FINE_TUNING_FILE,
)
START = datetime(2026, 3, 1, tzinfo=UTC)
NOW = START + timedelta(days=40)
ANN, BEN = (b"\x01ann", b"\x02ann"), (b"\x01ben", b"\x02ben")
OPT_IN, WITHDRAWAL, OPT_OUT = ConsentKind
WORDINGS = {
    "a" * 64: Wording(
        digest="a" * 64,
        title="t",
        language="en",
        classes=frozenset({PROMPT, COMPLETION}),
        purposes=frozenset({Purpose.TRAIN}),
        since=date(2026, 3, 5),
    )
}
SAID = Statement(
    UUID(int=1),
    OPT_IN,
    frozenset(),
    "a" * 64,
    frozenset({PROMPT}),
    frozenset({Purpose.TRAIN}),
    START + timedelta(days=10),
    date(2026, 3, 11),
    NOW,
)


def in_force(
    said: Sequence[Statement],
    *,
    data_class: DataClass = PROMPT,
    origin: date = date(2026, 3, 20),
    subject: bytes | None = None,
    per_subject: bool = False,
) -> InForce:
    """Return what is in force for training."""
    return consent_in_force(
        said,
        data_class=data_class,
        purpose=Purpose.TRAIN,
        origin=origin,
        subject=subject,
        per_subject=per_subject,
        now=NOW,
    )


def test_not_used_for_training_unless_you_explicitly_decide_to_share() -> None:
    """Nothing said is no consent; a consent is one for what it names alone, from its day on."""
    assert in_force([]).reason is ConsentReason.NOTHING_SAID
    assert in_force([SAID]) == InForce(ConsentReason.OPTED_IN, SAID)
    assert in_force([SAID], data_class=COMPLETION).reason is ConsentReason.NOTHING_SAID
    assert in_force([SAID], data_class=FILE).reason is ConsentReason.NOTHING_SAID
    assert in_force([SAID], origin=date(2026, 3, 10)).reason is ConsentReason.NOT_COVERED
    assert in_force([SAID], origin=date(2026, 3, 11)).opted_in


def test_a_subject_decides_for_its_own_records() -> None:
    """Its refusal wins; its consent counts where each subject is asked, and only there."""
    mine = replace(SAID, id=UUID(int=2), subjects=frozenset(ANN))
    no = replace(mine, kind=WITHDRAWAL, covers_from=None, wording=None)
    for subject in ANN:
        assert in_force([SAID, no], subject=subject).reason is ConsentReason.SUBJECT_OPTED_OUT
        assert in_force([mine], subject=subject, per_subject=True).opted_in
        assert not in_force([mine], subject=subject).opted_in
    others: tuple[bytes | None, ...] = (*BEN, None)
    for other in others:
        assert in_force([SAID, no], subject=other).opted_in
        assert not in_force([SAID, mine], subject=other, per_subject=True).opted_in
    assert in_force([SAID], subject=None, per_subject=True).reason is ConsentReason.NO_SUBJECT
    refused = replace(SAID, kind=OPT_OUT, given=START, covers_from=None, wording=None)
    assert in_force([refused, mine], subject=ANN[0], per_subject=True).opted_out


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"wording": "b" * 64}, ConsentReason.UNKNOWN_WORDING),
        ({"wording": None}, ConsentReason.UNKNOWN_WORDING),
        ({"classes": frozenset({PROMPT, FILE})}, ConsentReason.CLASS_NOT_IN_WORDING),
        ({"purposes": frozenset({Purpose.FINE_TUNE})}, ConsentReason.PURPOSE_NOT_IN_WORDING),
        ({"given": START + timedelta(days=3)}, ConsentReason.WORDING_NOT_IN_USE),
        ({"given": NOW + timedelta(seconds=1)}, ConsentReason.GIVEN_IN_THE_FUTURE),
        ({"given": NOW}, ConsentReason.ALLOWED),
    ],
)
def test_a_consent_is_for_what_its_wording_names(
    change: dict[str, object], reason: ConsentReason
) -> None:
    """Each thing that is wrong is refused by name."""
    new = replace(SAID, **change)  # type: ignore[arg-type]
    found = may_state(WORDINGS, new, [], now=NOW)
    assert found.reason is reason
    if not found.allowed:
        with pytest.raises(ConsentRefused) as caught:
            found.demand()
        assert caught.value.reasons == (reason,)
        assert caught.value.advice


@pytest.mark.parametrize("kind", [WITHDRAWAL, OPT_OUT])
def test_a_refusal_needs_no_wording(kind: ConsentKind) -> None:
    """It may be about anything that rests on consent, and nothing else."""
    no = replace(SAID, kind=kind, wording=None, covers_from=None, classes=frozenset({FILE}))
    assert may_state({}, no, [], now=NOW).allowed
    wrong = replace(no, purposes=frozenset({Purpose.SERVE}))
    assert may_state({}, wrong, [], now=NOW).reason is ConsentReason.PURPOSE_WITHOUT_CONSENT


def test_a_consent_that_is_older_than_its_withdrawal_is_refused() -> None:
    """Of the same holder, about the same thing; also one of the same moment."""
    no = replace(SAID, kind=WITHDRAWAL, wording=None, covers_from=None)
    for other, allowed in (
        (no, False),
        (replace(no, given=SAID.given - timedelta(seconds=1)), True),
        (replace(no, subjects=frozenset(ANN)), True),
        (replace(no, classes=frozenset({COMPLETION})), True),
        (replace(no, kind=OPT_OUT), False),
        (replace(no, kind=OPT_IN), True),
    ):
        assert may_state(WORDINGS, SAID, [other], now=NOW).allowed is allowed
    by_ann = replace(SAID, subjects=frozenset(ANN[:1]))
    no_ann = replace(no, subjects=frozenset(ANN))
    assert not may_state(WORDINGS, by_ann, [no_ann], now=NOW).allowed


# The oracle says it by minutes: it walks through what one holder said, in order of time, and keeps
# from which day on it is shared. It knows nothing of "newest" or "covering".

statements = st.builds(
    lambda n, kind, holder, classes, hours, days: Statement(
        UUID(int=n),
        kind,
        frozenset(holder),
        "a" * 64 if kind is OPT_IN else None,
        frozenset(classes),
        frozenset({Purpose.TRAIN}),
        START + timedelta(hours=hours),
        (START + timedelta(days=days)).date() if kind is OPT_IN else None,
        NOW,
    ),
    st.integers(1, 10_000),
    st.sampled_from(ConsentKind),
    st.sampled_from([(), ANN, BEN]),
    st.sets(st.sampled_from([PROMPT, COMPLETION]), min_size=1),
    st.integers(0, 12),
    st.integers(0, 3),
)


def told(said: Sequence[Statement], holder: Sequence[bytes], origin: date) -> str:
    """What one holder has said of a day: yes, no or nothing."""
    own = [x for x in said if x.subjects == frozenset(holder) and PROMPT in x.classes]
    shared: list[date] = []
    no = False
    for moment in sorted({x.given for x in own}):
        at_once = [x for x in own if x.given == moment]
        if any(x.kind is not OPT_IN for x in at_once):  # a refusal of the same moment wins
            shared, no = [], True
        else:
            shared += [x.covers_from for x in at_once if x.covers_from is not None]
    return "yes" if any(day <= origin for day in shared) else "no" if no else "nothing"


@given(
    st.lists(statements, max_size=8),
    st.sampled_from([None, *ANN, *BEN]),
    st.integers(0, 3),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_what_is_in_force_is_what_was_said_last(
    said: list[Statement],
    subject: bytes | None,
    day: int,
    per_subject: bool,  # noqa: FBT001 - drawn
    random: Random,
) -> None:
    """In whatever order it was recorded."""
    origin = (START + timedelta(days=day)).date()
    tenant = told(said, (), origin)
    holder = next((names for names in (ANN, BEN) if subject in names), None)
    own = "nothing" if holder is None else told(said, holder, origin)
    out = "no" in (tenant, own)
    consented = own if per_subject else tenant
    random.shuffle(said)

    found = in_force(said, origin=origin, subject=subject, per_subject=per_subject)

    assert found.opted_out is out
    assert found.opted_in is (consented == "yes" and not out)
    if found.opted_in or found.opted_out:
        assert found.statement in said


@pytest.mark.parametrize("kind", [WITHDRAWAL, OPT_OUT])
@pytest.mark.parametrize("later", [timedelta(), timedelta(days=3)])
def test_a_refusal_of_a_day_wins_over_a_consent_of_that_day(
    kind: ConsentKind, later: timedelta
) -> None:
    """At whatever time of the day the consent was given, and on whatever day it is recorded."""
    noon = START + timedelta(hours=12)
    refused = moment_of(kind, START.date(), noon + later)
    recorded_later = moment_of(OPT_IN, START.date(), noon + timedelta(days=4))
    for consented in (recorded_later, noon):
        both = [replace(SAID, given=consented), replace(SAID, kind=kind, given=refused)]
        assert in_force(both).opted_out
    assert refused.date() == START.date()
    assert refused <= noon + later


def test_what_is_refused_now_is_not_older_than_what_its_holder_said() -> None:
    """Whatever the clock says: of the tenant, or of the same subject."""
    ahead = replace(SAID, given=NOW + timedelta(seconds=1))
    mine = replace(ahead, subjects=frozenset(ANN))
    assert not_before([], (), NOW) == NOW
    assert not_before([SAID], (), NOW) == NOW
    assert not_before([ahead], (), NOW) == ahead.given
    assert not_before([ahead], ANN, NOW) == NOW
    assert not_before([mine], (), NOW) == NOW
    assert not_before([mine], ANN[:1], NOW) == mine.given
    assert not_before([mine], BEN, NOW) == NOW


def test_a_day_that_has_not_begun_stays_in_the_future() -> None:
    """So what was said then is refused, whatever it is."""
    for kind in ConsentKind:
        said = moment_of(kind, NOW.date() + timedelta(days=1), NOW)
        found = may_state(WORDINGS, replace(SAID, kind=kind, given=said), [], now=NOW)
        assert found.reason is ConsentReason.GIVEN_IN_THE_FUTURE


def test_a_refusal_leaves_the_consents_of_its_holder_that_were_given_later() -> None:
    """As far as it refuses the same, and no other refusal came after them."""
    day, both = timedelta(days=1), frozenset({PROMPT, COMPLETION})
    consent = replace(SAID, classes=both)
    early = replace(SAID, id=UUID(int=2), kind=WITHDRAWAL, given=SAID.given - day)
    subject = replace(early, subjects=frozenset(ANN))
    between = replace(early, id=UUID(int=3), given=SAID.given + day)

    assert outlasting([consent, early], early) == [consent]
    assert outlasting([consent, early], replace(early, classes=both)) == [consent]
    for late in (SAID.given, SAID.given + day):
        assert outlasting([consent], replace(early, given=late)) == []
    assert outlasting([consent, early, between], early) == []
    rest = replace(early, classes=frozenset({COMPLETION}))
    assert outlasting([consent, between, rest], rest) == [consent]
    files = replace(early, classes=frozenset({FILE}))
    assert outlasting([consent, files], files) == []
    assert outlasting([consent, subject], subject) == []
    mine = replace(consent, subjects=frozenset(ANN))
    assert outlasting([mine, replace(consent, subjects=frozenset(BEN))], subject) == [mine]


@given(st.randoms(use_true_random=False))
def test_what_outlasts_a_refusal_is_in_force_in_spite_of_it(random: Random) -> None:
    """The same as what is decided of a record that each consent covers."""
    said = [
        replace(
            SAID,
            id=UUID(int=number),
            kind=random.choice([OPT_IN, WITHDRAWAL, OPT_OUT]),
            classes=frozenset(random.sample([PROMPT, COMPLETION, FILE], random.randint(1, 3))),
            given=START + timedelta(days=random.randint(0, 5)),
            covers_from=START.date(),
        )
        for number in range(random.randint(1, 6))
    ]
    for refusal in (x for x in said if x.refuses):
        stays = [in_force(said, data_class=x) for x in refusal.classes]
        left = outlasting(said, refusal)
        assert bool(left) == any(x.opted_in for x in stays)
        assert {x.statement for x in stays if x.opted_in} <= set(left)
