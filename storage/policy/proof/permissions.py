"""What a topology permits, as a set of sentences and of numbers that two topologies can differ in.

Each is found by asking the functions that decide, for a tenant, a person or a copy that has all
that could be asked of it. So what is compared is what a topology means, not what its files say.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from math import inf
from typing import Final, get_args
from uuid import UUID

from regions.fields import PostureCheck
from regions.model import (
    CONSENT_PURPOSES,
    RECORD_CLASSES,
    AgreementKind,
    DataClass,
    Purpose,
    Region,
    Service,
    Topology,
)
from storage.errors import DomicileError
from storage.model import (
    Actor,
    ActorKind,
    Agreement,
    ConsentKind,
    Grant,
    PostureFinding,
    RosterSpec,
    TenantSpec,
    Trait,
)
from storage.policy.access import OPENERS, Authority, Openable, may_open
from storage.policy.consent import ConsentReason, InForce, Statement, may_state
from storage.policy.copies import copy_term, may_hand_over
from storage.policy.epochs import NOTHING_SAID, TrainingReason, ceiling_of, training_rule
from storage.policy.grants import may_enter
from storage.policy.placement import admit, decide_placement
from storage.policy.posture import KnownPosture, closed
from storage.policy.proof.cases import people
from storage.policy.proof.cases.placements import edges_of
from storage.policy.proof.cases.retentions import settings_of
from storage.policy.retention import check_epoch, retain, term_of
from storage.policy.training import Ground

STORED: Final = "stored"
"""The topic of what may be stored at all. What that needs is compared where it is so in both."""

OTHERS: Final = "other tenants"
"""Every tenant that has no backend of its own in either topology."""

_LONGEST_LIST = 200  # days that are compared


@dataclass(frozen=True, slots=True)
class Permission:
    """Something that is permitted on some days: a topic, and of whom and what, part by part."""

    topic: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that is a number. More is broader, or fewer; or it is neither (None)."""

    topic: str
    parts: tuple[str, ...]
    unit: str
    more_is_broader: bool | None = True


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked about: the names in both topologies, and the days on which something changes.

    What holds on a day of ``days`` holds until the next one.
    """

    residencies: tuple[str, ...]
    homes: tuple[str, ...]
    tenants: tuple[str, ...]
    companies: tuple[str, ...]
    jurisdictions: tuple[str, ...]
    settings: Mapping[DataClass, tuple[int, ...]]
    staff: tuple[int, ...]
    days: tuple[date, ...]
    epochs: tuple[date, ...]


def scope_of(old: Topology, new: Topology, today: date) -> Scope:
    """Return what is to be asked about two topologies from a day on."""
    both = old, new
    days = {today}
    for topology in both:
        for company in topology.sub_processors.values():
            days.update(day for day in edges_of(company) if day > today)
            baa = company.baa
            ends = (baa.since, baa.until) if baa is not None else ()
            days.update(day for day in ends if day is not None and day > today)
        for region in topology.regions.values():
            attested = (spec.posture_attested for spec in region.backends)
            days.update(one.on for one in attested if one is not None and one.on > today)
    for topology in both:
        days.update(one.begins for one in topology.epochs if one.begins > today)
        days.update(one.since for one in topology.wordings.values() if one.since > today)
    owners = {
        tenant
        for topology in both
        for region in topology.regions.values()
        for spec in region.backends
        for tenant in spec.dedicated_to
    }
    most = {region.staff_max for topology in both for region in topology.regions.values()}
    return Scope(
        _names(one.residencies for one in both),
        _names(one.regions for one in both),
        (OTHERS, *sorted(owners)),
        _names(one.sub_processors for one in both),
        tuple(sorted({r.jurisdiction for one in both for r in one.regions.values()})),
        {
            name: tuple(sorted({n for one in both for n in settings_of(one, name) if n}))
            for name in RECORD_CLASSES
        },
        tuple(sorted({max(0, n + by) for n in most for by in (-1, 0)})),
        tuple(sorted(days)[:_LONGEST_LIST]),
        tuple(sorted({one.begins for topology in both for one in topology.epochs})),
    )


def _names(of: Iterator[Mapping[str, object]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for one in of for name in one))


def permissions(topology: Topology, scope: Scope) -> dict[Permission, frozenset[date]]:
    """Return what is permitted, with the days of the scope on which it is."""
    found: dict[Permission, set[date]] = {}
    for day in scope.days:
        for one in _on(topology, scope, day):
            found.setdefault(one, set()).add(day)
    return {one: frozenset(days) for one, days in found.items()}


def _on(topology: Topology, scope: Scope, day: date) -> Iterator[Permission]:
    yield from _homes(topology, scope)
    yield from _placements(topology, scope, day)
    yield from _hand_overs(topology, scope, day)
    yield from _openings(topology, scope, day)
    yield from _consents(topology, day)
    yield from _postures(topology, day)
    yield from _trainings(topology, scope, day)
    for parent in RECORD_CLASSES:
        for child in RECORD_CLASSES:
            if {parent, child} <= topology.classes.keys() and not topology.cascades_to(
                parent, child
            ):
                yield Permission("survival", (child, parent))


def _tenant(
    home: str,
    residency: str,
    tenant: str = OTHERS,
    *,
    without: AgreementKind | None = None,
    traits: frozenset[Trait] = frozenset(),
) -> TenantSpec:
    """Return a tenant that has all agreements, but perhaps one, from the first day to the last."""
    kinds = (kind for kind in get_args(AgreementKind) if kind != without)
    signed = tuple(Agreement(kind, date.min) for kind in kinds)
    name = "any-tenant" if tenant == OTHERS else tenant
    return TenantSpec(name, "any-account", home, residency, agreements=signed, traits=traits)


def _homes(topology: Topology, scope: Scope) -> Iterator[Permission]:
    for residency in scope.residencies:
        for home in scope.homes:
            if _admitted(topology, _tenant(home, residency)):
                yield Permission("home", (residency, home))


def _admitted(topology: Topology, tenant: TenantSpec) -> bool:
    try:
        admit(topology, tenant)
    except DomicileError:
        return False
    return True


def _placements(topology: Topology, scope: Scope, day: date) -> Iterator[Permission]:
    for home in (one for one in scope.homes if one in topology.regions):
        region = topology.regions[home]
        at = {spec.name: spec.sub_processor for spec in region.backends}
        for residency in scope.residencies:
            for data_class in RECORD_CLASSES:
                for tenant in scope.tenants:
                    spec = _tenant(home, residency, tenant)
                    placed = decide_placement(topology, spec, data_class, day, {}, objections=())
                    for company in {at[name] for name in placed.lawful}:
                        where = f"{company} in {region.jurisdiction}"
                        yield Permission("placement", (data_class, residency, home, tenant, where))
                yield from _without(topology, home, residency, data_class, day)
            yield from _with_phi(topology, home, residency, at, day)
        yield from _stewards(topology, region, scope, day)


def _with_phi(
    topology: Topology, home: str, residency: str, at: Mapping[str, str], day: date
) -> Iterator[Permission]:
    """Yield where protected health information may be."""
    spec = _tenant(home, residency, traits=frozenset({Trait.PHI}))
    placed = decide_placement(topology, spec, RECORD_CLASSES[0], day, {}, objections=())
    for company in {at[name] for name in placed.lawful}:
        yield Permission("phi", (residency, home, company))


def _stewards(topology: Topology, region: Region, scope: Scope, day: date) -> Iterator[Permission]:
    """Yield who runs what of a region in which something may be stored on that day."""
    stored = any(
        decide_placement(
            topology, _tenant(region.name, residency, tenant), name, day, {}, objections=()
        ).lawful
        for residency in scope.residencies
        for tenant in scope.tenants
        for name in RECORD_CLASSES
    )
    for role, steward in region.stewards:
        if stored:
            where = f"{steward.sub_processor} in {steward.location}"
            yield Permission("steward", (where, role, region.name))


def _without(
    topology: Topology, home: str, residency: str, data_class: DataClass, day: date
) -> Iterator[Permission]:
    health = frozenset({Trait.PHI})
    for traits, whose in ((frozenset[Trait](), residency), (health, f"{residency} with phi")):
        for kind in get_args(AgreementKind):
            spec = _tenant(home, residency, without=kind, traits=traits)
            if decide_placement(topology, spec, data_class, day, {}, objections=()).lawful:
                yield Permission("agreement", (data_class, whose, kind))
        spec = _tenant(home, residency, traits=traits)
        if decide_placement(topology, spec, data_class, day, {}, objections=()).lawful:
            yield Permission(STORED, (data_class, whose))


def _hand_overs(topology: Topology, scope: Scope, day: date) -> Iterator[Permission]:
    noon = datetime.combine(day, time(12), UTC)
    for company in (one for one in scope.companies if one in topology.sub_processors):
        service = topology.sub_processors[company].service
        for home, residency, data_class in product(scope.homes, scope.residencies, RECORD_CLASSES):
            for topic, traits in _HAND_OVERS.items():
                tenant = _tenant(home, residency, traits=traits)
                decided = may_hand_over(topology, tenant, data_class, company, noon, objections=())
                for flagged in (True, False) if decided.allowed else ():
                    if _opened(topology, data_class, service, noon, flagged=flagged):
                        which = "flagged" if flagged else "not flagged"
                        yield Permission(topic, (which, data_class, residency, home, company))


_HAND_OVERS: Final[Mapping[str, frozenset[Trait]]] = {
    "hand-over": frozenset(),
    "phi-hand-over": frozenset({Trait.PHI}),
}
"""The topics of hand-overs, by the traits of the tenant."""


def _openings(topology: Topology, scope: Scope, day: date) -> Iterator[Permission]:
    noon = datetime.combine(day, time(12), UTC)
    for data_class in topology.classes:
        for purpose in Purpose:
            opened = (
                any(_trained(topology, data_class, origin, noon) for origin in scope.epochs)
                if purpose is Purpose.TRAIN
                else _opened(topology, data_class, purpose, noon)
            )
            if opened:
                yield Permission("purpose", (data_class, purpose))
    for residency in topology.residencies.values():
        for where in {*scope.jurisdictions, *residency.jurisdictions}:
            if _opened(
                topology, None, Purpose.LEGAL, noon, where=where, within=residency.jurisdictions
            ):
                yield Permission("people", (where, residency.name))


def _opened(
    topology: Topology,
    data_class: DataClass | None,
    why: Purpose | Service,
    now: datetime,
    *,
    flagged: bool = True,
    where: str = "here",
    within: frozenset[str] = frozenset({"here"}),
) -> bool:
    """Whether a purpose or service opens a record for an actor who has every ground."""
    kinds = OPENERS[why] if isinstance(why, Purpose) else {ActorKind.CUSTOMER}
    for kind in sorted(kinds):
        actor: Actor = people.actor(kind, where)
        grant: Grant | None = people.grant(why, now) if isinstance(why, Purpose) else None
        authority = Authority(grant, people.entry(kind, where, now.date()), within, frozenset())
        record = Openable(
            people.TENANT,
            people.RECORD,
            data_class or RECORD_CLASSES[0],
            None,
            fenced=False,
            held_by=frozenset({people.HOLD}),
            flagged=flagged,
        )
        access = may_open(
            topology, record, actor, why, now=now, login_of_person=False, authority=authority
        )
        if access.allowed:
            return True
    return False


def _trained(topology: Topology, data_class: DataClass, origin: date, now: datetime) -> bool:
    """Whether a run may read a record of that origin of a customer who consents to it."""
    said = (_consent(None, data_class, Purpose.TRAIN, now),)
    machine = people.actor(ActorKind.MACHINE, "here")
    entry = people.entry(ActorKind.MACHINE, "here", now.date())
    record = Openable(people.TENANT, people.RECORD, data_class, None, fenced=False, origin=origin)
    return may_open(
        topology,
        record,
        machine,
        Purpose.TRAIN,
        now=now,
        login_of_person=False,
        authority=Authority(None, entry, frozenset({"here"}), frozenset()),
        ground=Ground("any-run", said, now),
    ).allowed


def _consent(
    wording: str | None, data_class: DataClass, purpose: Purpose, given: datetime
) -> Statement:
    return Statement(
        id=UUID(int=1),
        kind=ConsentKind.OPT_IN,
        subjects=frozenset(),
        wording=wording,
        classes=frozenset({data_class}),
        purposes=frozenset({purpose}),
        given=given,
        covers_from=date.min,
        recorded=given,
    )


def _consents(topology: Topology, day: date) -> Iterator[Permission]:
    """Yield for what a consent that is given on that day may be recorded, by its wording."""
    noon = datetime.combine(day, time(12), UTC)
    for digest in topology.wordings:
        for data_class, purpose in product(DataClass, sorted(CONSENT_PURPOSES)):
            new = _consent(digest, data_class, purpose, noon)
            if may_state(topology.wordings, new, (), now=noon).allowed:
                yield Permission("consent", (data_class, purpose, digest))


def _trainings(topology: Topology, scope: Scope, day: date) -> Iterator[Permission]:
    """Yield data of which epochs may be used for training, by what the customer has said."""
    said = {
        "has opted in": InForce(ConsentReason.OPTED_IN),
        "has said nothing": NOTHING_SAID,
        "has opted out": InForce(ConsentReason.OPTED_OUT),
    }
    for words, consent in said.items():
        for origin in (one for one in scope.epochs if one <= day):
            reasons = training_rule(topology, origin, day).reasons(consent)
            if reasons == (TrainingReason.ALLOWED,):
                yield Permission("training", (f"{origin}", words))


def _postures(topology: Topology, day: date) -> Iterator[Permission]:
    """Yield which buckets are used although a part of their posture cannot be read."""
    noon = datetime.combine(day, time(12), UTC)
    for region in topology.regions.values():
        for spec in region.backends:
            for check in PostureCheck:
                known = KnownPosture({check: PostureFinding.UNREADABLE}, noon)
                if closed(known, spec.posture_attested, noon) is None:
                    yield Permission("posture", (spec.name, check))
            for what in sorted(spec.attested_off):
                yield Permission("attested", (spec.name, what))


def measures(topology: Topology, scope: Scope) -> Iterator[tuple[Measure, float]]:
    """Yield what is permitted as a number. ``inf``: without a limit."""
    yield from _retentions(topology, scope)
    yield from _regions(topology, scope)
    yield from _companies(topology, scope)
    for rule in topology.jurisdictions.values():
        kept = {"receipts": rule.receipts, "released holds": rule.holds}
        kept["lines of the log"] = rule.log or rule.holds
        kept["agreements that ended"] = rule.agreements or rule.holds
        kept["statements about consent that ended"] = rule.consents or rule.holds
        kept["objections that were withdrawn"] = rule.objections or rule.holds
        kept["entries in the roster that ended"] = rule.roster or rule.holds
        for what, keeping in kept.items():
            yield Measure("evidence", (what, rule.name), "days"), keeping.days
    yield from _begins(topology)
    bounds = topology.bounds
    yield Measure("bound", ("purging", "purge_hours"), "hours"), bounds.purge_hours
    yield Measure("bound", ("compaction", "compaction_hours"), "hours"), bounds.compaction_hours


def _begins(topology: Topology) -> Iterator[tuple[Measure, float]]:
    """Yield the first day of what may be recorded of the past. None: any day."""
    founded = -inf if topology.founded is None else topology.founded.toordinal()
    yield Measure("founded", (), "day", more_is_broader=False), founded
    for digest, wording in topology.wordings.items():
        since = Measure("wording", (digest,), "day", more_is_broader=False)
        yield since, wording.since.toordinal()


def _retentions(topology: Topology, scope: Scope) -> Iterator[tuple[Measure, float]]:
    home, residency = next(iter(topology.regions)), next(iter(topology.residencies), "")
    written = datetime.combine(scope.days[0], time.min, UTC)
    fits = next(
        (
            (one, name)
            for one in topology.residencies
            for name in topology.regions
            if _admitted(topology, _tenant(name, one))
        ),
        None,
    )
    for data_class in (one for one in RECORD_CLASSES if one in topology.classes):
        term = retain(topology, _tenant(home, residency), data_class, written)
        days = inf if term.deadline is None else (term.deadline - written) / timedelta(days=1)
        yield Measure("retention", (data_class,), "days"), days if term.stored else 0
        for begins in scope.epochs:
            ceiling = ceiling_of(topology, data_class, begins)
            measure = Measure("epoch", (data_class, str(begins)), "days")
            yield measure, inf if ceiling is None else ceiling
        if fits is None:
            continue
        may_set = [
            days
            for days in scope.settings[data_class]
            if _may_set(topology, _tenant(fits[1], fits[0]), data_class, days, scope.days[0])
        ]
        yield Measure("ceiling", (data_class,), "days"), max(may_set, default=0)


def _may_set(
    topology: Topology, tenant: TenantSpec, data_class: DataClass, days: int, today: date
) -> bool:
    wanted = {data_class: days}
    try:
        admit(topology, replace(tenant, retention=wanted))
        check_epoch(topology, wanted, {}, today)
    except DomicileError:
        return False
    return True


def _regions(topology: Topology, scope: Scope) -> Iterator[tuple[Measure, float]]:
    today = scope.days[0]
    for region in topology.regions.values():
        new = RosterSpec("a", ActorKind.EMPLOYEE, "r", "e", region.jurisdiction, today)
        fit = [
            others + 1
            for others in scope.staff
            if may_enter(new, others=others, staff_max=region.staff_max, today=today).allowed
        ]
        name = (region.name,)
        yield Measure("staff", name, "people"), max(fit, default=0)
        yield Measure("required", name, "replicas", more_is_broader=False), region.required
        yield Measure("replicas", name, "replicas", more_is_broader=None), region.replicas
        yield Measure("backups", name, "days"), region.catalog_backup_days
        witnesses = sum(one.required for one in region.witnesses)
        yield Measure("witnesses", name, "witnesses", more_is_broader=False), witnesses


def _companies(topology: Topology, scope: Scope) -> Iterator[tuple[Measure, float]]:
    now = datetime.combine(scope.days[0], time(12), UTC)
    for company in topology.sub_processors.values():
        name = (company.name,)
        if company.announced is not None:
            notice = Measure("notice", name, "days", more_is_broader=False)
            yield notice, company.notice_days
        if company.connector is not None:
            endless = company.model_copy(update={"until": None})
            term = copy_term(endless, term_of(None, topology.bounds), now)
            yield Measure("copies", name, "days"), (term.deadline - now) / timedelta(days=1)
