"""Decide whether a permit opens the key of one record for a person."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final, assert_never
from uuid import UUID

from regions.model import Purpose
from storage.model import GRANT_PURPOSES, Actor, ActorKind, Grant, GrantState, RosterEntry, utc
from storage.model.permits import PERMIT_LASTS, StaffPermit
from storage.model.scopes import ScopeKind

PERMIT_SKEW: Final = timedelta(seconds=1)
"""How far the clock of whoever issued a permit may be ahead of that of whoever checks it."""


class PermitReason(StrEnum):
    """Why a permit opens nothing."""

    NEEDED = "permit_needed"  # without one, the key does not leave the key service
    OTHER_REGION = "permit_other_region"
    EXPIRED = "permit_expired"
    EARLY = "permit_early"  # issued in the future
    BEFORE_START = "permit_before_start"  # of the key service, which knows no nonce from then
    REPLAYED = "permit_replayed"
    GRANT_UNKNOWN = "grant_unknown"
    GRANT_DIFFERS = "grant_differs"  # it is of another tenant, person, purpose or region
    GRANT_NOT_APPROVED = "grant_not_approved"
    GRANT_EXPIRED = "grant_expired"
    GRANT_REVOKED = "grant_revoked"
    GRANT_EXHAUSTED = "grant_exhausted"
    SELF_APPROVED = "self_approved"
    APPROVER_NOT_PINNED = "approver_not_pinned"
    SIGNATURE_INVALID = "signature_invalid"
    ACTOR_UNKNOWN = "actor_unknown"
    ACTOR_DIFFERS = "actor_differs"  # the roster says otherwise of it
    ACTOR_NOT_IN_FORCE = "actor_not_in_force"
    ACTOR_NOT_STAFF = "actor_not_staff"
    CONFIDENTIALITY_MISSING = "confidentiality_missing"
    RECORD_UNKNOWN = "record_unknown"
    RECORD_OUT_OF_SCOPE = "record_out_of_scope"
    RECORD_ERASED = "record_erased"
    RECORD_EXPIRED = "record_expired"
    RECORD_NOT_HELD = "record_not_held"  # the grant's hold does not cover it


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """What the catalog says of a record to whoever unwraps its key.

    ``held``: its key is wrapped by a hold key. ``covered``: the grant's hold covers it and is in
    force. ``fenced``: an erasure covers it. ``day`` is its expiry day, ``key_id`` the key object
    that wraps its key.
    """

    tenant: str
    unique: bytes = field(repr=False)
    subject: bytes | None = field(repr=False)
    group: bytes | None = field(repr=False)
    day: date | None
    fenced: bool
    held: bool
    covered: bool
    key_id: UUID
    wrapped_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PermitFacts:
    """What the checker knows for itself, not from whoever shows the permit.

    ``signatures``: of each approver whose key is pinned, whether that key signed the grant.
    ``opened``: how many other records it has unwrapped under the grant. ``replayed``: it has seen
    the nonce. ``since``: since when it has remembered nonces (None: the permit never left the
    process that checks it).
    """

    grant: Grant | None
    entry: RosterEntry | None
    record: KeptRecord | None
    signatures: Mapping[str, bool]
    opened: int
    replayed: bool
    since: datetime | None


def check_staff_permit(
    permit: StaffPermit, facts: PermitFacts, *, region: str, now: datetime
) -> tuple[PermitReason, ...]:
    """Return every reason why the permit opens nothing; none if it opens its record's key."""
    reasons = list(_permit(permit, facts, region, utc(now)))
    if facts.grant is None:
        return (*reasons, PermitReason.GRANT_UNKNOWN)
    reasons += _grant(permit, facts.grant, facts, region, utc(now))
    reasons += _signatures(facts.grant, facts.signatures)
    reasons += _actor(permit.actor, facts.entry, utc(now).date())
    reasons += _record(permit, facts.grant, facts.record, utc(now).date())
    return tuple(reasons)


