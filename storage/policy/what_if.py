"""Decide what a change of the topology would mean for a tenant, without making it."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time

from regions.model import DataClass, Topology
from storage.errors import InvalidRequest
from storage.model import TenantSpec
from storage.policy.copies import may_hand_over
from storage.policy.placement import Placement, Refusal, decide_placement


@dataclass(frozen=True, slots=True)
class Change:
    """A topology as it is, and as it would be; both are evaluated on the day ``on``.

    ``removed`` and ``added``: companies.
    """

    before: Topology
    after: Topology
    on: date
    removed: frozenset[str]
    added: frozenset[str]


@dataclass(frozen=True, slots=True)
class Means:
    """What a change means for a tenant's records of a class.

    ``leaves``: backends that may hold them no longer. ``to``: where they would be. ``reached``:
    the companies that are new and would get them. ``refused``: why writes would be refused that
    the topology as it is would not refuse.
    """

    leaves: tuple[str, ...]
    to: tuple[str, ...]
    replicas: int
    reached: tuple[str, ...]
    refused: Refusal | None


def suppose(before: Topology, after: Topology, *, remove: str | None, today: date) -> Change:
    """Return the change from a topology to one with more entries, and without a company.

    It counts from the first day of what is added. Raises InvalidRequest for an unknown company.
    """
    added = after.sub_processors.keys() - before.sub_processors.keys()
    on = max([today, *(after.sub_processors[name].since for name in added)])
    if remove is not None:
        if remove not in before.sub_processors:
            raise InvalidRequest(
                "The topology has no such sub-processor.",
                advice=f"Known: {', '.join(before.sub_processors)}.",
            )
        ended = before.sub_processors[remove].model_copy(update={"until": today, "exit_days": 0})
        companies = {**after.sub_processors, remove: ended}
        after = after.model_copy(update={"sub_processors": companies})
    removed = frozenset() if remove is None else frozenset({remove})
    return Change(before, after, on, removed, frozenset(added))


class Evaluation:
    """Evaluates a change. Tenants with the same terms are evaluated once."""

    def __init__(self, changed: Change) -> None:
        """``changed``: the change."""
        self._change = changed
        self._known: dict[object, Means] = {}

    def means(self, tenant: TenantSpec, data_class: DataClass, objections: frozenset[str]) -> Means:
        """Return what the change means for a tenant with these objections."""
        agreements, change = tuple(tenant.agreements), self._change
        homes = change.before.regions[tenant.home], change.after.regions[tenant.home]
        owners = (spec.dedicated_to for home in homes for spec in home.backends)
        own = tenant.id if any(tenant.id in some for some in owners) else None
        terms = (
            *(own, tenant.home, tenant.residency, tenant.service),
            *(agreements, data_class, objections),
        )
        found = self._known.get(terms)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            alike = replace(tenant, agreements=agreements)
            found = self._known[terms] = _means(self._change, alike, data_class, objections)
        return found


_REMEMBERED = 10_000


def _means(
    changed: Change, tenant: TenantSpec, data_class: DataClass, objections: Collection[str]
) -> Means:
    def placed(topology: Topology) -> Placement:
        return decide_placement(topology, tenant, data_class, changed.on, {}, objections=objections)

    before, after = placed(changed.before), placed(changed.after)
    home = changed.after.regions[tenant.home]
    run_by = {s.name: s.sub_processor for s in home.backends if not s.reserved(tenant.id)}
    noon = datetime.combine(changed.on, time(12), UTC)

    def reaches(company: str) -> bool:
        handed = may_hand_over(
            changed.after, tenant, data_class, company, noon, objections=objections
        )
        return handed.allowed or any(run_by[name] == company for name in after.backends)

    return Means(
        leaves=tuple(name for name, company in run_by.items() if company in changed.removed),
        to=after.backends,
        replicas=home.replicas,
        reached=tuple(name for name in sorted(changed.added) if reaches(name)),
        refused=after.refusal if before.refusal is None else None,
    )
