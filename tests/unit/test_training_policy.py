"""Training: what may be handed out to a run, against a table; and what must not be used again."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest

from regions.model import ClassRule, DataClass, Epoch, Purpose, Topology, TrainRule
from storage.model import ConsentKind
from storage.policy import (
    CONSENT_AGE,
    Access,
    AccessReason,
    Ground,
    Statement,
    may_open,
    refused_since,
)
from tests.support.openings import (
    ACTORS,
    HOLD,
    MILL,
    NOW,
    RECORD,
    SHIPPED,
    authority,
    entry_of,
)

OLD, NEW = date(2022, 6, 1), date(2026, 2, 27)
EPOCHS = {
    "both": (
        Epoch.model_validate({"from": date(2020, 1, 1), "train": TrainRule.UNLESS_OPTED_OUT}),
        Epoch.model_validate({"from": date(2023, 3, 1), "train": TrainRule.OPTED_IN}),
    ),
    "silence is enough": (
        Epoch.model_validate({"from": date(2020, 1, 1), "train": TrainRule.UNLESS_OPTED_OUT}),
    ),
    "old unstated": (
        Epoch.model_validate({"from": date(2020, 1, 1)}),
        Epoch.model_validate({"from": date(2023, 3, 1), "train": TrainRule.OPTED_IN}),
    ),
    "today unstated": (
        Epoch.model_validate({"from": date(2020, 1, 1), "train": TrainRule.OPTED_IN}),
        Epoch.model_validate({"from": NOW.date()}),
    ),
    "none": (),
}
OPT_IN = Statement(
    UUID(int=1),
    ConsentKind.OPT_IN,
    frozenset(),
    "a" * 64,
    frozenset({DataClass.PROMPT}),
    frozenset({Purpose.TRAIN}),
    NOW - timedelta(days=2),
    date(2020, 1, 1),
    NOW - timedelta(days=2),
)
NO = replace(OPT_IN, kind=ConsentKind.WITHDRAWAL, given=NOW - timedelta(days=1), covers_from=None)
SAID = {
    "nothing": (),
    "yes": (OPT_IN,),
    "yes, then no": (OPT_IN, NO),
    "yes, a subject no": (OPT_IN, replace(NO, subjects=frozenset({b"subject"}))),
    "no": (NO,),
}


def topology(epochs: str, *, named: bool = True) -> Topology:
    """Return a topology in which prompts may be opened for training, and with these epochs."""
    purposes = frozenset({Purpose.TRAIN} if named else {Purpose.SERVE})
    rule = ClassRule(name=DataClass.PROMPT, retention_days=30, purposes=purposes)
    return SHIPPED.model_copy(
        update={"classes": {DataClass.PROMPT: rule}, "epochs": EPOCHS[epochs]}
    )


def ground(said: str = "yes", *, age: timedelta = timedelta(), **more: object) -> Ground:
    """Return what a training read rests on."""
    return replace(Ground("run-1", SAID[said], NOW - age), **more)  # type: ignore[arg-type]


def ask(
    known: Ground | None,
    actor: str = "mill",
    *,
    epochs: str = "both",
    named: bool = True,
    **record: object,
) -> Access:
    """Ask for a prompt at NOW."""
    who = ACTORS[actor]
    wanted = replace(RECORD, **({"origin": NEW} | record))  # type: ignore[arg-type]
    return may_open(
        topology(epochs, named=named),
        wanted,
        who,
        Purpose.TRAIN,
        now=NOW,
        login_of_person=False,
        authority=authority(None, entry_of(who)),
        ground=known,
    )


@pytest.mark.parametrize(
    ("epochs", "origin", "said"), list(product(EPOCHS, (OLD, NEW), SAID)), ids=str
)
def test_both_epochs_and_consent_permit_it_or_nothing_does(
    epochs: str, origin: date, said: str
) -> None:
    """The table says it in words: consent where either epoch wants it, and never against a no.

    What an epoch does not state permits nothing.
    """
    silent = {"both": False, "silence is enough": True, "old unstated": False}
    stated = {
        "both": True,
        "silence is enough": True,
        "old unstated": origin is NEW,
        "today unstated": False,
        "none": False,
    }[epochs]
    wanted = said in ("nothing", "yes") if silent.get(epochs) else said == "yes"

    found = ask(ground(said), epochs=epochs, origin=origin)

    assert found.allowed is (stated and wanted)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"flagged": True}, AccessReason.FLAGGED),
        ({"held": True}, AccessReason.HELD),
        ({"held_by": frozenset({HOLD})}, AccessReason.ALLOWED),  # asked for a purpose of its own
        ({"fenced": True}, AccessReason.ERASED),
        ({"readable_until": NOW}, AccessReason.EXPIRED),
        ({"data_class": DataClass.COMPLETION}, AccessReason.UNKNOWN_CLASS),
        ({"origin": None}, AccessReason.NO_RUN),
        ({}, AccessReason.ALLOWED),
    ],
)
def test_one_thing_that_is_wrong_keeps_a_record_out(
    change: dict[str, object], reason: AccessReason
) -> None:
    """Whatever was consented to."""
    assert ask(ground(), **change).reason is reason  # type: ignore[arg-type]


def test_the_topology_must_name_the_purpose() -> None:
    """For the class."""
    assert ask(ground(), named=False).reason is AccessReason.PURPOSE_NOT_ALLOWED


@pytest.mark.parametrize("actor", ACTORS)
def test_machines_alone(actor: str) -> None:
    """A customer's service and people do not train."""
    reason = AccessReason.ALLOWED if actor == MILL.id else AccessReason.ACTOR_NOT_ALLOWED
    assert ask(ground(), actor).reason is reason


