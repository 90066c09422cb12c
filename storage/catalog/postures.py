"""The postures of backends as they were last read, and the places that an operator accepted."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from regions.fields import PostureCheck
from storage.catalog import tables as t
from storage.model import Posture, PostureFinding
from storage.policy import POSTURE_SKEW, KnownPosture

p, a = t.posture.c, t.ledger_place.c


def latest(connection: Connection, backends: Collection[str]) -> dict[str, KnownPosture]:
    """Return the last known posture of each of these backends. Unknown words are left out."""
    rows = connection.execute(select(p.backend, p.findings, p.read).where(p.backend.in_(backends)))
    return {row[0]: KnownPosture(_parsed(row[1]), row[2]) for row in rows}


def note(connection: Connection, backend: str, findings: Posture, now: datetime) -> None:
    """Keep a posture that was just read, unless a later one is known.

    One of the future is not a later one: the clock was set back.
    """
    new = insert(t.posture).values(
        backend=backend,
        findings={check.value: found.value for check, found in findings.items()},
        read=now,
        reader=func.current_user(),
    )
    values = {"findings": new.excluded.findings, "read": now, "reader": new.excluded.reader}
    older = or_(p.read < now, p.read > now + POSTURE_SKEW)
    connection.execute(
        new.on_conflict_do_update(index_elements=[p.backend], set_=values, where=older)
    )


def accepted(connection: Connection) -> frozenset[str]:
    """Return the backends that are accepted for ledger entries."""
    return frozenset(connection.scalars(select(a.backend).where(a.ended.is_(None))))


def accept(connection: Connection, backend: str, now: datetime, *, actor: str, reason: str) -> bool:
    """Accept a backend for ledger entries. False: it is accepted already."""
    if backend in accepted(connection):
        return False
    connection.execute(
        insert(t.ledger_place).values(backend=backend, since=now, actor=actor, reason=reason)
    )
    return True


def end_acceptance(connection: Connection, backend: str, now: datetime) -> bool:
    """End it. False: it is not accepted."""
    ended = connection.execute(
        update(t.ledger_place).where(a.backend == backend, a.ended.is_(None)).values(ended=now)
    )
    return ended.rowcount > 0


def _parsed(findings: dict[str, str]) -> Posture:
    checks, words = set(PostureCheck), set(PostureFinding)
    return {
        PostureCheck(check): PostureFinding(found)
        for check, found in findings.items()
        if check in checks and found in words
    }
