"""Compute the list of sub-processors that a topology states."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from regions.model import DataClass, Region, SubProcessor, Topology
from storage.model.listing import Listed, Part, PartKind
from storage.policy.copies import processors_of


def list_companies(topology: Topology) -> tuple[Listed, ...]:
    """Return the companies of a topology by name, each with all that it runs or is given."""
    companies = sorted(topology.sub_processors.values(), key=lambda company: company.name)
    return tuple(_listed(topology, company) for company in companies)


def _listed(topology: Topology, company: SubProcessor) -> Listed:
    return Listed(
        company.name,
        company.title,
        company.service.value,
        tuple(sorted(company.jurisdictions)),
        company.locations,
        company.products,
        company.announced,
        company.notice_days,
        company.since,
        company.until,
        tuple(
            part
            for region in topology.regions.values()
            for part in _parts(topology, region, company)
        ),
    )


def _parts(topology: Topology, region: Region, company: SubProcessor) -> Iterator[Part]:
    every = tuple(one.value for one in DataClass if one in topology.classes)
    for spec in region.backends:
        if spec.sub_processor == company.name:
            yield Part(region.name, PartKind.BACKEND, every, spec.name)
    for role, steward in region.stewards:
        if steward.sub_processor == company.name:
            kind = PartKind(role)
            yield Part(region.name, kind, () if kind is PartKind.KEYS else every)
    rules = topology.classes
    given = tuple(name for name in every if rules[DataClass(name)].given_to(company.service))
    if given and company in processors_of(topology, region):
        yield Part(region.name, PartKind.COPIES, given)


def union(lists: Iterable[Sequence[Listed]]) -> tuple[Listed, ...]:
    """Return what any of the lists states, by name. A company that they state differently recurs.

    When a catalog first listed it does not count: catalogs may differ in that.
    """
    found = {replace(company, listed=None) for one in lists for company in one}
    return tuple(sorted(found, key=lambda company: (company.name, company.since, repr(company))))