def test_a_run_is_needed() -> None:
    """Nothing is opened for training without what the read rests on."""
    assert ask(None).reason is AccessReason.NO_RUN


def test_consent_that_was_read_too_long_ago_refuses() -> None:
    """From two seconds on, and a permit does not outlive them."""
    tick = timedelta(microseconds=1)
    assert ask(ground(age=CONSENT_AGE)).reason is AccessReason.CONSENT_STALE
    fresh = ask(ground(age=CONSENT_AGE - tick))
    assert fresh.permit is not None
    assert fresh.permit.until == NOW + tick


def test_a_company_that_the_tenant_objects_to_trains_on_nothing() -> None:
    """Who runs the machine."""
    objected = ground(objections=frozenset({MILL.employer}))
    assert ask(objected).reason is AccessReason.COMPANY_OBJECTED_TO
    assert ask(ground(objections=frozenset({"others"}))).allowed


def test_where_each_subject_is_asked_a_record_of_nobody_is_not_used() -> None:
    """Even if its epoch asks for no consent."""
    asked = ground("nothing", per_subject=True)
    found = ask(asked, epochs="silence is enough", origin=OLD, subject=None)
    assert found.reason is AccessReason.NO_SUBJECT
    assert ask(ground(per_subject=True)).reason is AccessReason.NOT_OPTED_IN


def since(
    at: datetime,
    *said: Statement,
    subject: bytes | None = b"subject",
    origin: date = date(2026, 1, 1),
) -> Statement | None:
    """Return what refused a prompt that was handed out at that time."""
    return refused_since(said, data_class=DataClass.PROMPT, origin=origin, subject=subject, at=at)


def test_what_was_refused_after_it_was_handed_out_is_excluded() -> None:
    """By when it was recorded, whatever its date. No later consent undoes it."""
    recorded = replace(NO, recorded=NOW)
    undone = replace(OPT_IN, given=NOW, recorded=NOW)
    for early in (NOW - timedelta(seconds=1), NOW):
        assert since(early, recorded, undone) is recorded
    assert since(NOW + timedelta(seconds=1), recorded, undone) is None
    old = replace(recorded, given=NOW - timedelta(days=900), kind=ConsentKind.OPT_OUT)
    assert since(NOW - timedelta(days=1), old, OPT_IN) is old
    again = replace(OPT_IN, given=NOW + timedelta(days=1), recorded=NOW + timedelta(days=1))
    assert since(NOW - timedelta(days=1), recorded, again) is recorded
    other = replace(recorded, subjects=frozenset({b"other"}))
    mine = replace(recorded, subjects=frozenset({b"subject"}))
    assert since(NOW, other) is None
    assert since(NOW, mine) is mine
    assert since(NOW, mine, subject=None) is None
    files = replace(recorded, classes=frozenset({DataClass.FINE_TUNING_FILE}))
    assert since(NOW, files) is None


def test_a_refusal_that_would_have_refused_the_hand_out_was_not_known() -> None:
    """It was recorded earlier, and came into force later: no consent of its holder undid it."""
    at, day = NOW + timedelta(seconds=1), date(2026, 1, 1)
    assert since(at, OPT_IN, NO) is NO
    newer = replace(OPT_IN, given=NO.given + timedelta(seconds=1))
    assert since(at, NO, newer) is None
    assert since(at, NO, replace(newer, given=NO.given)) is NO
    assert since(at, NO, replace(newer, given=at + timedelta(seconds=1))) is NO
    assert since(at, NO, replace(newer, subjects=frozenset({b"subject"}))) is NO
    assert since(at, NO, replace(newer, covers_from=day + timedelta(days=1))) is NO
    assert since(at, NO, replace(newer, covers_from=day)) is None
    mine = replace(NO, subjects=frozenset({b"subject"}))
    assert since(at, mine, newer) is mine
