"""The postures of backends as they were last read, and the places that an operator accepted.

With the findings of a backend is stored whose they are: ``source`` tells a bucket, and the code
that judged it, from others that had the name of the backend. Code before that leaves the word out.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from regions.fields import PostureCheck
from storage.catalog import tables as t
from storage.model import Posture, PostureFinding
from storage.policy import POSTURE_SKEW, KnownPosture

p, a = t.posture.c, t.ledger_place.c

_SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Who accepted a backend for ledger entries, when and why. ``ended``: None while in force."""

    backend: str
    since: datetime
    actor: str
    reason: str
    ended: datetime | None
    ended_by: str | None


def latest(connection: Connection, backend: str, source: str) -> KnownPosture | None:
    """Return the last known posture of a backend, if it is that of this source.

    Unknown words are left out.
    """
    query = select(p.findings, p.read).where(p.backend == backend)
    row = connection.execute(query).one_or_none()
    if row is None or row[0].get(_SOURCE) != source:
        return None
    return KnownPosture(_parsed(row[0]), row[1])


def note(
    connection: Connection, backend: str, findings: Posture, now: datetime, *, source: str
) -> None:
    """Keep a posture that was just read, unless a later one is known.

    One of the future is not a later one: the clock was set back.
    """
    new = insert(t.posture).values(
        backend=backend,
        findings={check.value: found.value for check, found in findings.items()}
        | {_SOURCE: source},
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


def acceptances(connection: Connection) -> list[Acceptance]:
    """Return every acceptance on record, the oldest first."""
    rows = connection.execute(select(t.ledger_place).order_by(a.since, a.backend))
    return [Acceptance(*row) for row in rows]


def accept(connection: Connection, backend: str, now: datetime, *, actor: str, reason: str) -> bool:
    """Accept a backend for ledger entries. False: it is accepted already."""
    if backend in accepted(connection):
        return False
    connection.execute(
        insert(t.ledger_place).values(backend=backend, since=now, actor=actor, reason=reason)
    )
    return True


def end_acceptance(connection: Connection, backend: str, now: datetime, *, actor: str) -> bool:
    """End it. False: it is not accepted."""
    ended = connection.execute(
        update(t.ledger_place)
        .where(a.backend == backend, a.ended.is_(None))
        .values(ended=now, ended_by=actor)
    )
    return ended.rowcount > 0


def _parsed(findings: dict[str, str]) -> Posture:
    checks, words = set(PostureCheck), set(PostureFinding)
    return {
        PostureCheck(check): PostureFinding(found)
        for check, found in findings.items()
        if check in checks and found in words
    }
