"""The topologies that a catalog has seen, with the sub-processors and the epochs of each.

With them the list on a past day is a fact, and a topology cannot say that it was announced before,
nor what the terms were on a day that is past.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, func, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from regions.model import Topology
from storage.catalog import log
from storage.catalog import tables as t
from storage.model import Entropy, LineKind
from storage.model.listing import Listed, Part, PartKind
from storage.policy import (
    SeenEpoch,
    carry,
    epoch_faults,
    list_companies,
    may_go_back,
    notice_faults,
    reassigned,
    rules_digest,
    stated_epochs,
)

s = t.topology_seen.c

_KINDS = {kind.value for kind in PartKind}
_NEWEST = s.last_seen.desc(), s.first_seen.desc()


@dataclass(frozen=True, slots=True)
class Seen:
    """A topology that a catalog has seen, with its list of sub-processors.

    ``replaced``: when another one was used after it; None for the one in use. ``epochs``: None if
    it was noted by code that knew none.
    """

    digest: str
    first_seen: datetime
    last_seen: datetime
    companies: tuple[Listed, ...]
    replaced: datetime | None = None
    epochs: tuple[SeenEpoch, ...] | None = None


def newest(connection: Connection) -> Seen | None:
    """Return the topology that was seen last."""
    query = select(t.topology_seen).order_by(*_NEWEST).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else _seen(row)


def on_day(connection: Connection, day: date) -> list[Seen]:
    """Return the topologies that were in use on a UTC day, oldest first.

    Those that were seen before it and on it or later; if there are none, the last one before it,
    because a topology is in use until another one is seen.
    """
    begins = datetime.combine(day, time.min, UTC)
    before = (
        select(t.topology_seen).where(s.first_seen < begins + timedelta(days=1)).order_by(*_NEWEST)
    )
    found = connection.execute(before.where(s.last_seen >= begins)).all()
    found = found or connection.execute(before.limit(1)).all()
    return sorted(map(_seen, found), key=lambda seen: seen.first_seen)


def parts_of(
    connection: Connection, company: str, region: str
) -> dict[tuple[PartKind, str], datetime]:
    """Return what a company ran or was given in a region, by any topology that was seen.

    Each with the name of the backend, if it is one, and when a topology was last seen that says so.
    """
    oldest_first = select(t.topology_seen).order_by(s.last_seen)
    return {
        (part.kind, part.name): seen.last_seen
        for seen in map(_seen, connection.execute(oldest_first))
        for one in seen.companies
        if one.name == company
        for part in one.parts
        if part.region == region
    }


def seen_hosts(
    connection: Connection, region: str, *, since: datetime | None = None
) -> set[tuple[str, str]]:
    """Return each backend of a region with each company that had it by a topology that was seen.

    ``since``: only by those that were seen later than that.
    """
    elements = partial(func.jsonb_array_elements, type_=JSONB)
    seen = select(elements(s.sub_processors).label("company"))
    if since is not None:
        seen = seen.where(s.last_seen > since)
    one = seen.subquery().c
    name = one.company["name"].astext.label("name")
    every = select(name, elements(one.company["parts"]).label("part")).subquery().c
    query = (
        select(every.part["name"].astext, every.name)
        .where(every.part["kind"].astext == PartKind.BACKEND, every.part["region"].astext == region)
        .distinct()
    )
    return {(row[0], row[1]) for row in connection.execute(query)}


def check(connection: Connection, region: str, topology: Topology, now: datetime) -> None:
    """Raise SubProcessorUnannounced if a topology does not keep the notice that is owed.

    And EpochBackdated if it changes an epoch that has begun. Processes may go back to the one
    before for some days.
    """
    known = connection.execute(select(t.topology_seen).where(s.digest == topology.digest)).first()
    if known is not None and may_go_back(_seen(known).replaced, now):
        return
    latest = newest(connection)
    seen = latest.companies if latest is not None else None
    new, ever = list_companies(topology), _ever(connection)
    for fault in notice_faults(seen, new, region, now.date(), ever):
        raise fault.error(region)
    today = now.date()
    for changed in epoch_faults(_epochs(connection), stated_epochs(topology), today):
        raise changed.error(region, today)


def _epochs(connection: Connection) -> tuple[SeenEpoch, ...] | None:
    """Return the epochs of the newest topology that was noted by code that knows epochs."""
    known = select(t.topology_seen).where(s.epochs.is_not(None))
    row = connection.execute(known.order_by(*_NEWEST).limit(1)).one_or_none()
    return None if row is None else _seen(row).epochs


def check_hosts(connection: Connection, region: str, topology: Topology) -> None:
    """Raise BackendReassigned if a topology gives a backend to a company that did not have it."""
    if _is_seen(connection, topology):
        return
    known = seen_hosts(connection, region)
    for fault in reassigned(known, list_companies(topology), region):
        raise fault.error(region)


def _is_seen(connection: Connection, topology: Topology) -> bool:
    known = select(s.digest).where(s.digest == topology.digest)
    return connection.scalar(known) is not None


def in_use(connection: Connection, topology: Topology) -> bool:
    """Return whether a topology was noted, and none after it."""
    query = select(s.digest).where(s.digest == topology.digest, s.replaced.is_(None))
    return connection.scalar(query) is not None


def note(connection: Connection, topology: Topology, now: datetime, entropy: Entropy) -> None:
    """Note that a topology is in use: at once if another one was seen last, else once a day.

    If it is another one, or the first, a line of the log says so.
    """
    latest = newest(connection)
    if latest is None:
        _insert(connection, topology, list_companies(topology), now)
    elif latest.digest != topology.digest or latest.last_seen.date() < now.date():
        companies = carry(latest.companies, list_companies(topology), now.date())
        _insert(connection, topology, companies, now)
    if latest is None or latest.digest != topology.digest:
        log.append(connection, LineKind.TOPOLOGY, {"topology": topology.digest}, now, entropy)


def trust(connection: Connection, topology: Topology, now: datetime) -> None:
    """Note a topology without a check: the catalog was restored, and has lost what it saw last."""
    latest = newest(connection)
    seen = latest.companies if latest is not None else None
    _insert(connection, topology, carry(seen, list_companies(topology), None), now)


def _insert(
    connection: Connection, topology: Topology, companies: Sequence[Listed], now: datetime
) -> None:
    new = insert(t.topology_seen).values(
        digest=topology.digest,
        first_seen=now,
        last_seen=now,
        sub_processors=[_stated(company) for company in companies],
        epochs=[_as_json(one) for one in stated_epochs(topology)],
        rules=rules_digest(topology),
    )
    again = new.on_conflict_do_update(
        index_elements=[s.digest],
        set_={"last_seen": now, "replaced": None},
        where=s.last_seen < now,
    )
    connection.execute(again)
    others = update(t.topology_seen).where(s.digest != topology.digest, s.replaced.is_(None))
    connection.execute(others.values(replaced=now))


def _ever(connection: Connection) -> list[Listed]:
    """Return the companies of every list that was seen."""
    rows = connection.execute(select(t.topology_seen))
    return [company for row in rows for company in _seen(row).companies]


def _stated(company: Listed) -> dict[str, object]:
    dates = {
        key: value.isoformat() if value is not None else None
        for key in ("announced", "since", "until", "listed")
        for value in (getattr(company, key),)
    }
    return asdict(company) | dates


def _seen(row: Row[*tuple[Any, ...]]) -> Seen:
    known = None if row.epochs is None else tuple(map(_epoch, row.epochs))
    companies = tuple(map(_company, row.sub_processors))
    return Seen(row.digest, row.first_seen, row.last_seen, companies, row.replaced, known)


def _as_json(epoch: SeenEpoch) -> dict[str, object]:
    ceilings = dict(epoch.ceiling_days)
    return {"from": epoch.begins.isoformat(), "train": epoch.train, "ceiling_days": ceilings}


def _epoch(stated: Mapping[str, Any]) -> SeenEpoch:
    return SeenEpoch(date.fromisoformat(stated["from"]), stated["train"], stated["ceiling_days"])


def _company(stated: Mapping[str, Any]) -> Listed:
    """Return a company as it was noted; what code of another version noted too is left out."""

    def day(key: str) -> date | None:
        return date.fromisoformat(stated[key]) if stated.get(key) else None

    parts = (
        Part(part["region"], PartKind(part["kind"]), tuple(part["classes"]), part["name"])
        for part in stated["parts"]
        if part["kind"] in _KINDS
    )
    return Listed(
        stated["name"],
        stated["title"],
        stated["service"],
        tuple(stated["jurisdictions"]),
        tuple(stated["locations"]),
        tuple(stated["products"]),
        day("announced"),
        stated["notice_days"],
        date.fromisoformat(stated["since"]),
        day("until"),
        tuple(parts),
        day("listed"),
    )
