"""A permit opens the key of its record, and nothing that is wrong with it goes unnoticed."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from regions.model import DataClass, Purpose, Topology
from storage.errors import InvalidRequest, NaiveDatetime
from storage.model import (
    ActorKind,
    Approval,
    Decision,
    Dpa,
    Grant,
    GrantState,
    Hold,
    RosterEntry,
    ScopeKind,
    StaffPermit,
    TenantSpec,
    Trait,
)
from storage.policy import (
    AccessReason,
    HoldReason,
    KeptRecord,
    PermitFacts,
    PermitReason,
    check_staff_permit,
)
from tests.support.hold_values import HOLD
from tests.support.keyservice.permits import (
    ACTOR,
    APPROVER,
    CONFIRMED,
    ENTRY,
    KEPT,
    NOW,
    RECORD,
    REGION,
    SUBJECT,
    TERMS,
    TOPOLOGY,
    permit,
    signed,
    unsigned,
)

MOMENT = timedelta(microseconds=1)
LONG_AGO = date(2025, 1, 1)
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
A, R = AccessReason, PermitReason
Reason = AccessReason | HoldReason | PermitReason


@dataclass
class Case:
    """What is asked: all in order, but for what a test changes."""

    permit: StaffPermit = field(default_factory=permit)
    grant: Grant | None = field(default_factory=lambda: signed(unsigned()))
    hold: Hold | None = None
    entry: RosterEntry | None = ENTRY
    record: KeptRecord | None = KEPT
    tenant: TenantSpec | None = TERMS
    signatures: dict[str, bool] = field(default_factory=lambda: {APPROVER: True})
    counted: bool = True
    since: datetime | None = None
    topology: Topology = TOPOLOGY

    def ask(self) -> tuple[Reason, ...]:
        """Return the reasons."""
        facts = PermitFacts(
            self.grant,
            self.hold,
            self.entry,
            self.tenant,
            self.record,
            self.counted,
            self.signatures,
            self.since,
        )
        return check_staff_permit(
            self.permit, facts, topology=self.topology, region=REGION, now=NOW
        )


def granted(**changes: object) -> Case:
    """Return a case with another grant, which was signed as it is."""
    return Case(grant=signed(unsigned(**changes)))


def legal(**changes: object) -> Case:
    """Return a case of the purpose ``legal``, whose hold covers the record."""
    record = replace(KEPT, covered=True, **changes)  # type: ignore[arg-type]
    grant = signed(unsigned(purpose=Purpose.LEGAL))
    return Case(permit(purpose=Purpose.LEGAL), grant, CONFIRMED, record=record)


def decided(*, permitted: bool) -> Hold:
    """Return a hold of a foreign authority, about whose order somebody has decided."""
    decision = Decision(permitted, "0" * 64, "ann", "ben", NOW)
    return replace(CONFIRMED, authority_jurisdiction="US", decision=decision)


def asking(case: Case, *traits: Trait) -> Case:
    """Return a case of a tenant with those traits today, whatever they were at the request."""
    return replace(case, tenant=replace(TERMS, traits=frozenset(traits)))


def approved_by_customer() -> Case:
    """Return a case whose grant the customer approved too."""
    grant = signed(unsigned())
    approval = Approval("customer", NOW, None, for_customer=True)
    return Case(grant=replace(grant, approvals=(*grant.approvals, approval)))


def shut(case: Case) -> Case:
    """Return a case of a topology in which people open nothing of the record's class."""
    rules = {**TOPOLOGY.classes}
    rule = rules[RECORD.data_class]
    rules[RECORD.data_class] = rule.model_copy(update={"purposes": frozenset({Purpose.SERVE})})
    return replace(case, topology=TOPOLOGY.model_copy(update={"classes": rules}))


