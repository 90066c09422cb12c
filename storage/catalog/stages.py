"""The stages that a region went through, in its own catalog. A row is never changed."""

from collections.abc import Mapping, Sequence
from functools import cache

from sqlalchemy import Connection, Insert, bindparam, func, insert, literal, select, text

from storage.catalog import tables as t
from storage.errors import RegionNotRoutable
from storage.policy import Stage

c = t.region_stage.c

_LOCK = func.hashtextextended("region_stage", 0)
_LATEST = select(c.stage).order_by(c.number.desc()).limit(1)


def latest(connection: Connection) -> Stage | None:
    """Return the stage of the region. None: no revision declares it, and it does not retire."""
    found = connection.scalar(_LATEST)
    return None if found is None else Stage(found)


def if_any(connection: Connection) -> Stage | None:
    """Do the same in a catalog that may not have been migrated yet: then it has none."""
    there = connection.scalar(select(func.to_regclass("region_stage").is_not(None)))
    return latest(connection) if there else None


def add(connection: Connection, stage: Stage, digest: str) -> None:
    """Note a stage, and the digest of the text that declares the region at that time."""
    connection.execute(insert(t.region_stage).values(stage=stage, digest=digest))


def declared(connection: Connection) -> str:
    """Return the digest of the text that declares the region, empty if none does."""
    return connection.scalar(select(c.digest).order_by(c.number.desc()).limit(1)) or ""


def lock(connection: Connection) -> None:
    """Until the transaction ends, nobody else changes the stage."""
    connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def share(connection: Connection) -> None:
    """Until the transaction ends, nobody changes the stage."""
    connection.execute(select(func.pg_advisory_xact_lock_shared(_LOCK)))


def has_tenants(connection: Connection) -> bool:
    """Return whether the region is or was in use."""
    found = select(t.tenant.c.id).limit(1).exists(), select(t.object_.c.id).limit(1).exists()
    return any(connection.scalar(select(each)) for each in found)


def stop_announcing(connection: Connection) -> None:
    """Wait for every transaction that announces an object; none is announced until the commit."""
    connection.execute(text("LOCK TABLE object IN SHARE MODE"))


def insert_objects(connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert the rows of new objects, unless the region is retired.

    Raises RegionNotRoutable if it is: the statement that it is empty was signed.
    """
    # Statement by statement: one that begins after ``stop_announcing`` has ended sees the stage.
    if connection.execute(_insert_of(tuple(rows[0])), rows).rowcount != len(rows):
        raise RegionNotRoutable(
            "The region is retired: nothing is written to it any more.",
            advice="Remove it from the topology and from the settings.",
        )


@cache
def _insert_of(names: tuple[str, ...]) -> Insert:
    given = [bindparam(name, type_=t.object_.c[name].type) for name in names]
    retired = _LATEST.scalar_subquery() == literal(Stage.RETIRED.value)
    query = insert(t.object_).from_select(names, select(*given).where(retired.is_not(True)))
    return query.execution_options(preserve_rowcount=True)
