"""Opening the store that the settings name, for a command."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from storage.bootstrap import open_homes
from storage.catalog.engine import Catalog
from storage.cli.options import check_region
from storage.cli.progress import busy
from storage.client.homes import Homes
from storage.client.store import Store
from storage.dependencies import Dependencies, make_catalog
from storage.logs import make_logger
from storage.meters import Meters, NoMeters
from storage.settings import RegionSettings, load_settings, region_settings, topology_of


@contextmanager
def opened(*, probing: bool = False) -> Iterator[Store]:
    """Open the store of the regions that this process serves. Its log goes to stderr.

    With ``probing`` it opens only if it has every right on every backend. Commands that read,
    erase or purge do without: they must work while a right is missing on one backend.
    """
    with opened_homes(probing=probing) as homes:
        yield Store(homes)


@contextmanager
def opened_homes(*, probing: bool = False, meters: Meters | None = None) -> Iterator[Homes]:
    """Open the regions themselves, which a store does not show. Like ``opened`` otherwise."""
    log = make_logger(least=logging.WARNING)  # that a region is not ready yet is no news here
    dependencies = Dependencies(probing=probing, meters=meters or NoMeters())
    with ExitStack() as stack:
        with busy("Opening..."):
            homes = stack.enter_context(open_homes(dependencies=dependencies, log=log))
        yield homes


@contextmanager
def settings_of(region: str) -> Iterator[RegionSettings]:
    """Yield the settings of one region. Raise WrongRegion if this process does not serve it."""
    settings = load_settings()
    with region_settings(settings, topology_of(settings)) as regions:
        check_region(region, regions)
        yield regions[region]


def catalog_of(region: str, own: RegionSettings) -> Catalog:
    """Return the catalog of a region without its backends. The caller closes it."""
    spec = topology_of(load_settings()).regions[region]
    return make_catalog(spec, own.catalog_url.get_secret_value(), 1)


def chosen_regions(homes: Homes, region: str | None) -> list[str]:
    """Return the region asked for, or all that this process serves. Raise WrongRegion."""
    if region is None:
        return list(homes.names)
    check_region(region, homes.names)
    return [region]
