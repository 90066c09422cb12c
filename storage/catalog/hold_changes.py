"""Who stands for legal holds, and what changes them. Only functions of the catalog write this.

They know by the login of the session who asks, lock the hold, and then look. What they refuse
leaves the transaction as HoldRefused, with the reason. What is replayed from the ledger says itself
who did it: that takes the login of a process.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    Uuid,
    func,
    literal,
    select,
)
from sqlalchemy import any_ as any_of
from sqlalchemy.dialects.postgresql import JSONB, distinct_on

from regions.model import DataClass
from storage.catalog import tables as t
from storage.catalog.tables import Moment
from storage.events import (
    HoldConfirmation,
    HoldDecision,
    HoldNarrowing,
    HoldRelease,
    StoredCarveOut,
)
from storage.model import CarveOut, ChangeKind, Decision, HoldChange

c, x = t.hold_change.c, t.hold_carve_out.c

ChangeEvent = HoldRelease | HoldNarrowing | HoldDecision


def confirm(
    connection: Connection, event: HoldConfirmation, now: datetime, *, replayed: bool
) -> bool:
    """Note that a person stands for a hold, or confirms it. False: nothing has changed."""
    hold = literal(event.id, Uuid)
    if replayed:
        was = literal(event.by, Text), literal(event.at, Moment)
        return bool(connection.scalar(select(func.replay_confirmation(hold, *was))))
    return bool(connection.scalar(select(func.confirm_hold(hold, literal(now, Moment)))))


def request(connection: Connection, new: HoldChange, now: datetime) -> None:
    """Insert a change, as the person of this session."""
    given: dict[str, Any] = {
        "id": str(new.id),
        "hold_id": str(new.hold),
        "kind": new.kind.value,
        "why": new.why,
        "document": new.document,
        "permitted": new.permitted,
    }
    if new.carve_outs:
        given["carve_outs"] = [plain(stored(part)) for part in new.carve_outs]
    connection.execute(
        select(func.request_hold_change(literal(given, JSONB), literal(now, Moment)))
    )


def change(connection: Connection, event: ChangeEvent, now: datetime, *, replayed: bool) -> bool:
    """Put a change into force, as the person of this session who approves it.

    False: it was in force already.
    """
    at = literal(now, Moment)
    if not replayed:
        assert event.change is not None  # only older versions released without one
        approved = func.approve_hold_change(literal(event.change.id, Uuid), at)
        return bool(connection.scalar(select(approved)))
    given = literal(_replayed(event), JSONB)
    return bool(connection.scalar(select(func.replay_hold_change(given, at))))


def _replayed(event: ChangeEvent) -> dict[str, Any]:
    given: dict[str, Any] = {"hold_id": str(event.id)}
    match event:
        case HoldRelease():
            given |= {"kind": ChangeKind.RELEASE, "why": event.why}
        case HoldNarrowing():
            parts = [plain(part) for part in event.carve_outs]
            given |= {"kind": ChangeKind.NARROWING, "why": event.why, "carve_outs": parts}
        case HoldDecision():
            given |= {"kind": ChangeKind.DECISION, "document": event.document}
            given |= {"permitted": event.permitted}
    if event.change is not None:
        people = event.change.model_dump(mode="json")
        given |= people | {"approved": event.at.isoformat()}
    return given


def stored(part: CarveOut) -> StoredCarveOut:
    """Return a carve-out as an event has it."""
    return StoredCarveOut(
        tenants=part.tenants,
        accounts=part.accounts,
        classes=part.classes,
        minted_from=part.minted_from,
        minted_to=part.minted_to,
    )


def plain(part: StoredCarveOut) -> dict[str, Any]:
    """Return a carve-out as functions of the catalog take it: without what it leaves open."""
    fields = part.model_dump(mode="json")
    return {name: value for name, value in fields.items() if value}


def find(connection: Connection, change: UUID) -> HoldChange | None:
    """Return a change."""
    row = connection.execute(select(t.hold_change).where(c.id == change)).one_or_none()
    return None if row is None else _change(row)


def of_hold(connection: Connection, hold: UUID, limit: int) -> list[HoldChange]:
    """Return the newest changes of a hold, newest first."""
    query = select(t.hold_change).where(c.hold_id == hold)
    rows = connection.execute(query.order_by(c.requested.desc(), c.id.desc()).limit(limit))
    return [_change(row) for row in rows]


def carve_outs(connection: Connection, holds: Sequence[UUID]) -> dict[UUID, list[CarveOut]]:
    """Return what holds do not keep, by hold."""
    found: dict[UUID, list[CarveOut]] = {}
    rows = connection.execute(
        select(t.hold_carve_out).where(_among(x.hold_id, holds)).order_by(x.number)
    )
    for row in rows:
        found.setdefault(row.hold_id, []).append(_carve_out(row._mapping))
    return found


def decisions(connection: Connection, holds: Sequence[UUID]) -> dict[UUID, Decision]:
    """Return the newest decision about each hold that has one."""
    newest = (
        select(c.hold_id, c.permitted, c.document, c.requested_by, c.approved_by, c.approved)
        .ext(distinct_on(c.hold_id))
        .where(
            _among(c.hold_id, holds), c.kind == ChangeKind.DECISION.value, c.approved.is_not(None)
        )
        .order_by(c.hold_id, c.approved.desc(), c.id.desc())
    )
    return {
        row.hold_id: Decision(
            row.permitted, row.document, row.requested_by, row.approved_by, row.approved
        )
        for row in connection.execute(newest)
    }


def count_waiting(connection: Connection, holds: Sequence[UUID]) -> dict[UUID, int]:
    """Return how many changes of each hold wait for a second person."""
    query: Select[UUID, int] = (
        select(c.hold_id, func.count())
        .where(_among(c.hold_id, holds), c.approved.is_(None))
        .group_by(c.hold_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _among(column: ColumnElement[UUID], holds: Sequence[UUID]) -> ColumnElement[bool]:
    return column == any_of(literal(list(holds), ARRAY(Uuid)))


def _change(row: Row[Any]) -> HoldChange:
    return HoldChange(
        id=row.id,
        hold=row.hold_id,
        kind=ChangeKind(row.kind),
        why=row.why,
        carve_outs=tuple(map(_from_stored, row.carve_outs or ())),
        document=row.document,
        permitted=row.permitted,
        requested=row.requested,
        requested_by=row.requested_by,
        approved=row.approved,
        approved_by=row.approved_by,
    )


def _from_stored(part: dict[str, Any]) -> CarveOut:
    at = {name: part.get(name) for name in ("minted_from", "minted_to")}
    moments = {name: datetime.fromisoformat(text) if text else None for name, text in at.items()}
    return _carve_out(part | moments)


def _carve_out(fields: Any) -> CarveOut:  # noqa: ANN401 - a row, or JSON
    return CarveOut(
        tuple(fields.get("tenants") or ()),
        tuple(fields.get("accounts") or ()),
        tuple(map(DataClass, fields.get("classes") or ())),
        fields.get("minted_from"),
        fields.get("minted_to"),
    )
