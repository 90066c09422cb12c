"""End a region: close it to new tenants, wait until it is empty, and sign that it is.

Every step may be repeated: whoever is interrupted, or works at the same time as another, runs it
again and comes to the same end. The statement is signed in the transaction that notes the end, and
from then on nothing can be announced in the region.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqlalchemy import Connection
from structlog.typing import FilteringBoundLogger

from regions.canonical import digest_of, region_text
from storage.bootstrap import open_regions
from storage.catalog import departures, remains, retirements, signing_keys, stages, storages
from storage.checks import check_fits, guard_catalog
from storage.dependencies import Dependencies
from storage.errors import InvalidRequest, RegionNotRoutable, Unavailable
from storage.evidence.keys import key_id
from storage.evidence.retirements import Emptied, RegionStatement, sign_region
from storage.objects import control
from storage.objects.keyring import KeyRing
from storage.policy import Left, Stage, Standing, clocks_agree, may_empty
from storage.ports import ItemKind
from storage.region import OpenRegion
from storage.settings import Settings
from storage.text import plural
from storage.workers.loop import Duty, duties

LISTED = 100
"""The most tenants that are named as left."""

_DUTIES = ("reap", "resolve", "purge")
_BATCH = 1000
_ROUNDS = 10  # another process that does the same may be in the way of the last listing


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left in a region, and its first tenants, each with its account."""

    counts: Left
    tenants: tuple[tuple[str, str], ...]


def retire(
    settings: Settings,
    name: str,
    log: FilteringBoundLogger,
    *,
    dependencies: Dependencies | None = None,
) -> Remaining | str:
    """Close a region to new tenants. Return what is left in it, or the statement that it is empty.

    Raises Unavailable if something of the region's own cannot be purged yet or a backend has bytes
    that no row knows, WrongRegion, InvalidRequest if a revision has retired a region that was never
    routable, and the errors of the settings, the catalog and the backends. Repeat it to continue.
    """
    with open_regions(settings, dependencies or Dependencies(), only=name) as (region,):
        return retire_open(region, log)


def retire_open(opened: OpenRegion, log: FilteringBoundLogger) -> Remaining | str:
    """Do the same with an open region. Raises the same errors, but those of the settings."""
    opened.catalog.check()
    guard_catalog(opened, log)
    # it destroys, so each of its transactions checks that the catalog was not restored
    region = replace(opened, catalog=opened.catalog.strict())
    with region.catalog.begin() as connection:
        check_fits(region, connection)
        _begin(region, connection)
    todo = [duty for duty in duties(region, KeyRing(region), log) if duty.name in _DUTIES]
    return _carry_on(region, todo)


def _begin(region: OpenRegion, connection: Connection) -> None:
    """Note that the region retires, unless it does or did already."""
    stages.lock(connection)
    now = stages.latest(connection)
    if now is Stage.RETIRED:
        return
    if now is not Stage.RETIRING:
        text = stages.declared(connection) or digest_of(region_text(region.region))
        stages.add(connection, Stage.RETIRING, text)
    retirements.begin(connection, region.clock.now())


def _carry_on(region: OpenRegion, todo: list[Duty]) -> Remaining | str:
    """Purge what is the region's own, and sign. Return what else is left, or the statement."""
    before = 0
    for _ in range(_ROUNDS):
        for duty in todo:
            while duty.piece():
                pass
        found = region.catalog.run(lambda connection: _mark(region, connection))
        if not isinstance(found, int):
            return found
        if not found:
            try:
                token = _finish(region)
            except RegionNotRoutable:  # another process has retired it just now
                continue
            if token is not None:
                return token
        elif found == before:
            break
        before = found
    raise _unfinished(region.name, before)


def _mark(region: OpenRegion, connection: Connection) -> Remaining | str | int:
    """Mark what is the region's own for purge, if nothing else is left. Return how much it is.

    Returns what else is left, or the statement if the region is retired.
    """
    stages.lock(connection)
    stage = stages.latest(connection)
    if stage is Stage.RETIRED:
        return _statement(region, connection)
    head = remains.lock_own(connection)
    end = may_empty(region.name, stage, remains.of_region(connection))
    if end.left:
        return Remaining(end.left, tuple(remains.owners(connection, LISTED)))
    end.demand()
    if not clocks_agree(region.clock.skew()):
        raise Unavailable(
            f"The clock of this machine is not that of the catalog of {region.name}.",
            advice="Nothing is destroyed until they agree. Set the clock, and try again.",
        )
    retirements.note_head(connection, head)
    remains.mark_own(connection, region.clock.now(), _BATCH)
    return sum(remains.own(connection).values())


