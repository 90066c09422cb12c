"""Cases of opening a record: who asks for what, and what that rests on."""

from collections.abc import Hashable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from regions.model import DataClass, Purpose, Service, Topology
from regions.words import with_article
from storage.model import ActorKind, Approval, Grant, ScopeKind
from storage.policy.access import Access, Authority, Openable, may_open, may_open_flags
from storage.policy.proof.cases import people, runs
from storage.policy.proof.dimensions import Case, Dimension, Value
from storage.policy.proof.family import Family
from storage.policy.proof.properties import Property, Violation
from storage.policy.proof.properties.opening import Facts, Permitted, of_flags, of_opening

_TICK = timedelta(microseconds=1)
_GRANTED = (Purpose.ABUSE_INVESTIGATION, Purpose.SUBJECT_REQUEST, Purpose.LEGAL)
_WHY: tuple[Purpose | Service, ...] = (*Purpose, *Service)
_SHARED = 13
"""Dimensions that every family has. What a run rests on comes after them."""
_LOGINS = Dimension((Value("", False),), (Value("the login of the process is a person's", True),))
_PROPERTIES = frozenset({Property.GROUND, Property.PERMIT, Property.REASONS, Property.USABLE})


def families(topology: Topology, today: date) -> Iterator[Family]:
    """Yield the cases of each residency: what it permits of places is all that counts of it."""
    now = datetime.combine(today, time(12), UTC)
    permitted = {one.jurisdictions for one in topology.residencies.values()}
    for jurisdictions in sorted(permitted, key=sorted):
        yield from _who_and_what(topology, jurisdictions, now)
    for jurisdictions in sorted(permitted, key=sorted)[:1]:
        for purpose in _GRANTED:
            yield _with_a_grant(topology, purpose, jurisdictions, now)
        yield _for_a_run(topology, jurisdictions, now)


def _who_and_what(
    topology: Topology, jurisdictions: frozenset[str], now: datetime
) -> Iterator[Family]:
    """Yield each purpose and service, for each kind of actor, and each state of a record."""
    here = min(jurisdictions)
    for why in _WHY:
        for kind in ActorKind:
            opening = _Opening(topology, jurisdictions, now, why, with_flags=True)
            dimensions = (
                _classes(topology),
                *_records(now),
                people.standing(kind, here, now.date()),
                _first(people.grants(_granted(why), now)),
                _first(people.scopes()),
                _first(people.traits()),
                _first(_customer(now)),
                Dimension((Value("", True), Value("nothing is known of the actor", False))),
                _LOGINS,
            )
            where = ", ".join(sorted(jurisdictions))
            about = f"opening for {why} by {with_article(kind)} ({where})"
            yield Family(about, dimensions, _PROPERTIES, opening)


def _with_a_grant(
    topology: Topology,
    purpose: Purpose,
    jurisdictions: frozenset[str],
    now: datetime,
) -> Family:
    """Return every state of a record, an entry, a grant and a tenant, for a contractor.

    An employee needs all that a contractor needs, but for the agreement.
    """
    named, *others = _classes(topology, purpose).values
    *records, to_return = _records(now)
    dimensions = (
        Dimension((named,), tuple(others)),
        *records,
        Dimension(to_return.values[:1], to_return.values[1:]),
        people.standing(ActorKind.CONTRACTOR, min(jurisdictions), now.date()),
        people.grants(purpose, now),
        people.scopes(),
        people.traits(),
        _customer(now),
        Dimension((Value("", True),)),
        _LOGINS,
    )
    about = f"opening under a grant for {purpose}"
    opening = _Opening(topology, jurisdictions, now, purpose, with_flags=False)
    return Family(about, dimensions, _PROPERTIES, opening)


def _for_a_run(topology: Topology, jurisdictions: frozenset[str], now: datetime) -> Family:
    """Return every state of a record, of what is known for a run, and of consent, for a machine."""
    fenced, ends, _, flagged, to_return = _records(now)
    dimensions = (
        _classes(topology, Purpose.TRAIN),
        fenced,
        ends,
        Dimension((Value("", frozenset[UUID]()),)),
        Dimension(flagged.values[::-1]),
        to_return,
        _first(people.standing(ActorKind.MACHINE, min(jurisdictions), now.date())),
        _first(people.grants(Purpose.LEGAL, now)),
        _first(people.scopes()),
        _first(people.traits()),
        _first(_customer(now)),
        Dimension((Value("", True),)),
        _LOGINS,
        runs.grounds(now),
        Dimension((Value("", False), Value("a hold keeps it", True))),
        runs.origins(topology, now.date()),
        runs.consents(topology, now),
    )
    opening = _Opening(topology, jurisdictions, now, Purpose.TRAIN, with_flags=False)
    return Family("opening for training, for a run", dimensions, _PROPERTIES, opening)


def _classes(topology: Topology, purpose: Purpose | None = None) -> Dimension:
    """Return the classes whose rules differ; for one purpose: in whether they name it."""
    found: dict[Hashable, DataClass] = {}
    for name in DataClass:
        rule = topology.classes.get(name)
        same: Hashable = rule and (rule.purposes, rule.handed_to, name is DataClass.FLAG)
        if purpose is not None:
            same = rule and purpose in rule.purposes
        found.setdefault(same, name)
    first = sorted(found.items(), key=lambda one: one[0] in (None, False))
    return Dimension(tuple(Value(f"class {name}", name) for _, name in first))


