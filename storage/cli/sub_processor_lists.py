"""The list of sub-processors on a day: from the catalogs, or from the topology alone."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from regions.model import Topology
from storage.catalog import topologies
from storage.catalog.engine import Catalog
from storage.catalog.topologies import Seen
from storage.client.homes import REGIONAL
from storage.dependencies import make_catalog
from storage.errors import DomicileError, InvalidRequest
from storage.model.listing import Listed
from storage.policy import list_companies, union
from storage.settings import RegionSettings, Settings, load_settings, region_settings, topology_of

_ALONE = (
    "This is the list of the topology alone: no catalog has said what it has seen. To ask the "
    "catalogs, run the command where they are served, after: domicile init"
)
_PLANNED = "This is the list that the topology plans for that day."
_SEVERAL = "Different lists were in use on that day. This one has what any of them states."


@dataclass(frozen=True, slots=True)
class ListOn:
    """The list on a day, what to know about it, and the regions whose catalogs did not answer."""

    day: date
    companies: tuple[Listed, ...]
    notes: tuple[str, ...] = ()
    seen: Mapping[str, list[Seen]] = field(default_factory=dict)
    failed: Mapping[str, DomicileError] = field(default_factory=dict)


def today() -> date:
    """Return the UTC day."""
    return datetime.now(UTC).date()


def list_on(day: date) -> ListOn:
    """Return the list on a day.

    Of a past day only catalogs know: it raises the error of the first if none answers, and
    InvalidRequest if none had seen a topology by then.
    """
    settings = load_settings()
    topology = topology_of(settings)
    planned = list_companies(topology)
    if day > today():
        return ListOn(day, planned, (_PLANNED,))
    seen, failed = _ask(settings, topology, day)
    found = {name: some for name, some in seen.items() if some}
    if found:
        digests = {name: {one.digest for one in some} for name, some in found.items()}
        stated = {union([one.companies]) for some in found.values() for one in some}
        notes = [_SEVERAL] if len(stated) > 1 else []
        if day == today():
            notes += [
                f"{name} has not opened with the topology of this command, so what is new in "
                "it there is not in the list."
                for name, some in digests.items()
                if topology.digest not in some
            ]
        return ListOn(day, _united(found), tuple(notes), found, failed)
    if day == today():
        return ListOn(day, planned, (_ALONE, *_reasons(failed)))
    for error in failed.values():
        raise error
    raise InvalidRequest(
        f"No catalog had seen a list of sub-processors by {day}.",
        advice="Give a later date. Catalogs keep the lists since they were migrated to know them.",
    )


def _united(found: Mapping[str, list[Seen]]) -> tuple[Listed, ...]:
    """Return what the catalogs state together.

    Which companies the data of a region reaches is for its own catalog to say, if it has answered:
    another one has not checked their notice there.
    """

    def speaks_for(company: Listed, region: str) -> bool:
        at = {part.region for part in company.parts}
        return not at or region in at or not at <= found.keys()

    return union(
        [company for company in one.companies if speaks_for(company, region)]
        for region, some in found.items()
        for one in some
    )


@contextmanager
def checked_catalog(topology: Topology, name: str, own: RegionSettings) -> Iterator[Catalog]:
    """Yield a catalog that this code can use, without its backends and keys."""
    catalog = make_catalog(topology.regions[name], own.catalog_url.get_secret_value(), 1)
    try:
        catalog.check()
        yield catalog
    finally:
        catalog.close()


def _ask(
    settings: Settings, topology: Topology, day: date
) -> tuple[dict[str, list[Seen]], dict[str, DomicileError]]:
    seen: dict[str, list[Seen]] = {}
    failed: dict[str, DomicileError] = {}
    try:
        with region_settings(settings, topology) as served:
            for name, own in served.items():
                try:
                    with checked_catalog(topology, name, own) as catalog, catalog.begin() as here:
                        seen[name] = topologies.on_day(here, day)
                except REGIONAL as error:
                    failed[name] = error
    except REGIONAL as error:
        failed.update(dict.fromkeys(topology.regions, error))
    return seen, failed


def _reasons(failed: Mapping[str, DomicileError]) -> list[str]:
    return list(dict.fromkeys(error.message for error in failed.values()))
