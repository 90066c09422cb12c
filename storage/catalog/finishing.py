"""The end of a write: an object whose bytes are on its backends is ``stored``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Connection, func, literal, update

from storage.catalog import objects
from storage.catalog import tables as t
from storage.catalog.kinds import ObjectState

o = t.object_.c


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
    given = (
        func.unnest(
            *(
                literal([getattr(each, c.name) for each in done], ARRAY(c.type))
                for c in (o.id, o.size, o.digest, o.replicate_at, o.compact_at)
            )
        )
        .table_valued("id", "size", "digest", "replicate_at", "compact_at", name="given")
        .render_derived()
    )
    return set(
        connection.scalars(
            update(t.object_)
            .where(o.id == given.c.id, o.state == ObjectState.WRITING)
            .values(
                state=ObjectState.STORED,
                size=given.c.size,
                digest=given.c.digest,
                replicate_at=given.c.replicate_at,
                compact_at=given.c.compact_at,
            )
            .returning(o.id)
        )
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
