"""What is left of a tenant, or in a region, and who it belongs to. Counts stop at a million."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, Select, select
from sqlalchemy.sql import ColumnElement

from storage.catalog import holds, identity, ledger, objects
from storage.catalog import tables as t
from storage.catalog.counting import count_up_to
from storage.catalog.kinds import ObjectKind, ObjectState
from storage.catalog.ledger import Head
from storage.model import CopyState, ErasureState

_COUNTED = 1_000_000
_OWN = [kind for kind in ObjectKind if not kind.has_content]
"""The kinds of objects that a region needs for itself."""

o = t.object_.c

Owned = tuple[ColumnElement[str], ColumnElement[bool]]
"""Rows of a tenant: the column that names it, and which of them keep it."""


def _owned() -> dict[str, Owned]:
    e, h, p = t.erasure.c, t.hold.c, t.processor_copy.c
    return {
        "records": (t.record.c.tenant, t.record.c.uid.is_not(None)),
        "files": (t.file.c.tenant, t.file.c.uid.is_not(None)),
        "held_records": (t.held.c.tenant, t.held.c.uid.is_not(None)),
        "open_erasures": (e.tenant, e.state != ErasureState.COMPLETE),
        "holds_in_force": (h.tenant, h.released.is_(None)),
        "copies_at_processors": (p.tenant, p.state != CopyState.CONFIRMED),
    }


def of_tenant(connection: Connection, tenant: str) -> dict[str, int]:
    """Count what keeps a tenant from being removed. The caller owns its lock."""
    return _counted(
        connection,
        {what: select(c).where(c == tenant, keeps) for what, (c, keeps) in _owned().items()},
    )


def of_region(connection: Connection) -> dict[str, int]:
    """Count what keeps a region from being emptied, but what it needs for itself.

    An entry of the ledger that is pending, or that no catalog has read, may be a hold.
    """
    left = _counted(
        connection,
        {
            "tenants": select(t.tenant.c.id),
            **{what: select(c).where(keeps) for what, (c, keeps) in _owned().items()},
            "objects_with_content": _present().where(o.kind.not_in(_OWN)),
            "pending_ledger_entries": select(o.id).where(
                o.kind == ObjectKind.LEDGER, o.state == ObjectState.WRITING
            ),
            "receipts_not_exported": select(t.receipt.c.erasure_id).where(
                t.receipt.c.exported.is_(None)
            ),
            "statements_not_exported": select(t.statement.c.backend).where(
                t.statement.c.exported.is_(None)
            ),
        },
    )
    unread = len(identity.unread(connection))
    return left | ({"backends_with_an_unread_ledger": unread} if unread else {})


def own(connection: Connection) -> dict[str, int]:
    """Count the objects that the region needs for itself and that are not gone."""
    return _counted(connection, {"objects_of_its_own": _present().where(o.kind.in_(_OWN))})


def owners(connection: Connection, limit: int) -> list[tuple[str, str]]:
    """Return the tenants that are left, each with its account, by id."""
    c = t.tenant.c
    return [
        (row[0], row[1])
        for row in connection.execute(select(c.id, c.account).order_by(c.id).limit(limit))
    ]


def lock_own(connection: Connection) -> Head:
    """Until the transaction ends, no hold is placed and no event of the ledger becomes true.

    Return the head of the ledger.
    """
    holds.share(connection)
    ledger.lock_numbers(connection)
    return ledger.head(connection)


def mark_own(connection: Connection, now: datetime, limit: int) -> int:
    """Mark a batch of day keys, ledger entries and objects of the log for purge; return the count.

    The caller has found that nothing else is left. Those that are being written are left to the
    duties that reap and resolve.
    """
    log = (kind for kind in ObjectKind if kind.of_log)
    kinds = (ObjectKind.DAY_KEY, ObjectKind.LEDGER, *log)
    some = select(o.id).where(o.kind.in_(kinds), o.state == ObjectState.STORED).limit(limit)
    return objects.mark_for_purge(connection, connection.scalars(some).all(), now)


def _present() -> Select[object]:
    return select(o.id).where(o.state != ObjectState.GONE)


def _counted(connection: Connection, rows: Mapping[str, Select[object]]) -> dict[str, int]:
    counts = {what: count_up_to(connection, query, _COUNTED) for what, query in rows.items()}
    return {what: count for what, count in counts.items() if count}
