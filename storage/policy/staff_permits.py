"""Decide whether a permit opens the key of one record for a person."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from regions.model import Purpose, Topology
from storage.model import (
    GRANT_PURPOSES,
    PERMIT_LASTS,
    Approval,
    Grant,
    GrantState,
    Hold,
    RosterEntry,
    ScopeKind,
    StaffPermit,
    TenantSpec,
    utc,
)
from storage.policy.access import (
    AFTER_THE_END,
    GRANT_REASONS,
    AccessReason,
    for_actor,
    for_customer,
    for_purpose,
)
from storage.policy.agreements import for_return_alone
from storage.policy.holding import HoldReason, may_read_held
from storage.policy.shortening import term_now

PERMIT_SKEW: Final = timedelta(seconds=1)
"""How far the clock of whoever issued a permit may be ahead of that of whoever checks it."""


class PermitReason(StrEnum):
    """Why a permit opens nothing, beside the reasons of ``may_open``."""

    NEEDED = "permit_needed"  # without one, the key does not leave the key service
    OTHER_REGION = "permit_other_region"
    EXPIRED = "permit_expired"
    EARLY = "permit_early"  # issued in the future
    BEFORE_START = "permit_before_start"  # of the key service, which knows no nonce from then
    REPLAYED = "permit_replayed"
    NOT_COUNTED = "opening_not_counted"  # against the grant
    SELF_APPROVED = "self_approved"
    APPROVER_NOT_PINNED = "approver_not_pinned"
    SIGNATURE_INVALID = "signature_invalid"
    UNKNOWN_RECORD = "unknown_record"


Reason = AccessReason | HoldReason | PermitReason


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """What the catalog says of a record to whoever unwraps its key.

    ``held``: its key is wrapped by a hold key. ``covered``: the grant's hold covers it and is in
    force. ``fenced``: an erasure covers it. ``flagged``: its row has flags, which nobody
    opens for this. ``day`` is its expiry day, ``key_id`` the key object that wraps its key.
    ``origin``: when data from before Domicile came in. ``until``: when reading ends, as its writer
    said.
    """

    tenant: str
    unique: bytes = field(repr=False)
    subject: bytes | None = field(repr=False)
    group: bytes | None = field(repr=False)
    day: date | None
    minted: datetime
    fenced: bool
    held: bool
    covered: bool
    key_id: UUID
    wrapped_key: bytes = field(repr=False)
    flagged: bool = False
    origin: date | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class PermitFacts:
    """What the checker knows for itself, not from whoever shows the permit.

    ``hold``: that of the grant. ``tenant``: its terms; None if this region is not its home.
    ``counted``: the opening is counted against the grant in the catalog, which is append-only.
    ``signatures``: whether the key of each approver who is pinned signed the grant. ``since``:
    since when it has remembered which permits were used (None: the permit never left the process
    that checks it).
    """

    grant: Grant | None
    hold: Hold | None
    entry: RosterEntry | None
    tenant: TenantSpec | None
    record: KeptRecord | None
    counted: bool
    signatures: Mapping[str, bool]
    since: datetime | None


def check_staff_permit(
    permit: StaffPermit, facts: PermitFacts, *, topology: Topology, region: str, now: datetime
) -> tuple[Reason, ...]:
    """Return every reason why the permit opens nothing; none if it opens its record's key, once.

    That it was used before, only the memory of the checker can tell.
    """
    moment, actor, grant = utc(now), permit.actor, facts.grant
    reasons: list[Reason] = list(_permit(permit, facts, region, moment))
    residency = _jurisdictions(topology, facts.tenant)
    unfit = for_actor(actor, facts.entry, residency, moment.date())
    unnamed = for_purpose(topology, permit.record.data_class, permit.purpose)
    reasons += [reason for reason in (unfit, unnamed) if reason is not None]
    reasons += [] if actor.staff else [AccessReason.ACTOR_NOT_ALLOWED]
    if grant is None:
        return (*reasons, AccessReason.NO_GRANT)
    reasons += _grant(permit, grant, facts, region, moment)
    reasons += check_signatures(grant, facts.signatures)
    reasons += _record(permit, grant, facts.record, ended=_ended(topology, permit, facts, moment))
    reasons += _hold(topology, region, grant, facts.hold)
    reasons += _customer(topology, grant, facts, moment.date())
    return tuple(reasons)


def _jurisdictions(topology: Topology, tenant: TenantSpec | None) -> frozenset[str]:
    """Return from where people may look into the tenant's records: nowhere, if nobody knows."""
    known = topology.residencies.get(tenant.residency) if tenant is not None else None
    return known.jurisdictions if known is not None else frozenset()


def _permit(permit: StaffPermit, facts: PermitFacts, region: str, now: datetime) -> list[Reason]:
    since = facts.since
    checks: dict[Reason, bool] = {
        PermitReason.OTHER_REGION: permit.region != region,
        PermitReason.EXPIRED: now >= permit.issued + PERMIT_LASTS,
        PermitReason.EARLY: permit.issued > now + PERMIT_SKEW,
        # one that an earlier process took may have been issued that much later than it was used
        PermitReason.BEFORE_START: since is not None and permit.issued < utc(since) + PERMIT_SKEW,
    }
    return [reason for reason, found in checks.items() if found]


