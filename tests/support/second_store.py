"""A second store: for the catalog and the backends it is a second process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from storage.bootstrap import open_store
from storage.catalog.engine import Catalog
from storage.client.store import Store
from storage.dependencies import Dependencies
from storage.ports import Clock
from storage.testing import Domicile


@contextmanager
def second_store(
    domicile: Domicile, clock: Callable[[Catalog], Clock] | None = None
) -> Iterator[Store]:
    """Open another store on the same catalogs and backends, perhaps with a clock of its own."""
    dependencies = Dependencies(
        clock=clock or (lambda _: domicile.clock),
        backend=domicile._backend,
        connector=domicile._connector,
        limits=domicile.limits,
        unhealthy_seconds=0.0,
        sleep=domicile.clock.sleep,
    )
    with open_store(
        domicile.settings,
        require=domicile.settings.regions,
        dependencies=dependencies,
        log=structlog.get_logger(),
    ) as store:
        yield store
