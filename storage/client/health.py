"""Whether this process can serve its regions now: their catalogs, their backends, their postures.

The catalogs are asked, the backends are not: what calls have found in the last seconds counts.
"""

from collections.abc import Sequence
from typing import Final

from regions.backends import BackendSpec
from storage.catalog import watch
from storage.catalog.times import Times
from storage.client.homes import REGIONAL, Homes
from storage.model import BackendHealth, RegionHealth, StoreHealth
from storage.region import OpenRegion

_ASK: Final = Times(lock=1, statement=2, idle=5)


def store_health(homes: Homes) -> StoreHealth:
    """Return the health of all regions."""
    return StoreHealth({name: region_health(homes, name) for name in homes.names})


def region_health(homes: Homes, name: str) -> RegionHealth:
    """Return the health of a region. Raises WrongRegion if this process does not serve it.

    One that is not open is opened, if it is time to try again.
    """
    try:
        region = homes.served(name).region
        with region.catalog.within(_ASK).begin() as connection:
            watch.ask(connection)
        closed = region.postures.closed()
    except REGIONAL as error:
        return RegionHealth(name, error.code)
    lawful = region.lawful()
    backends = {
        spec.name: BackendHealth(
            spec.name, not region.backends[spec.name].unhealthy, closed.get(spec.name)
        )
        for spec in region.region.backends
    }
    usable = {name for name in lawful if backends[name].usable}
    return RegionHealth(name, None, tuple(backends.values()), short=_short(region, usable))


def _short(region: OpenRegion, usable: set[str]) -> bool:
    groups = region.region.groups()
    shared = groups.pop(None)

    def fits(group: Sequence[BackendSpec]) -> bool:
        return sum(spec.name in usable for spec in group) >= region.region.required

    return not any(map(fits, [shared] if shared else groups.values()))
