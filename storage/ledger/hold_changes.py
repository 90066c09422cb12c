"""Confirm legal holds, and change them: each by two people, whom the catalog knows by their logins.

One person requests a change. When another approves it, it is written to the ledger, and is in force
in the transaction in which the catalog notes the approval.
"""

from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import hold_changes, holds, roster
from storage.errors import NotFound
from storage.events import (
    Approved,
    HoldConfirmation,
    HoldDecision,
    HoldNarrowing,
    HoldRelease,
)
from storage.ledger.journal import commit_event
from storage.model import CarveOut, ChangeKind, Hold, HoldChange, RosterEntry
from storage.policy import may_approve_change, may_change, may_confirm
from storage.region import OpenRegion


def confirm(region: OpenRegion, hold: UUID) -> Hold:
    """Confirm a hold as the person of this login, or be the first who stands for it.

    A confirmed hold stays as it is. Raises HoldRefused, NotFound, and what ``commit_event`` raises.
    """
    known, person = _known(region, hold)
    if known.confirmed is not None and known.released is None:
        return known
    now = region.clock.now()
    may_confirm(known, person, now.date()).demand()
    assert person is not None
    event = HoldConfirmation(id=hold, tenant=known.tenant, by=person.actor, at=now)
    commit_event(region, event, lambda _: None)
    return _known(region, hold)[0]


def request(
    region: OpenRegion,
    hold: UUID,
    kind: ChangeKind,
    *,
    why: str | None = None,
    carve_outs: tuple[CarveOut, ...] = (),
    document: str | None = None,
    permitted: bool | None = None,
) -> HoldChange:
    """Request a change as the person of this login. Raises HoldRefused or NotFound."""

    def work(connection: Connection) -> HoldChange:
        known, person = _look(region, connection, hold)
        now = region.clock.now()
        may_change(known, person, now.date()).demand()
        new = HoldChange(
            id=region.new_uuid(now),
            hold=hold,
            kind=kind,
            why=why,
            carve_outs=carve_outs,
            document=document,
            permitted=permitted,
            requested=now,
            requested_by=person.actor if person else "",
            approved=None,
            approved_by=None,
        )
        hold_changes.request(connection, new, now)
        return new

    return region.catalog.run(work)


def approve(region: OpenRegion, change: HoldChange) -> HoldChange:
    """Put a change into force, as the person of this login. Once more changes nothing.

    What a release or a narrowing lets go is resumed by workers. Raises HoldRefused, NotFound, and
    what ``commit_event`` raises.
    """
    if change.approved is None:
        known, person = _known(region, change.hold)
        today = region.clock.now().date()
        may_approve_change(known, change, person, today).demand()
        assert person is not None
        commit_event(region, _event(region, known, change, person.actor), lambda _: None)
    with region.catalog.begin() as connection:
        return find(connection, change.id) or change


def find(connection: Connection, change: UUID) -> HoldChange | None:
    """Return a change."""
    return hold_changes.find(connection, change)


def of_hold(connection: Connection, hold: UUID, limit: int) -> list[HoldChange]:
    """Return the newest changes of a hold, newest first."""
    return hold_changes.of_hold(connection, hold, limit)


def _event(
    region: OpenRegion, hold: Hold, change: HoldChange, by: str
) -> HoldRelease | HoldNarrowing | HoldDecision:
    now, tenant = region.clock.now(), hold.tenant
    people = Approved(
        id=change.id,
        requested=change.requested,
        requested_by=change.requested_by,
        approved_by=by,
    )
    match change.kind:
        case ChangeKind.RELEASE:
            why = change.why or ""
            return HoldRelease(id=hold.id, tenant=tenant, why=why, at=now, change=people)
        case ChangeKind.NARROWING:
            return HoldNarrowing(
                id=hold.id,
                tenant=tenant,
                why=change.why or "",
                carve_outs=tuple(map(hold_changes.stored, change.carve_outs)),
                at=now,
                change=people,
            )
        case ChangeKind.DECISION:
            return HoldDecision(
                id=hold.id,
                tenant=tenant,
                permitted=bool(change.permitted),
                document=change.document or "",
                at=now,
                change=people,
            )


def _known(region: OpenRegion, hold: UUID) -> tuple[Hold, RosterEntry | None]:
    with region.catalog.begin() as connection:
        return _look(region, connection, hold)


def _look(
    region: OpenRegion, connection: Connection, hold: UUID
) -> tuple[Hold, RosterEntry | None]:
    found = holds.show(connection, region.name, [hold])
    if not found:
        raise NotFound("No such hold in this region.")
    return found[0], roster.of_session(connection)
