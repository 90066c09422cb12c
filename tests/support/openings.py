"""Records, actors, roster entries and grants, for tests of who may open what."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from regions.load import load_topology
from regions.model import DataClass, Purpose, Service
from storage.model import (
    Actor,
    ActorKind,
    Approval,
    Grant,
    RosterEntry,
    ScopeKind,
)
from storage.policy import (
    Access,
    Authority,
    Openable,
    may_open,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHIPPED = load_topology()
HOLD, OTHER_HOLD = UUID(int=7), UUID(int=8)
RECORD = Openable(
    "acme-eu", b"uid", DataClass.PROMPT, NOW + timedelta(days=1), False, b"subject", b"group"
)
SERVICE = Actor("chat", ActorKind.CUSTOMER, "acme", "EU")
ANNA = Actor("anna", ActorKind.EMPLOYEE, "operator", "EU")
CARL = Actor("carl", ActorKind.CONTRACTOR, "reviewers", "EU")
MILL = Actor("mill", ActorKind.MACHINE, "operator", "EU")
ACTORS = {actor.id: actor for actor in (SERVICE, ANNA, CARL, MILL)}


def entry_of(actor: Actor, **more: object) -> RosterEntry:
    """What the roster says of an actor: in force, with an agreement."""
    said = RosterEntry(
        actor=actor.id,
        kind=actor.kind,
        role="abuse",
        employer=actor.employer,
        location=actor.location,
        login=actor.id,
        agreement="a" * 64,
        since=date(2026, 1, 1),
        until=None,
        suspended=False,
        entered=NOW,
        entered_by="keeper",
    )
    return replace(said, **more)  # type: ignore[arg-type]


def grant_of(actor: Actor, purpose: Purpose, **more: object) -> Grant:
    """Return a grant that ben requested and dora approved, for one subject and with a case."""
    made = Grant(
        id=UUID(int=1),
        region="eu-central-1",
        tenant="acme-eu",
        purpose=purpose,
        actor=actor.id,
        requester="ben",
        scope=ScopeKind.SUBJECT,
        sought=(b"subject",),
        hold=HOLD if purpose is Purpose.LEGAL else None,
        case="case-1",
        records_max=3,
        justification_digest="b" * 64,
        requested=NOW - timedelta(hours=1),
        until=NOW + timedelta(hours=1),
        approvals=(Approval("dora", NOW, b"signature"),),
    )
    return replace(made, **more)  # type: ignore[arg-type]


def authority(grant: Grant | None, entry: RosterEntry | None, **more: object) -> Authority:
    """Return what a person's opening rests on, for a tenant in the EU."""
    return replace(Authority(grant, entry, frozenset({"EU"}), frozenset()), **more)  # type: ignore[arg-type]


def ask(
    record: Openable = RECORD,
    actor: Actor = SERVICE,
    purpose: Purpose | Service = Purpose.SERVE,
    known: Authority | None = None,
    *,
    login_of_person: bool = False,
) -> Access:
    """Ask the shipped topology at NOW."""
    return may_open(
        SHIPPED,
        record,
        actor,
        purpose,
        now=NOW,
        login_of_person=login_of_person,
        authority=known,
    )