def _finish(region: OpenRegion) -> str | None:
    """See each backend empty, sign, and note that the region is retired. None: try again."""
    seen = []
    for emptied in _see_empty(region):
        if emptied is None:
            return None
        seen.append(emptied)
    return region.catalog.run(lambda connection: _sign(region, connection, seen))


def _see_empty(region: OpenRegion) -> Iterator[Emptied | None]:
    """List each backend where bytes may be. None: another process has just left a control there.

    Raises Unavailable if there are bytes that no row knows, or if the topology lacks a backend in
    which this catalog stored, and that was never seen empty.
    """
    with region.catalog.begin() as connection:
        stored = departures.stored_in(connection, region.name)
        unseen = departures.unseen(connection, stored - region.backends.keys())
    for name in unseen:
        raise _unseen(region.name, name)
    for name, standing in region.standings().items():
        if standing is Standing.NOT_YET and name not in stored:
            continue
        looked = region.clock.now()
        with region.catalog.begin() as connection:
            seen = region.visibility(name, lost=name in storages.last_losses(connection))
        if not control.is_alone(region, name):
            with region.catalog.begin() as connection:
                if not remains.own(connection):
                    raise _orphans(name)
            yield None
            return
        yield Emptied(
            backend=name,
            sub_processor=seen.sub_processor,
            located=seen.located,
            absent_at=looked,
            seen=tuple(ItemKind(kind) for kind in seen.seen),
            attested=tuple(ItemKind(kind) for kind in seen.attested),
        )


def _sign(region: OpenRegion, connection: Connection, seen: list[Emptied]) -> str | None:
    """Sign and note the end, in one transaction. None: something has been announced meanwhile."""
    stages.lock(connection)
    stages.stop_announcing(connection)
    known = retirements.under_way(connection)
    if stages.latest(connection) is Stage.RETIRED or known is None:
        return _statement(region, connection)
    left = remains.of_region(connection) | remains.own(connection)
    if not may_empty(region.name, stages.latest(connection), left).allowed:
        return None
    # the clock of another process may be a little behind
    empty = [e.model_copy(update={"absent_at": max(e.absent_at, known.begun)}) for e in seen]
    now = max([region.clock.now(), known.begun, *(each.absent_at for each in empty)])
    receipts, statements = retirements.count_evidence(connection)
    statement = RegionStatement(
        region=region.name,
        jurisdiction=region.region.jurisdiction,
        backends=tuple(empty),
        begun=known.begun,
        ended=now,
        receipts=receipts,
        statements=statements,
        entries=known.entries,
        head=known.head.hex() or None,
        topology=region.topology.digest,
    )
    token = sign_region(statement, region.signing)
    retirements.finish(connection, known, token, now)
    public = region.signing.public_key()
    signing_keys.note(connection, key_id(public), public.public_bytes_raw(), now)
    stages.add(connection, Stage.RETIRED, stages.declared(connection))
    return token


def _statement(region: OpenRegion, connection: Connection) -> str:
    """Return the statement of a region that is retired. Raises InvalidRequest if it has none."""
    token = retirements.statement(connection)
    if token is None:
        raise InvalidRequest(
            f"The region {region.name} was never routable, and a revision has retired it.",
            advice="There is no statement, because nothing could be there.",
        )
    return token


def _unseen(region: str, backend: str) -> Unavailable:
    return Unavailable(
        f"{backend} was a backend of {region} and was never seen empty.",
        advice=departures.put_back(backend),
    )


def _orphans(backend: str) -> Unavailable:
    return Unavailable(
        f"{backend} has bytes that no row of the catalog knows.",
        advice="A scrub purges them after their grace time: domicile scrub --backend "
        f"{backend}. Then run this command again.",
    )


def _unfinished(region: str, left: int) -> Unavailable:
    if not left:
        return Unavailable(
            f"Another process uses the backends of {region}.", advice="Run this command again."
        )
    return Unavailable(
        f"The region {region} still has {plural(left, 'object')} of its own to purge.",
        advice="Workers go on. A write or a test of rights may still land for "
        "longest_request_minutes, and keeps it open. Then run this command again.",
    )