OPENS: dict[str, Case] = {
    "in order": Case(),
    "in its last moment": Case(permit(issued=NOW - timedelta(minutes=5) + MOMENT)),
    "of a clock a second ahead": Case(permit(issued=NOW + timedelta(seconds=1))),
    "issued a second after the start": Case(since=NOW - timedelta(seconds=1)),
    "the last record that it allows": granted(used=3),
    "a tenant": granted(scope=ScopeKind.TENANT, sought=()),
    "a group": Case(
        grant=signed(unsigned(scope=ScopeKind.GROUP, sought=(b"g", b"h"))),
        record=replace(KEPT, group=b"h"),
    ),
    "a record": granted(scope=ScopeKind.RECORD, sought=(RECORD.unique,)),
    "a contractor with an agreement": Case(
        permit(actor=replace(ACTOR, kind=ActorKind.CONTRACTOR)),
        entry=replace(ENTRY, kind=ActorKind.CONTRACTOR, agreement="ab" * 32),
    ),
    "on the last day of the record": Case(record=replace(KEPT, day=date(2026, 3, 2))),
    "a file": Case(record=replace(KEPT, day=None)),
    "one good signature of two": Case(
        grant=signed(signed(unsigned()), OTHER, "otto"), signatures={APPROVER: True, "otto": False}
    ),
    "approved by the user too": Case(grant=signed(signed(unsigned(), OTHER, ACTOR.id))),
    "held, for legal": legal(held=True),
    "of a tenant whose agreement ends tomorrow": Case(
        tenant=replace(
            TERMS, agreements=(Dpa(signed=LONG_AGO, until=NOW.date() + timedelta(days=1)),)
        )
    ),
    "without an agreement, for legal": replace(legal(), tenant=replace(TERMS, agreements=())),
    "before the end by the retention of today": Case(
        tenant=replace(TERMS, retention={DataClass.PROMPT: 7})
    ),
    "erased, expired and held, for legal": legal(fenced=True, day=date(2026, 3, 1), held=True),
    "under a hold in its own day": legal(),
    "under an order of a foreign authority that may be followed": replace(
        legal(), hold=decided(permitted=True)
    ),
    "of another subject, under the hold": legal(subject=b"s"),
    "of a tenant that allows no review, under the hold": asking(legal(), Trait.NO_HUMAN_REVIEW),
    "of a class that people open for nothing else, under the hold": shut(legal()),
    "a tenant that approves, and has": asking(approved_by_customer(), Trait.CUSTOMER_APPROVED),
    "flagged, without a case": Case(
        grant=signed(unsigned(case=None)), record=replace(KEPT, flagged=True)
    ),
}