def _grant(
    permit: StaffPermit, grant: Grant, facts: PermitFacts, region: str, now: datetime
) -> list[Reason]:
    reasons: list[Reason] = []
    said = (permit.grant, permit.tenant, permit.purpose, permit.actor.id, region)
    given = (grant.id, grant.tenant, grant.purpose, grant.actor, grant.region)
    if said != given or permit.purpose not in GRANT_PURPOSES:
        reasons.append(AccessReason.GRANT_FOR_ANOTHER)
    state = grant.state(now)
    if state is GrantState.REQUESTED and _signers(grant) and not _others(grant):
        return [*reasons, PermitReason.SELF_APPROVED]
    if state not in (GrantState.IN_FORCE, GrantState.EXHAUSTED):
        return [*reasons, GRANT_REASONS[state]]
    if not facts.counted:
        reasons.append(PermitReason.NOT_COUNTED)
    if grant.used > grant.records_max:
        reasons.append(AccessReason.GRANT_EXHAUSTED)
    return reasons


def check_signatures(grant: Grant, signatures: Mapping[str, bool]) -> tuple[PermitReason, ...]:
    """Return why no second person with a pinned key signed the grant; nothing if one did.

    ``signatures``: as in ``PermitFacts``. Nothing also if no second person approved it at all.
    """
    others = _others(grant)
    if others and not others & signatures.keys():
        return (PermitReason.APPROVER_NOT_PINNED,)
    if others and not any(signatures.get(actor, False) for actor in others):
        return (PermitReason.SIGNATURE_INVALID,)
    return ()


def counting(grant: Grant, signed: Iterable[Approval]) -> tuple[Approval, ...]:
    """Return those of the approvals that a pinned key signed which are of a second person."""
    others = _others(grant)
    return tuple(one for one in signed if one.actor in others)


def _signers(grant: Grant) -> set[str]:
    return {one.actor for one in grant.approvals if not one.for_customer}


def _others(grant: Grant) -> set[str]:
    return _signers(grant) - {grant.actor, grant.requester}


def _ended(topology: Topology, permit: StaffPermit, facts: PermitFacts, now: datetime) -> bool:
    """Return whether reading the record has ended, by its day or by the retention of today.

    What the catalog says of it counts, whatever minting the permit names.
    """
    record, named = facts.record, permit.record
    if record is None:
        return False
    found = replace(named, minted=record.minted, day=record.day)
    own = facts.tenant.retention if facts.tenant is not None else {}
    end = term_now(topology, own, found, record.origin, record.until).readable_until
    return end is not None and now >= end


def _record(
    permit: StaffPermit, grant: Grant, record: KeptRecord | None, *, ended: bool
) -> list[Reason]:
    if record is None:
        return [PermitReason.UNKNOWN_RECORD]
    legal = grant.purpose is Purpose.LEGAL
    named = (record.tenant, record.unique) == (permit.tenant, permit.record.unique)
    checks: dict[Reason, bool] = {
        AccessReason.OUTSIDE_GRANT: not named or not (legal or _in_scope(grant, record)),
        AccessReason.ERASED: record.fenced and not legal,
        AccessReason.EXPIRED: (ended or record.held) and not legal,
        AccessReason.NOT_HELD: legal and not record.covered,
    }
    return [reason for reason, found in checks.items() if found]


def _hold(topology: Topology, region: str, grant: Grant, hold: Hold | None) -> list[Reason]:
    """Ask whether what a hold keeps may be read: a second person, a foreign authority."""
    if grant.purpose is not Purpose.LEGAL or hold is None:
        return []  # without a hold none covers the record
    found = may_read_held(hold, topology.regions[region].jurisdiction).reason
    return [] if found is HoldReason.ALLOWED else [found]


def _customer(topology: Topology, grant: Grant, facts: PermitFacts, today: date) -> list[Reason]:
    """Ask what the tenant asked for and agreed to, as its terms are now."""
    tenant = facts.tenant
    traits = tenant.traits if tenant is not None else frozenset()
    flagged = facts.record is not None and facts.record.flagged
    against: list[Reason | None] = [for_customer(grant, traits, flagged=flagged)]
    if tenant is not None and grant.purpose not in AFTER_THE_END:
        alone = for_return_alone(topology, tenant, today)
        against.append(AccessReason.FOR_RETURN_ALONE if alone else None)
    return [reason for reason in against if reason is not None]


def _in_scope(grant: Grant, record: KeptRecord) -> bool:
    value = {
        ScopeKind.SUBJECT: record.subject,
        ScopeKind.GROUP: record.group,
        ScopeKind.RECORD: record.unique,
    }.get(grant.scope)
    return grant.scope is ScopeKind.TENANT or value in grant.sought
