"""Provisioning a declared region, ended at each effect: another process completes it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import select, text

from storage.bootstrap import open_regions, open_store
from storage.catalog import tables as t
from storage.dependencies import Dependencies
from storage.errors import CatalogUnsupported, DomicileError
from storage.migrating.scaffold import add_region, new_topology
from storage.model import DataClass, Purpose
from storage.provisioning import provision
from storage.settings import RegionSettings, Settings
from storage.testing import SERVICE, FakeClock
from tests.crashpoints.effects import Crash, Moment, Tape, taped_engines, taped_files
from tests.crashpoints.ground import HOME, Ground
from tests.crashpoints.stage import MORNING, tenant_spec
from tests.support.catalogs.databases import opened
from tests.support.declared import COMMON, NEW, WHOLE
from tests.support.stories.cluster import quiet

_NUMBERS = count(2000)
_TRIED = 2  # canaries: one for each right, one as a control
_BACKENDS = "".join(
    f'\n[[backends]]\nname = "west-{name}"\nkind = "directory"\n'
    f'sub_processor = "{company}"\npath = "west-{name}"\n'
    for name, company in (("a", "lindenhost"), ("b", "meerspeicher"))
)


def find_moments(ground: Ground) -> tuple[Moment, ...]:
    """Return what provisioning does to a region that is only declared."""
    tape = Tape()
    with _declared(ground) as settings:
        _provision(settings, tape)
    return tuple(tape.moments)


def try_point(ground: Ground, number: int) -> None:
    """End it there, and run it again. Raises AssertionError if the region is not whole."""
    tape = Tape(stop=number)
    with _declared(ground) as settings:
        with suppress(Crash):
            _provision(settings, tape)
        assert tape.dead, "it has not come so far"
        tried = _canaries(settings)
        if _is_used(settings):
            assert _stages(settings) == WHOLE, "services use a region that is not declared ready"
            assert tried == _TRIED, "services use a region that was not tried out"
        _provision(settings, Tape())
        assert _stages(settings) == WHOLE
        assert _is_used(settings), "services cannot use the region"
        _no_byte_without_a_row(settings)


def _provision(settings: Settings, tape: Tape) -> None:
    with taped_engines(tape), taped_files(settings.home, tape), tape.record():
        list(provision(settings, NEW, dependencies=_means()))


def _means() -> Dependencies:
    return Dependencies(clock=lambda _: FakeClock(MORNING), unhealthy_seconds=0.0)


def _is_used(settings: Settings) -> bool:
    """Store and read a record, if the region lets a service in."""
    try:
        with open_store(settings, require=[NEW], dependencies=_means(), log=quiet()) as store:
            spec = replace(tenant_spec(), home=NEW)
            store.admin.tenants.ensure(spec)
            put = store.tenant(spec.id).put(DataClass.PROMPT, b"mine")
            return (
                store.tenant(spec.id).bind(SERVICE).get(put.id, purpose=Purpose.SERVE).body
                == b"mine"
            )
    except DomicileError:
        return False


def _stages(settings: Settings) -> list[str]:
    url = settings.regions[NEW].catalog_url.get_secret_value()
    with opened(NEW, url) as connection:
        return list(connection.scalars(text("SELECT stage FROM region_stage ORDER BY number")))


def _canaries(settings: Settings) -> int:
    """Return how many objects were tried out. 0: there is no catalog yet, too."""
    url = settings.regions[NEW].catalog_url.get_secret_value()
    with suppress(CatalogUnsupported), opened(NEW, url) as connection:
        query = "SELECT count(*) FROM object WHERE kind = 'canary' AND state <> 'writing'"
        return connection.scalar(text(query)) or 0
    return 0


def _no_byte_without_a_row(settings: Settings) -> None:
    with open_regions(settings, _means(), only=NEW) as (region,), region.catalog.begin() as found:
        known = set(found.scalars(select(t.replica.c.key)))
        for name, backend in region.backends.items():
            unknown = {item.key for item in backend.scan()} - known
            assert not unknown, f"{name} has {unknown}, and no row knows it"


@contextmanager
def _declared(ground: Ground) -> Iterator[Settings]:
    """Return settings of a region that a revision declares, with an empty database."""
    url = ground.server._create(next(_NUMBERS))[HOME]
    with TemporaryDirectory() as folder:
        path = Path(folder)
        new_topology(path / "topology")
        add_region(path / "topology", NEW, COMMON + _BACKENDS)
        given = RegionSettings(catalog_url=url, keys_file=path / "home" / "keys" / NEW)
        yield Settings(home=path / "home", topology=path / "topology", regions={NEW: given})