REFUSED: dict[str, tuple[Case, Reason]] = {
    "another region": (Case(permit(region="us-east-1")), R.OTHER_REGION),
    "five minutes old": (Case(permit(issued=NOW - timedelta(minutes=5))), R.EXPIRED),
    "of yesterday": (Case(permit(issued=NOW - timedelta(days=1))), R.EXPIRED),
    "of the future": (Case(permit(issued=NOW + timedelta(seconds=1) + MOMENT)), R.EARLY),
    "issued before the start": (Case(since=NOW - timedelta(seconds=1) + MOMENT), R.BEFORE_START),
    "no grant": (Case(grant=None), A.NO_GRANT),
    "another grant": (granted(id=KEPT.key_id), A.GRANT_FOR_ANOTHER),
    "a grant of another tenant": (
        Case(permit(tenant="b"), record=replace(KEPT, tenant="b")),
        A.GRANT_FOR_ANOTHER,
    ),
    "a grant of another region": (granted(region="us-east-1"), A.GRANT_FOR_ANOTHER),
    "a grant of another person": (granted(actor="otto"), A.GRANT_FOR_ANOTHER),
    "a grant for another purpose": (granted(purpose=Purpose.SUBJECT_REQUEST), A.GRANT_FOR_ANOTHER),
    "a grant for what needs none": (
        Case(permit(purpose=Purpose.SERVE), signed(unsigned(purpose=Purpose.SERVE))),
        A.GRANT_FOR_ANOTHER,
    ),
    "the last moment of the grant": (granted(until=NOW), A.GRANT_EXPIRED),
    "revoked": (granted(revoked=NOW), A.GRANT_REVOKED),
    "used more often than allowed": (granted(used=4), A.GRANT_EXHAUSTED),
    "not counted": (Case(counted=False), R.NOT_COUNTED),
    "no approval": (Case(grant=unsigned()), A.GRANT_NOT_APPROVED),
    "the customer did not approve": (granted(customer_must_approve=True), A.GRANT_NOT_APPROVED),
    "approved by the user": (Case(grant=signed(unsigned(), OTHER, ACTOR.id)), R.SELF_APPROVED),
    "approved by who asked": (
        Case(grant=signed(unsigned(requester=APPROVER))),
        R.SELF_APPROVED,
    ),
    "approved by a stranger": (Case(signatures={}), R.APPROVER_NOT_PINNED),
    "a key of the user is pinned": (Case(signatures={ACTOR.id: True}), R.APPROVER_NOT_PINNED),
    "revoked, and approved by the user": (
        Case(grant=replace(signed(unsigned(), OTHER, ACTOR.id), revoked=NOW)),
        A.GRANT_REVOKED,
    ),
    "a wrong signature, and a stranger's": (
        Case(grant=signed(signed(unsigned()), OTHER, "otto"), signatures={APPROVER: False}),
        R.SIGNATURE_INVALID,
    ),
    "a wrong signature": (Case(signatures={APPROVER: False}), R.SIGNATURE_INVALID),
    "not in the roster": (Case(entry=None), A.UNKNOWN_ACTOR),
    "elsewhere than the roster says": (Case(entry=replace(ENTRY, location="US")), A.ACTOR_DIFFERS),
    "suspended": (Case(entry=replace(ENTRY, suspended=True)), A.ACTOR_NOT_IN_FORCE),
    "a machine": (
        Case(
            permit(actor=replace(ACTOR, kind=ActorKind.MACHINE)),
            entry=replace(ENTRY, kind=ActorKind.MACHINE),
        ),
        A.ACTOR_NOT_ALLOWED,
    ),
    "a contractor without agreement": (
        Case(
            permit(actor=replace(ACTOR, kind=ActorKind.CONTRACTOR)),
            entry=replace(ENTRY, kind=ActorKind.CONTRACTOR),
        ),
        A.ACTOR_WITHOUT_AGREEMENT,
    ),
    "no record": (Case(record=None), R.UNKNOWN_RECORD),
    "a record of another tenant": (Case(record=replace(KEPT, tenant="b")), A.OUTSIDE_GRANT),
    "another record": (Case(record=replace(KEPT, unique=b"v" * 16)), A.OUTSIDE_GRANT),
    "another subject": (Case(record=replace(KEPT, subject=b"s")), A.OUTSIDE_GRANT),
    "a subject as a group": (
        granted(scope=ScopeKind.GROUP, sought=(SUBJECT,)),
        A.OUTSIDE_GRANT,
    ),
    "not the granted record": (
        granted(scope=ScopeKind.RECORD, sought=(b"v" * 16,)),
        A.OUTSIDE_GRANT,
    ),
    "an account": (granted(scope=ScopeKind.ACCOUNT), A.OUTSIDE_GRANT),
    "erased": (Case(record=replace(KEPT, fenced=True)), A.ERASED),
    "on its expiry day": (Case(record=replace(KEPT, day=NOW.date())), A.EXPIRED),
    "after the retention of today": (
        Case(
            record=replace(KEPT, minted=NOW - timedelta(days=8)),
            tenant=replace(TERMS, retention={DataClass.PROMPT: 7}),
        ),
        A.EXPIRED,
    ),
    "after the retention of today, by its origin": (
        Case(
            record=replace(KEPT, origin=NOW.date() - timedelta(days=8)),
            tenant=replace(TERMS, retention={DataClass.PROMPT: 7}),
        ),
        A.EXPIRED,
    ),
    "of a tenant without a data processing agreement": (
        Case(tenant=replace(TERMS, agreements=())),
        A.FOR_RETURN_ALONE,
    ),
    "of a tenant whose agreement has ended": (
        Case(tenant=replace(TERMS, agreements=(Dpa(signed=LONG_AGO, until=NOW.date()),))),
        A.FOR_RETURN_ALONE,
    ),
    "held, but not for legal": (Case(record=replace(KEPT, held=True)), A.EXPIRED),
    "a person outside of the residency": (
        Case(tenant=replace(TERMS, residency="US")),
        A.OUTSIDE_RESIDENCY,
    ),
    "a residency that the topology lacks": (
        Case(tenant=replace(TERMS, residency="moon")),
        A.OUTSIDE_RESIDENCY,
    ),
    "a tenant of another region": (Case(tenant=None), A.OUTSIDE_RESIDENCY),
    "a tenant that allows no review": (asking(Case(), Trait.NO_HUMAN_REVIEW), A.NO_HUMAN_REVIEW),
    "a tenant that is screened otherwise": (
        asking(Case(), Trait.MODIFIED_ABUSE_MONITORING),
        A.NO_HUMAN_REVIEW,
    ),
    "a tenant that approves, and has not": (
        asking(Case(), Trait.CUSTOMER_APPROVED),
        A.CUSTOMER_NOT_ASKED,
    ),
    "not flagged, without a case": (granted(case=None), A.NOT_FLAGGED),
    "a class that nobody opens for that": (
        shut(Case()),
        A.PURPOSE_NOT_ALLOWED,
    ),
    "legal, and not under the hold": (
        replace(legal(), record=KEPT),
        A.NOT_HELD,
    ),
    "legal, and nobody has confirmed the hold": (
        replace(legal(), hold=HOLD),
        HoldReason.HOLD_NOT_CONFIRMED,
    ),
    "legal, and the hold was released": (
        replace(legal(), hold=replace(CONFIRMED, released=NOW)),
        HoldReason.HOLD_RELEASED,
    ),
    "legal, and nobody has decided about the order of a foreign authority": (
        replace(legal(), hold=replace(CONFIRMED, authority_jurisdiction="US")),
        HoldReason.FOREIGN_AUTHORITY_UNDECIDED,
    ),
    "legal, and the order of a foreign authority must not be followed": (
        replace(legal(), hold=decided(permitted=False)),
        HoldReason.FOREIGN_AUTHORITY_REFUSED,
    ),
}


