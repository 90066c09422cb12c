"""The preview of ``erase --dry-run``: what an erasure would cover, counted up to a limit."""

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from regions.words import with_article
from storage.catalog import tenants
from storage.client.homes import Homes
from storage.client.store import Store
from storage.client.validate import PAGE
from storage.model import RecordId, Scope, ScopeKind
from storage.text import plural

_COUNTED = 10 * PAGE  # records; then the preview says "or more"


@dataclass(frozen=True, slots=True)
class Preview:
    """What an erasure would cover.

    ``records`` are readable now: all of them if ``exact``, else at least so many. ``cascades`` are
    pairs of parent and child class. ``elsewhere``: regions that hold tenants of the account, and
    that this process does not serve.
    """

    tenants: tuple[str, ...]
    records: int
    exact: bool
    cascades: tuple[tuple[str, str], ...]
    elsewhere: tuple[str, ...] = ()

    @property
    def count(self) -> str:
        """How many records are readable now: ``2 records``, ``10,000 records or more``."""
        return plural(self.records, "record") + ("" if self.exact else " or more")

    @property
    def counted(self) -> dict[str, object]:
        """The same for a JSON document."""
        return {"at_least": self.records, "exact": self.exact}

    def as_json(self) -> dict[str, object]:
        """Return the preview for a JSON document."""
        return {
            "tenants": self.tenants,
            "records": self.counted,
            "cascades": [{"parent": p, "child": c} for p, c in self.cascades],
            "not_served": self.elsewhere,
        }

    def facts(self) -> list[tuple[str, str]]:
        """Return names and values for people."""
        found = [("tenants", ", ".join(self.tenants) or "none"), ("readable now", self.count)]
        for parent, some in groupby(sorted(self.cascades), key=itemgetter(0)):
            children = " and ".join(child for _, child in some)
            found.append(("erases also", f"each {children} derived from {with_article(parent)}"))
        found += [("not served by this process", region) for region in self.elsewhere]
        return found


def tenant_preview(homes: Homes, tenant: str, scope: Scope) -> Preview:
    """Return the preview for one scope of a tenant. Raise what reading raises."""
    if scope.kind is ScopeKind.RECORD:
        record_id = RecordId.parse(scope.value)
        Store(homes).tenant(tenant).explain(record_id)
        return Preview((tenant,), 1, exact=False, cascades=_cascades(homes))
    count = _count(homes, tenant, scope)
    return Preview((tenant,), count, count < _COUNTED, _cascades(homes))


def account_preview(homes: Homes, account: str) -> Preview:
    """Return the preview for all tenants of an account that the regions of this process know.

    Raise the error of a region that does not answer: a part of the preview would mislead.
    """
    known: dict[str, str] = {}
    for name in homes.names:
        with homes.served(name).region.catalog.begin() as connection:
            known |= dict(tenants.of_account(connection, account))
    here = sorted(tenant for tenant, home in known.items() if home in homes.names)
    total = 0
    for tenant in here:
        total += _count(homes, tenant, Scope.tenant(), at_most=_COUNTED - total)
    elsewhere = tuple(sorted({home for home in known.values() if home not in homes.names}))
    return Preview(tuple(here), total, total < _COUNTED, _cascades(homes), elsewhere)


def _count(homes: Homes, tenant: str, scope: Scope, at_most: int = _COUNTED) -> int:
    """Count the readable records of a scope, derived records included, up to ``at_most``."""
    bound, count, after = Store(homes).tenant(tenant), 0, None
    while count < at_most:
        page = bound.list(
            subject=scope.value if scope.kind is ScopeKind.SUBJECT else None,
            group=scope.value if scope.kind is ScopeKind.GROUP else None,
            after=after,
            limit=PAGE,
        )
        count += len(page)
        if len(page) < PAGE:
            break
        after = page[-1].id
    return count


def _cascades(homes: Homes) -> tuple[tuple[str, str], ...]:
    topology = next(iter(homes.regions.values())).region.topology
    return tuple((c.parent.value, c.child.value) for c in topology.cascades)
