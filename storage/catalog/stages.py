"""The stages that a region went through, in its own catalog. A row is never changed."""

from sqlalchemy import Connection, func, insert, select, text

from storage.catalog import tables as t
from storage.policy import Stage


def latest(connection: Connection) -> Stage | None:
    """Return the stage of the region. None: no revision declares it."""
    c = t.region_stage.c
    found = connection.scalar(select(c.stage).order_by(c.number.desc()).limit(1))
    return None if found is None else Stage(found)


def add(connection: Connection, stage: Stage, digest: str) -> None:
    """Note a stage, and the digest of the text that declares the region at that time."""
    connection.execute(insert(t.region_stage).values(stage=stage, digest=digest))


def declared(connection: Connection) -> str:
    """Return the digest of the text that declares the region, empty if none does."""
    c = t.region_stage.c
    return connection.scalar(select(c.digest).order_by(c.number.desc()).limit(1)) or ""


def lock(connection: Connection) -> None:
    """Until the transaction ends, nobody else changes the stage."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('region_stage', 0))"))


def has_tenants(connection: Connection) -> bool:
    """Return whether the region is or was in use."""
    found = select(t.tenant.c.id).limit(1).exists(), select(t.object_.c.id).limit(1).exists()
    return any(connection.scalar(select(each)) for each in found)


def left(connection: Connection) -> dict[str, int]:
    """Count what keeps a region from being retired, by name. Empty: nothing does."""
    gone = t.object_.c.state == "gone"
    counts = {
        "tenants": select(func.count()).select_from(t.tenant),
        "objects that are not gone": select(func.count()).select_from(t.object_).where(~gone),
        "open erasures": select(func.count())
        .select_from(t.erasure)
        .where(t.erasure.c.state != "complete"),
        "holds": select(func.count()).select_from(t.hold).where(t.hold.c.released.is_(None)),
        "copies at processors": select(func.count())
        .select_from(t.processor_copy)
        .where(t.processor_copy.c.state != "confirmed"),
    }
    found = {what: connection.scalar(count) or 0 for what, count in counts.items()}
    return {what: number for what, number in found.items() if number}
