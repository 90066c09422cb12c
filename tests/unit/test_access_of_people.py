"""Which people, machines and services may open which records: a table, and each refusal."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from itertools import product

import pytest

from regions.model import RECORD_CLASSES, DataClass, Purpose
from storage.errors import PurposeRefused
from storage.model import (
    ActorKind,
    Approval,
    Grant,
    RosterEntry,
    ScopeKind,
    Trait,
)
from storage.policy import (
    Access,
    AccessReason,
)
from tests.support.openings import (
    ACTORS,
    ANNA,
    CARL,
    HOLD,
    NOW,
    OTHER_HOLD,
    RECORD,
    SERVICE,
    ask,
    authority,
    entry_of,
    grant_of,
)


@dataclass(frozen=True)
class Case:
    """One row of the table: what differs from an opening that everything allows."""

    actor: str
    purpose: Purpose
    data_class: DataClass
    state: str  # of the record
    flagged: bool
    entry: str
    grant: str
    trait: str
    login_of_person: bool


CASES = [
    Case(*values)
    for values in product(
        ACTORS,
        Purpose,
        RECORD_CLASSES,
        ("alive", "fenced", "expired", "held", "fenced and held"),
        (False, True),
        ("in force", "absent", "suspended", "no agreement", "elsewhere"),
        (
            "good",
            "none",
            "no case",
            "expired",
            "of another tenant",
            "other subject",
            "one approver",
        ),
        ("-", "no_human_review", "customer_approved"),
        (False, True),
    )
]


def expected(case: Case) -> bool:
    """Say whether the case opens, as the policy has it in words, and not as the code has it.

    1. The customer's service serves what is alive; of files also for its fine-tuning.
    2. A machine of the roster that is in force screens what is alive and has content, from within
       the residency.
    3. A person opens what is alive for an investigation or a subject's request, and what is held
       for a legal matter, dead or alive. It is on the roster, in force and within the residency; a
       contractor has an agreement. Its grant is good, and for this record of this tenant.
    4. Without a case, an investigation opens only what is flagged.
    5. A customer without human review is never investigated, and asked before a subject's request;
       one that wants to be asked, is asked before both. Nobody was asked here.
    6. Nobody trains without a run.
    7. With the login of a person a process is no service and no machine.
    """
    alive = case.state in ("alive", "held")
    fit = case.entry == "in force" or (case.entry == "no agreement" and case.actor != "carl")
    granted = fit and case.grant in ("good", "no case")
    file = case.data_class is DataClass.FINE_TUNING_FILE
    event = case.data_class is DataClass.EVENT
    staff = case.actor in ("anna", "carl")
    service = case.actor == "chat" and not case.login_of_person
    machine = case.actor == "mill" and not case.login_of_person
    return {
        Purpose.SERVE: service and alive,
        Purpose.FINE_TUNE: service and alive and file,
        Purpose.TRAIN: False,
        Purpose.ABUSE_SCREENING: machine and alive and fit and not event,
        Purpose.ABUSE_INVESTIGATION: staff
        and alive
        and granted
        and case.trait == "-"
        and (case.flagged or case.grant != "no case"),
        Purpose.SUBJECT_REQUEST: staff and alive and granted and case.trait == "-",
        # the grant of a hold does not look at the subject
        Purpose.LEGAL: staff
        and "held" in case.state
        and fit
        and case.grant in ("good", "no case", "other subject"),
    }[case.purpose]


def answer(case: Case) -> Access:
    """Ask the code."""
    actor = ACTORS[case.actor]
    state = {
        "alive": {},
        "fenced": {"fenced": True},
        "expired": {"readable_until": NOW},
        "held": {"held_by": frozenset({HOLD})},
        "fenced and held": {"fenced": True, "held_by": frozenset({HOLD})},
    }[case.state]
    record = replace(RECORD, data_class=case.data_class, flagged=case.flagged, **state)  # type: ignore[arg-type]
    if case.entry == "elsewhere":
        actor = replace(actor, location="US")
    entry = {
        "in force": entry_of(actor),
        "absent": None,
        "suspended": entry_of(actor, suspended=True),
        "no agreement": entry_of(actor, agreement=None),
        "elsewhere": entry_of(actor),
    }[case.entry]
    changed: dict[str, dict[str, object] | None] = {
        "good": {},
        "none": None,
        "no case": {"case": None},
        "expired": {"until": NOW},
        "of another tenant": {"tenant": "beta-eu"},
        "other subject": {"sought": (b"somebody else",)},
        "one approver": {"approvals": (Approval(actor.id, NOW, b"my own"),)},
    }
    given = changed[case.grant]
    grant = None if given is None else grant_of(actor, case.purpose, **given)
    traits = frozenset() if case.trait == "-" else frozenset({Trait(case.trait)})
    known = authority(grant, entry, traits=traits)
    return ask(record, actor, case.purpose, known, login_of_person=case.login_of_person)


def test_the_table_of_actors_purposes_classes_states_flags_and_grants() -> None:
    """Each case opens exactly if the policy in words says so, and each refusal has one reason."""
    wrong = [case for case in CASES if answer(case).allowed != expected(case)]

    assert wrong == []
    assert sum(expected(case) for case in CASES) > 500


PURPOSE = Purpose.ABUSE_INVESTIGATION
GOOD, ENTRY = grant_of(ANNA, PURPOSE), entry_of(ANNA)
Refusal = tuple[str, AccessReason, Access]


def person(grant: Grant | None, said: RosterEntry | None = ENTRY, **more: object) -> Access:
    """Ask for anna, who investigates."""
    return ask(RECORD, ANNA, PURPOSE, authority(grant, said, **more))


def refused_actors() -> Iterator[Refusal]:
    """Yield each refusal of who asks, with the reason that it must have."""
    r = AccessReason
    yield "nothing is known", r.UNKNOWN_ACTOR, ask(RECORD, ANNA, PURPOSE)
    yield "unknown", r.UNKNOWN_ACTOR, person(GOOD, None)
    yield "another employer", r.ACTOR_DIFFERS, person(GOOD, entry_of(ANNA, employer="x"))
    yield "a contractor", r.ACTOR_DIFFERS, person(GOOD, entry_of(ANNA, kind=ActorKind.CONTRACTOR))
    yield "tomorrow", r.ACTOR_NOT_IN_FORCE, person(GOOD, entry_of(ANNA, since=date(2026, 3, 2)))
    yield "ended", r.ACTOR_NOT_IN_FORCE, person(GOOD, entry_of(ANNA, until=date(2026, 3, 1)))
    yield "suspended", r.ACTOR_NOT_IN_FORCE, person(GOOD, entry_of(ANNA, suspended=True))
    yield "abroad", r.OUTSIDE_RESIDENCY, person(GOOD, residency=frozenset({"US"}))
    bare = authority(grant_of(CARL, PURPOSE), entry_of(CARL, agreement=None))
    bare_access = ask(RECORD, CARL, PURPOSE, bare)
    yield "a contractor without agreement", r.ACTOR_WITHOUT_AGREEMENT, bare_access
    yield "a person serves", r.ACTOR_NOT_ALLOWED, ask(RECORD, ANNA, known=authority(GOOD, ENTRY))
    as_person = ask(RECORD, SERVICE, login_of_person=True)
    yield "a person serves as a service", r.LOGIN_OF_PERSON, as_person
    yield "a service looks", r.ACTOR_NOT_ALLOWED, ask(RECORD, SERVICE, PURPOSE)


def refused_grants() -> Iterator[Refusal]:
    """Yield each refusal of a grant."""
    r = AccessReason
    yield "no grant", r.NO_GRANT, person(None)
    yield "another's", r.GRANT_FOR_ANOTHER, person(replace(GOOD, actor="ben"))
    yield "another tenant", r.GRANT_FOR_ANOTHER, person(replace(GOOD, tenant="b"))
    other = replace(GOOD, purpose=Purpose.SUBJECT_REQUEST)
    yield "another purpose", r.GRANT_FOR_ANOTHER, person(other)
    yield "nobody approved", r.GRANT_NOT_APPROVED, person(replace(GOOD, approvals=()))
    for who in ("anna", "ben"):
        own = replace(GOOD, approvals=(Approval(who, NOW, b"own"),))
        yield f"{who} approved", r.GRANT_NOT_APPROVED, person(own)
    customer = replace(GOOD, approvals=(Approval("acme", NOW, None, for_customer=True),))
    yield "the customer alone approved", r.GRANT_NOT_APPROVED, person(customer)
    asked = replace(GOOD, customer_must_approve=True)
    yield "the customer did not", r.GRANT_NOT_APPROVED, person(asked)
    yield "over", r.GRANT_EXPIRED, person(replace(GOOD, until=NOW))
    yield "used up", r.GRANT_EXHAUSTED, person(replace(GOOD, used=3))
    yield "revoked", r.GRANT_REVOKED, person(replace(GOOD, revoked=NOW))


def refused_records() -> Iterator[Refusal]:
    """Yield each refusal of a record that a good grant is not for, or whose customer objects."""
    r = AccessReason
    yield "another subject", r.OUTSIDE_GRANT, person(replace(GOOD, sought=(b"x",)))
    yield "another group", r.OUTSIDE_GRANT, person(replace(GOOD, scope=ScopeKind.GROUP))
    yield "another record", r.OUTSIDE_GRANT, person(replace(GOOD, scope=ScopeKind.RECORD))
    yield "an account", r.OUTSIDE_GRANT, person(replace(GOOD, scope=ScopeKind.ACCOUNT))
    yield "not flagged", r.NOT_FLAGGED, person(replace(GOOD, case=None))
    for trait in (Trait.NO_HUMAN_REVIEW, Trait.MODIFIED_ABUSE_MONITORING):
        yield trait, r.NO_HUMAN_REVIEW, person(GOOD, traits=frozenset({trait}))
    wants = frozenset({Trait.CUSTOMER_APPROVED})
    yield "wants to be asked", r.CUSTOMER_NOT_ASKED, person(GOOD, traits=wants)
    legal = authority(grant_of(ANNA, Purpose.LEGAL), ENTRY)
    held = replace(RECORD, held_by=frozenset({OTHER_HOLD}))
    yield "another hold", r.OUTSIDE_GRANT, ask(held, ANNA, Purpose.LEGAL, legal)
    yield "no hold", r.NOT_HELD, ask(RECORD, ANNA, Purpose.LEGAL, legal)


REFUSALS = [*refused_actors(), *refused_grants(), *refused_records()]


@pytest.mark.parametrize(("name", "reason", "access"), REFUSALS)
def test_each_refusal_has_its_reason(name: str, reason: AccessReason, access: Access) -> None:
    """One clear reason, and advice."""
    assert access == Access(reason), name
    with pytest.raises(PurposeRefused) as caught:
        access.demand()

    assert caught.value.reasons == (reason,)
    assert caught.value.advice


def test_a_record_that_was_opened_may_be_opened_to_its_end() -> None:
    """An exhausted grant opens again what it has opened, and nothing else."""
    grant = grant_of(ANNA, Purpose.ABUSE_INVESTIGATION, used=3)
    known = authority(grant, entry_of(ANNA), opened_before=True)

    assert ask(RECORD, ANNA, Purpose.ABUSE_INVESTIGATION, known).allowed
    revoked = authority(replace(grant, revoked=NOW), entry_of(ANNA), opened_before=True)
    access = ask(RECORD, ANNA, Purpose.ABUSE_INVESTIGATION, revoked)
    assert access.reason is AccessReason.GRANT_REVOKED


def test_a_customer_that_was_asked() -> None:
    """Its approval counts for an investigation and a request; not where it wants no review."""
    approvals = (Approval("dora", NOW, b"s"), Approval("acme", NOW, None, for_customer=True))
    for purpose, trait in product((Purpose.ABUSE_INVESTIGATION, Purpose.SUBJECT_REQUEST), Trait):
        grant = grant_of(ANNA, purpose, approvals=approvals)
        known = authority(grant, entry_of(ANNA), traits=frozenset({trait}))

        closed = trait in (Trait.NO_HUMAN_REVIEW, Trait.MODIFIED_ABUSE_MONITORING)
        opens = purpose is Purpose.SUBJECT_REQUEST or not closed
        assert ask(RECORD, ANNA, purpose, known).allowed == opens