CHANGES: dict[str, Callable[[str], str]] = {
    "cut": lambda text: text[:-1],
    "longer": lambda text: text + " ",
    "a space": lambda text: text.replace(":", ": ", 1),
    "an unknown kind": lambda text: text.replace("employee", "god"),
    "a list as purpose": lambda text: text.replace('"abuse_investigation"', "[]"),
    "no time zone": lambda text: text.replace("+00:00", ""),
    "no padding": lambda text: text.replace("AAAAAQ==", "AAAAAQ"),
    "a short nonce": lambda text: text.replace("AAAAAQ==", ""),
    "a malformed id": lambda text: text.replace("prompt.", "prompts."),
    "deep": lambda _: "[" * 100_000,
    "null": lambda _: "null",
    "empty": lambda _: "{}",
}


@pytest.mark.parametrize("name", OPENS)
def test_opens_what_is_in_order(name: str) -> None:
    """A permit that is right in everything has no reason against it."""
    assert OPENS[name].ask() == ()


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_with_one_clear_reason(name: str) -> None:
    """Each thing that is wrong alone is the only reason."""
    case, reason = REFUSED[name]

    assert case.ask() == (reason,)


def test_every_reason_is_tried() -> None:
    """No check goes untried. Two need more than the facts: no permit at all, and a used one."""
    tried = {reason for _, reason in REFUSED.values()}

    assert tried >= set(PermitReason) - {R.NEEDED, R.REPLAYED}


def test_all_reasons_are_given() -> None:
    """What is wrong in several ways says so at once."""
    case = Case(
        permit(region="us-east-1", issued=NOW - timedelta(hours=1)),
        replace(signed(unsigned()), revoked=NOW),
        None,
        None,
        None,
        TERMS,
        {},
    )

    assert case.ask() == (
        *(R.OTHER_REGION, R.EXPIRED, A.UNKNOWN_ACTOR),
        *(A.GRANT_REVOKED, R.APPROVER_NOT_PINNED, R.UNKNOWN_RECORD),
    )


def test_an_exhausted_grant_still_covers_its_last_use() -> None:
    """The catalog counts a use before the key is asked for: the count may be full already."""
    grant = signed(unsigned(used=3))

    assert grant.state(NOW) is GrantState.EXHAUSTED
    assert Case(grant=grant).ask() == ()


class TestText:
    def test_is_read_back(self) -> None:
        """What was dumped is the same permit."""
        assert StaffPermit.load(permit().dump()) == permit()

    def test_shows_no_nonce(self) -> None:
        """A log line of a permit gives nobody a permit."""
        assert "nonce" not in repr(permit())

    @pytest.mark.parametrize("change", CHANGES)
    def test_nothing_else_is_a_permit(self, change: str) -> None:
        """A text that differs in any way is refused, and the error does not quote it."""
        with pytest.raises(InvalidRequest, match="not a permit"):
            StaffPermit.load(CHANGES[change](permit().dump()))

    def test_is_in_utc(self) -> None:
        """Equal permits have one text."""
        with pytest.raises(NaiveDatetime):
            permit(issued=NOW.replace(tzinfo=None))
