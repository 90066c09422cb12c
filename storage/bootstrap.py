"""The composition root: from settings and a topology to an open store.

The only module that picks implementations of the ports.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from structlog.typing import FilteringBoundLogger

from regions.backends import BackendSpec
from regions.model import Region, SubProcessor, Topology
from storage import embedded
from storage.backends.health import WatchedBackend
from storage.backends.registry import create_storage, open_backend
from storage.catalog import days, departures, pseudonym_keys
from storage.catalog.engine import Catalog
from storage.catalog.times import UNLIMITED
from storage.client.aio.store import AsyncStore, open_in_thread
from storage.client.homes import Homes, ServedRegion, not_served
from storage.client.store import Store
from storage.clock import CatalogClock, steady
from storage.crypto.pseudonym import Pseudonyms
from storage.crypto.root import LocalRootKeys, create
from storage.errors import (
    CatalogUnavailable,
    SettingsError,
)
from storage.evidence.keys import key_id
from storage.ledger.guard import AGE, Guard
from storage.ledger.holds import add_pseudonyms
from storage.logs import make_logger
from storage.model import Entropy
from storage.objects.rights import try_rights
from storage.policy import horizon_wanted
from storage.ports import Backend, Clock, Connector
from storage.processors.registry import open_connector
from storage.processors.signing import derive_key
from storage.region import Backends, Limits, OpenRegion, Pool
from storage.settings import (
    RegionSettings,
    Settings,
    load_settings,
    region_settings,
    topology_of,
)
from storage.workers.loop import Duty, Worker, duties

_UNHEALTHY = 5.0  # seconds for which writes avoid a backend that failed
_SENDERS, _FLUSHERS = 16, 8


def make_catalog(region: Region, url: str, connections: int) -> Catalog:
    """Return a region's catalog with its own connection pool."""
    return Catalog(region.name, url, connections=connections, hosts=region.catalog.hosts)


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The implementations with which a process opens regions. Tests pass their own.

    With ``probing``, opening uses every right on every backend, and fails if one is missing.
    Commands that read, erase or purge do without: they must work while one backend refuses.
    """

    catalog: Callable[[Region, str, int], Catalog] = make_catalog
    clock: Callable[[Catalog], Clock] = CatalogClock
    backend: Callable[[BackendSpec, Settings], Backend] | None = None
    connector: Callable[[SubProcessor], Connector] | None = None
    limits: Limits = field(default_factory=Limits)
    unhealthy_seconds: float = _UNHEALTHY
    sleep: Callable[[float], None] = time.sleep
    entropy: Callable[[int], bytes] = os.urandom
    probing: bool = True


@contextmanager
def open_store(
    settings: Settings | None = None,
    *,
    dependencies: Dependencies | None = None,
    log: FilteringBoundLogger | None = None,
) -> Iterator[Store]:
    """Open a store of the regions in ``settings``; without settings, those of the environment.

    Use it as a context manager: the store is closed at the end of the block. If no region is set,
    the store uses an embedded PostgreSQL and local directories, and creates them at the first use.

    Raises ConfigurationError if the settings or the topology are wrong, a catalog is unsafe or has
    an unsupported revision, or a backend lacks a right or is not where the topology says.
    """
    dependencies = dependencies or Dependencies()
    with (
        open_homes(settings, dependencies=dependencies, log=log) as homes,
        Store(homes, sleep=dependencies.sleep) as store,
    ):
        yield store


@contextmanager
def open_homes(
    settings: Settings | None = None,
    *,
    dependencies: Dependencies | None = None,
    log: FilteringBoundLogger | None = None,
) -> Iterator[Homes]:
    """Open the regions that a store serves. Workers and commands need more than ``Store`` shows.

    Raises what ``open_store`` raises.
    """
    settings = settings or load_settings()
    dependencies = dependencies or Dependencies()
    log = log or make_logger()
    if settings.embedded and dependencies.probing:
        _init_embedded(settings, dependencies)
    with ExitStack() as stack:
        regions = stack.enter_context(open_regions(settings, dependencies))
        for region in regions:
            check_catalog(region)
            if guard_catalog(region, log) and dependencies.probing:
                probe(region, log)
        flushers = stack.enter_context(Pool(_FLUSHERS, "flush"))
        homes = Homes({region.name: ServedRegion.of(region, flushers) for region in regions})
        stack.callback(homes.close)
        yield homes


def open_async_store(
    settings: Settings | None = None,
    *,
    dependencies: Dependencies | None = None,
    log: FilteringBoundLogger | None = None,
) -> AbstractAsyncContextManager[AsyncStore]:
    """Open a store for asyncio. See ``open_store``."""
    return open_in_thread(open_store(settings, dependencies=dependencies, log=log))


def worker_of(homes: Homes, log: FilteringBoundLogger) -> Worker:
    """Return a worker for all served regions."""
    todo: list[Duty] = []
    for served in homes.regions.values():
        # a duty destroys, so each of its transactions checks that the catalog was not restored
        strict = replace(served.region, catalog=served.region.catalog.strict())
        todo += duties(strict, served.keys, log)
    return Worker(todo, log)


@contextmanager
def open_regions(settings: Settings, dependencies: Dependencies) -> Iterator[list[OpenRegion]]:
    """Open the regions of the settings, without a check of their catalogs and backends."""
    topology = topology_of(settings)
    with ExitStack() as stack:
        own = stack.enter_context(region_settings(settings, topology))
        pool = stack.enter_context(Pool(_SENDERS, "send"))
        yield [
            _open(
                stack,
                settings,
                dependencies,
                topology.regions[name],
                topology=topology,
                own=own[name],
                pool=pool,
            )
            for name in own
        ]


@contextmanager
def open_restored(
    settings: Settings, *, dependencies: Dependencies | None = None, only: str | None = None
) -> Iterator[list[OpenRegion]]:
    """Open regions whose catalogs may have been restored, to recover them; ``only`` picks one.

    Raises WrongRegion if the settings do not have it, and what ``check_catalog`` raises.
    """
    with open_regions(settings, dependencies or Dependencies()) as regions:
        by_name = {region.name: region for region in regions}
        if only is not None and only not in by_name:
            raise not_served(only, by_name)
        chosen = [
            replace(region, catalog=region.catalog.within(UNLIMITED))
            for region in regions
            if only in (None, region.name)
        ]
        for region in chosen:
            check_catalog(region)
        yield chosen


def init(settings: Settings, *, dependencies: Dependencies | None = None) -> dict[str, Path | None]:
    """Create what each region of the settings needs: database, schema, keys, storage, partitions.

    Safe to repeat: nothing that exists is replaced. Return the regions by name, each with its key
    file if that was created now.
    """
    dependencies = dependencies or Dependencies()
    topology = topology_of(settings)
    _make_home(settings.home)
    with (
        embedded.turn(settings.home / "init.lock"),
        region_settings(settings, topology, create=True) as regions,
    ):
        return {
            name: _init_region(settings, dependencies, topology, topology.regions[name], own)
            for name, own in regions.items()
        }


def _init_embedded(settings: Settings, dependencies: Dependencies) -> None:
    """Wait for an ``init`` of another process; run one if there was none."""
    running = settings.home / "init.lock"
    if running.exists():
        with embedded.turn(running):
            pass
    if not (settings.home / "keys").exists():
        init(settings, dependencies=dependencies)


def check_catalog(region: OpenRegion) -> None:
    """Check that the catalog is safe, and fits this code, these keys and this topology.

    Raises CatalogUnsafe, CatalogUnsupported, SettingsError or BackendUndeclared.
    """
    region.catalog.check()
    with region.catalog.begin() as connection:
        pseudonym_keys.check(connection, region.name, region.pseudonyms.checks())
        departures.check(connection, region.name, list(region.backends))


def guard_catalog(region: OpenRegion, log: FilteringBoundLogger) -> bool:
    """Compare the catalog with the ledger, now and from here on. Raises CatalogRestored.

    Return False if no backend with the ledger answers: the first use of the catalog then compares.
    """
    region.catalog.watch(Guard(region), steady, AGE)
    try:
        with region.catalog.begin():
            pass
    except CatalogUnavailable as error:
        log.warning("catalog_not_compared", region=region.name, error=error.code)
        return False
    return True


def probe(region: OpenRegion, log: FilteringBoundLogger) -> None:
    """Use each right that storing and deleting need, with an announced key.

    Only on backends that take bytes today: nothing new goes to the others. One that does not answer
    is logged. Raises the error of one that refuses.
    """
    for error in try_rights(region):
        log.warning("backend_down", backend=error.backend, error=error.code)


def _open(
    stack: ExitStack,
    settings: Settings,
    dependencies: Dependencies,
    region: Region,
    *,
    topology: Topology,
    own: RegionSettings,
    pool: Pool,
) -> OpenRegion:
    url = own.catalog_url.get_secret_value()
    catalog = dependencies.catalog(region, url, settings.connections)
    stack.callback(catalog.close)
    roots = LocalRootKeys.load(own.keys_file, dependencies.entropy, region=region.name)
    signing = roots.signing_keys()
    make = dependencies.backend or _backend
    backends = Backends()
    for spec in region.backends:
        backends[spec.name] = WatchedBackend(
            make(spec, settings), clock=steady, seconds=dependencies.unhealthy_seconds
        )
    for backend in backends.values():
        stack.callback(backend.close)
    clock = dependencies.clock(catalog)
    connectors = _connectors(topology, signing[max(signing)], dependencies, clock)
    return OpenRegion(
        topology,
        region,
        catalog,
        backends,
        connectors,
        roots,
        Pseudonyms(roots.pseudonym_keys()),
        signing[max(signing)],
        clock,
        dependencies.entropy,
        pool,
        dependencies.limits,
    )


def _connectors(
    topology: Topology, signing: Ed25519PrivateKey, dependencies: Dependencies, clock: Clock
) -> dict[str, Connector]:
    """Connect to all processors, also one whose agreement has ended: it may still have copies."""
    key = derive_key(signing)
    kid = key_id(key.public_key())

    def make(company: SubProcessor) -> Connector:
        if dependencies.connector is not None:
            return dependencies.connector(company)
        return open_connector(company, key=key, kid=kid, clock=clock, entropy=dependencies.entropy)

    companies = topology.sub_processors.values()
    return {company.name: make(company) for company in companies if company.connector is not None}


def _backend(spec: BackendSpec, settings: Settings) -> Backend:
    credentials = settings.backends.get(spec.name)
    return open_backend(spec, data_dir=settings.home, credentials=credentials)


def _make_home(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SettingsError(
            f"DOMICILE_HOME {home} cannot be made a directory: {error.strerror}.",
            advice="Set it to a directory that the user who runs Domicile may create and write.",
        ) from error


def _init_region(
    settings: Settings,
    dependencies: Dependencies,
    topology: Topology,
    region: Region,
    own: RegionSettings,
) -> Path | None:
    from storage.catalog import schema  # noqa: PLC0415 - Alembic: no service needs it

    url = own.catalog_url.get_secret_value()
    if settings.embedded:
        server = url.replace(f"/{embedded.database_name(region.name)}?", "/postgres?", 1)
        embedded.ensure_database(server, region.name)
    catalog = make_catalog(region, url, 2).within(UNLIMITED)
    try:
        catalog.check_safe()
        with catalog.begin() as connection:
            schema.upgrade(connection)
            new = schema.name_catalog(connection, region.name, uuid4())
            made = _ensure_keys(own, region.name, dependencies.entropy, new=new)
            roots = LocalRootKeys.load(own.keys_file, dependencies.entropy, region=region.name)
            names = Pseudonyms(roots.pseudonym_keys())
            pseudonym_keys.register(connection, region.name, names.checks())
            add_pseudonyms(connection, roots, names)
        catalog.check()
        for spec in region.backends:
            create_storage(spec, data_dir=settings.home)
        today = dependencies.clock(catalog).now().date()
        until = horizon_wanted(topology, today)
        with catalog.begin() as connection:
            days.lock_making(connection)
            ahead = range(1, (until - today).days + 1)
            days.make(connection, [today + timedelta(days=n) for n in ahead])
        return made
    finally:
        catalog.close()


def _ensure_keys(own: RegionSettings, region: str, entropy: Entropy, *, new: bool) -> Path | None:
    """Create root keys for a ``new`` catalog, and return their file; None if it exists.

    Raises SettingsError if the keys of a used catalog are gone.
    The transaction that names the catalog is still open: after a crash in between, the keys exist
    and the next ``init`` uses them.
    """
    if own.keys_file.exists():
        return None
    if not new:
        raise SettingsError(
            f"The catalog of {region} is in use, but its key file {own.keys_file} is missing.",
            advice="Restore the file, or copy it from where init created the region. "
            "New keys cannot open what is stored.",
        )
    own.keys_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    create(own.keys_file, entropy, region=region)
    return own.keys_file
