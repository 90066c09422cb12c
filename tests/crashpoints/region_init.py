"""The initialization of a region, ended at each effect: another ``init`` completes it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count

from storage.bootstrap import open_store
from storage.dependencies import Dependencies
from storage.errors import ConfigurationError, Unavailable
from storage.initialize import init
from storage.model import DataClass, Purpose
from storage.settings import RegionSettings, Settings
from storage.testing import SERVICE, FakeClock
from tests.crashpoints.effects import Crash, Moment, Tape, taped_engines, taped_files
from tests.crashpoints.ground import HOME, Ground
from tests.crashpoints.stage import MORNING, tenant_spec
from tests.support.stories.cluster import quiet

_NUMBERS = count(1000)


def find_moments(ground: Ground) -> tuple[Moment, ...]:
    """Return what ``init`` does to a new region."""
    tape = Tape()
    with _unborn(ground) as settings:
        _init(settings, tape)
    return tuple(tape.moments)


def try_point(ground: Ground, number: int) -> None:
    """End ``init`` there, and run it again. Raises AssertionError if the region is not whole."""
    tape = Tape(stop=number)
    with _unborn(ground) as settings:
        with suppress(Crash):
            _init(settings, tape)
        assert tape.dead, "it has not come so far"
        with suppress(ConfigurationError, Unavailable):  # it may already be complete enough
            _use(settings)
        _init(settings, Tape())
        _use(settings)


def _init(settings: Settings, tape: Tape) -> None:
    with taped_engines(tape), taped_files(settings.home, tape), tape.record():
        init(settings, dependencies=Dependencies(clock=lambda _: FakeClock(MORNING)))


def _use(settings: Settings) -> None:
    """Store and read a record. An incomplete region refuses both."""
    dependencies = Dependencies(clock=lambda _: FakeClock(MORNING), unhealthy_seconds=0.0)
    with open_store(settings, dependencies=dependencies, log=quiet()) as store:
        store.admin.tenants.ensure(tenant_spec())
        t = store.tenant(tenant_spec().id).bind(SERVICE)
        put = t.put(DataClass.PROMPT, b"mine")
        assert t.get(put.id, purpose=Purpose.SERVE).body == b"mine"


@contextmanager
def _unborn(ground: Ground) -> Iterator[Settings]:
    """Return settings of a region that has nothing but an empty database."""
    number = next(_NUMBERS)
    url = ground.server._create(number)[HOME]
    home = ground.server.directory / f"home{number}"
    given = RegionSettings(catalog_url=url, keys_file=home / "keys" / f"{HOME}.toml")
    yield Settings(home=home, topology=ground.settings.topology, regions={HOME: given})