def _permit(
    permit: StaffPermit, facts: PermitFacts, region: str, now: datetime
) -> list[PermitReason]:
    since = facts.since
    checks = {
        PermitReason.OTHER_REGION: permit.region != region,
        PermitReason.EXPIRED: now >= permit.issued + PERMIT_LASTS,
        PermitReason.EARLY: permit.issued > now + PERMIT_SKEW,
        # one that an earlier process took may have been issued that much later than it was used
        PermitReason.BEFORE_START: since is not None and permit.issued < utc(since) + PERMIT_SKEW,
        PermitReason.REPLAYED: facts.replayed,
    }
    return [reason for reason, found in checks.items() if found]


def _grant(
    permit: StaffPermit, grant: Grant, facts: PermitFacts, region: str, now: datetime
) -> list[PermitReason]:
    reasons = []
    said = (permit.grant, permit.tenant, permit.purpose, permit.actor.id, region)
    given = (grant.id, grant.tenant, grant.purpose, grant.actor, grant.region)
    if said != given or permit.purpose not in GRANT_PURPOSES:
        reasons.append(PermitReason.GRANT_DIFFERS)
    match grant.state(now):
        case GrantState.REVOKED:
            reasons.append(PermitReason.GRANT_REVOKED)
        case GrantState.EXPIRED:
            reasons.append(PermitReason.GRANT_EXPIRED)
        case GrantState.REQUESTED:
            alone = _signers(grant) and not _others(grant)
            reasons.append(PermitReason.SELF_APPROVED if alone else PermitReason.GRANT_NOT_APPROVED)
        case GrantState.IN_FORCE | GrantState.EXHAUSTED:
            # the use that this permit is for may be counted already
            if grant.used > grant.records_max or facts.opened >= grant.records_max:
                reasons.append(PermitReason.GRANT_EXHAUSTED)
    return reasons


def _signatures(grant: Grant, signatures: Mapping[str, bool]) -> list[PermitReason]:
    """Ask for a second person whose pinned key signed the grant."""
    others = _others(grant)
    if others and not others & signatures.keys():
        return [PermitReason.APPROVER_NOT_PINNED]
    if others and not any(signatures.get(actor, False) for actor in others):
        return [PermitReason.SIGNATURE_INVALID]
    return []


def _signers(grant: Grant) -> set[str]:
    return {one.actor for one in grant.approvals if not one.for_customer}


def _others(grant: Grant) -> set[str]:
    return _signers(grant) - {grant.actor, grant.requester}


def _actor(actor: Actor, entry: RosterEntry | None, today: date) -> list[PermitReason]:
    if entry is None:
        return [PermitReason.ACTOR_UNKNOWN]
    contractor = entry.kind is ActorKind.CONTRACTOR
    checks = {
        PermitReason.ACTOR_DIFFERS: not entry.describes(actor),
        PermitReason.ACTOR_NOT_IN_FORCE: not entry.in_force(today),
        PermitReason.ACTOR_NOT_STAFF: not actor.staff,
        PermitReason.CONFIDENTIALITY_MISSING: contractor and entry.agreement is None,
    }
    return [reason for reason, found in checks.items() if found]


def _record(
    permit: StaffPermit, grant: Grant, record: KeptRecord | None, today: date
) -> list[PermitReason]:
    if record is None:
        return [PermitReason.RECORD_UNKNOWN]
    legal = grant.purpose is Purpose.LEGAL
    over = record.day is not None and today >= record.day
    named = (record.tenant, record.unique) == (permit.tenant, permit.record.unique)
    checks = {
        PermitReason.RECORD_OUT_OF_SCOPE: not named or not _in_scope(grant, record),
        PermitReason.RECORD_ERASED: record.fenced and not legal,
        PermitReason.RECORD_EXPIRED: (over or record.held) and not legal,
        PermitReason.RECORD_NOT_HELD: legal and not record.covered,
    }
    return [reason for reason, found in checks.items() if found]


def _in_scope(grant: Grant, record: KeptRecord) -> bool:
    match grant.scope:
        case ScopeKind.TENANT:
            return True
        case ScopeKind.SUBJECT:
            return record.subject in grant.sought
        case ScopeKind.GROUP:
            return record.group in grant.sought
        case ScopeKind.RECORD:
            return record.unique in grant.sought
        case ScopeKind.ACCOUNT:
            return False  # a grant is for one tenant
        case _:
            assert_never(grant.scope)
