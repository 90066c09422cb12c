"""The end of a write: an object whose bytes are on its backends is ``stored``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, Connection, bindparam, func, update
from sqlalchemy.sql.dml import ReturningUpdate

from storage.catalog import objects
from storage.catalog import tables as t
from storage.catalog.kinds import ObjectState

o = t.object_.c

_GIVEN: Final = ("id", "size", "digest", "replicate_at", "compact_at")


@dataclass(frozen=True, slots=True)
class Finished:
    """An object whose bytes are on its backends. ``digest``: SHA-256 of it."""

    id: UUID
    size: int
    digest: bytes
    replicate_at: datetime | None
    compact_at: datetime | None


def finish_all(connection: Connection, done: Sequence[Finished]) -> set[UUID]:
    """Compare and set ``writing`` to ``stored``; return the ids of those that were ``writing``.

    The others were abandoned in the meantime.
    """
    if len(done) > 1:
        objects.lock(connection, [each.id for each in done])
    values = {name: [getattr(each, name) for each in done] for name in _GIVEN}
    return set(connection.scalars(_finish_all(), {f"each_{n}": v for n, v in values.items()}))


@cache
def _finish_all() -> ReturningUpdate[UUID]:
    arrays = [bindparam(f"each_{name}", type_=ARRAY(o[name].type)) for name in _GIVEN]
    given = func.unnest(*arrays).table_valued(*_GIVEN, name="given").render_derived().c
    return (
        update(t.object_)
        .where(o.id == given.id, o.state == ObjectState.WRITING)
        .values(state=ObjectState.STORED, **{name: given[name] for name in _GIVEN if name != "id"})
        .returning(o.id)
    )


def finish(
    connection: Connection,
    object_id: UUID,
    size: int,
    digest: bytes,
    *,
    replicate_at: datetime | None,
    compact_at: datetime | None = None,
) -> bool:
    """Compare and set ``writing`` to ``stored``.

    False: the object was abandoned in the meantime, and nothing changed.
    """
    done = Finished(object_id, size, digest, replicate_at, compact_at)
    return bool(finish_all(connection, [done]))