def _records(now: datetime) -> tuple[Dimension, ...]:
    """Return the states of a record: erased, its end, what holds it, flagged."""
    return (
        Dimension((Value("", False), Value("it was erased", True))),
        Dimension(
            (
                Value("", now + timedelta(days=1)),
                Value("its time is over", now - timedelta(days=1)),
            ),
            (
                Value("it has no end", None),
                Value("it ends now", now),
                Value("it ends at once", now + _TICK),
            ),
        ),
        Dimension(
            (
                Value("", frozenset({people.HOLD})),
                Value("another hold covers it", frozenset({people.ANOTHER_HOLD})),
                Value("no hold covers it", frozenset[UUID]()),
            ),
            (Value("two holds cover it", frozenset({people.HOLD, people.ANOTHER_HOLD})),),
        ),
        Dimension((Value("it is flagged", True), Value("", False))),
        Dimension((Value("", False), Value("its tenant has no data processing agreement", True))),
    )


def _granted(why: Purpose | Service) -> Purpose:
    """Return the purpose of the grant that is shown: of another one if none is made for it."""
    return why if isinstance(why, Purpose) and why in _GRANTED else Purpose.LEGAL


def _first(dimension: Dimension) -> Dimension:
    return Dimension(dimension.values[:1])


def _customer(now: datetime) -> Dimension:
    """Return whether the customer approved a grant, and whether the grant names a case."""
    approved = (Approval("customer", now, None, for_customer=True),)
    return Dimension(
        (
            Value("", (approved, True)),
            Value("the customer was not asked", ((), True)),
            Value("the grant names no case", (approved, False)),
            Value("the customer was not asked, and the grant names no case", ((), False)),
        )
    )


class _Opening:
    """The judgment of a case of opening for one purpose or service."""

    def __init__(
        self,
        topology: Topology,
        jurisdictions: frozenset[str],
        now: datetime,
        why: Purpose | Service,
        *,
        with_flags: bool,
    ) -> None:
        self._with_flags = with_flags
        self._topology, self._residency = topology, jurisdictions
        self._now, self._why = now, why
        self._flags = topology.classes.get(DataClass.FLAG)
        self._made: dict[object, Grant] = {}

    def __call__(self, case: Case) -> Iterator[Violation]:
        case, training = case[:_SHARED], case[_SHARED:]
        facts = self._facts(case)
        if training:
            run = runs.facts_of(self._topology, training, facts.now.date())
            facts = replace(facts, training=run, subject=runs.subject_of(training))
        record = Openable(
            facts.tenant,
            facts.unique,
            facts.data_class,
            facts.ends,
            facts.fenced,
            facts.subject,
            facts.group,
            facts.held_by,
            facts.flagged,
            to_return=facts.to_return,
        )
        ground = None
        if training:
            record, ground = runs.of_case(record, training)
        authority = None
        if facts.known:
            authority = Authority(
                facts.grant, facts.entry, facts.residency, facts.traits, facts.opened_before
            )
        asked = self._topology, record, facts.actor, facts.purpose
        now, of_person = facts.now, facts.login_of_person
        access = may_open(
            *asked, now=now, login_of_person=of_person, authority=authority, ground=ground
        )
        yield from of_opening(facts, _plain(access), access.reason)
        if self._with_flags:
            flags = may_open_flags(*asked, now=now, login_of_person=of_person, authority=authority)
            yield from of_flags(facts, _plain(flags), flags.reason)

    def _facts(self, case: Case) -> Facts:
        data_class, fenced, ends, held_by, flagged, to_return, *others = (x.fact for x in case)
        who, grant, scope, traits, customer, known, of_person = others
        actor, entry = who
        made, opened_before = grant
        _, _, subject, group = scope
        return Facts(
            rule=self._topology.classes.get(data_class),
            flags=self._flags,
            tenant=people.TENANT,
            unique=people.RECORD,
            data_class=data_class,
            ends=ends,
            fenced=fenced,
            subject=subject,
            group=group,
            held_by=held_by,
            flagged=flagged,
            to_return=to_return,
            actor=actor,
            purpose=self._why,
            now=self._now,
            known=known,
            entry=entry,
            grant=made and self._grant(made, scope, customer),
            residency=self._residency,
            traits=traits,
            opened_before=opened_before,
            login_of_person=of_person,
        )

    def _grant(
        self,
        made: Grant,
        scope: tuple[ScopeKind, tuple[bytes, ...], bytes | None, bytes | None],
        customer: tuple[tuple[Approval, ...], bool],
    ) -> Grant:
        """Return a grant with that scope, and what the customer said of it. Each is made once."""
        (kind, sought, _, _), (approved, has_case) = scope, customer
        key = id(made), kind, sought, bool(approved), has_case
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = replace(
                made,
                scope=kind,
                sought=sought,
                approvals=(*made.approvals, *approved),
                case=made.case if has_case else None,
            )
        return found


def _plain(access: Access) -> Permitted | None:
    found = access.permit
    if found is None:
        return None
    return Permitted(
        found.tenant, found.unique, found.purpose, found.actor, found.grant, found.until
    )
