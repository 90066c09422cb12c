"""Putting it together: from settings and topology to an opened store. The only place that does."""

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from structlog.typing import FilteringBoundLogger

from regions.backends import BackendSpec
from regions.errors import TopologyProblem
from regions.load import load_topology
from regions.model import Region, SubProcessor, Topology
from storage import embedded
from storage.backends.health import WatchedBackend
from storage.backends.registry import create_storage, open_backend
from storage.catalog import days, pseudonym_keys
from storage.catalog.engine import Catalog
from storage.catalog.objects import ObjectKind
from storage.client.aio import AsyncStore, opened
from storage.client.store import ServedRegion, Store
from storage.clock import CatalogClock, steady
from storage.crypto.pseudonym import Pseudonyms
from storage.crypto.root import LocalRootKeys, create
from storage.errors import (
    BackendFull,
    BackendTimeout,
    BackendUnavailable,
    CatalogUnavailable,
    SettingsError,
    TopologyError,
    WrongRegion,
)
from storage.evidence.keys import key_id
from storage.ledger.guard import AGE, Guard
from storage.ledger.holds import add_pseudonyms
from storage.logs import make_logger
from storage.model import Entropy
from storage.objects.write import Contents, announce
from storage.policy import horizon_wanted
from storage.ports import Backend, Clock, Connector
from storage.processors.registry import open_connector
from storage.processors.signing import derive_key
from storage.region import Limits, OpenRegion
from storage.settings import RegionSettings, Settings, load_settings
from storage.workers.loop import Duty, Worker, duties

_UNHEALTHY = 5.0  # seconds for which a backend that failed is left out of writes
_SENDERS, _FLUSHERS = 16, 8


def make_catalog(region: str, url: str, connections: int) -> Catalog:
    """A region's catalog, with connections of its own."""
    return Catalog(region, url, connections=connections)


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What a process opens regions with; tests bring other dependencies than a service does."""

    catalog: Callable[[str, str, int], Catalog] = make_catalog
    clock: Callable[[Catalog], Clock] = CatalogClock
    backend: Callable[[BackendSpec, Settings], Backend] | None = None
    connector: Callable[[SubProcessor], Connector] | None = None
    limits: Limits = field(default_factory=Limits)
    unhealthy_seconds: float = _UNHEALTHY
    pause: Callable[[float], None] = time.sleep
    entropy: Callable[[int], bytes] = os.urandom
    probing: bool = True  # use every right at opening; not for who must look when one is missing


def topology_of(settings: Settings) -> Topology:
    """The topology that the settings name, or the shipped example. Raises TopologyError."""
    try:
        return load_topology(settings.topology)
    except TopologyProblem as problem:
        raise TopologyError(problem.file, problem.key, problem.reason) from problem


def catalog_urls(settings: Settings) -> dict[str, str]:
    """Where the catalogs are that the settings name. Not for the embedded server."""
    return {name: r.catalog_url.get_secret_value() for name, r in settings.regions.items()}


@contextmanager
def open_store(
    settings: Settings | None = None,
    *,
    dependencies: Dependencies | None = None,
    log: FilteringBoundLogger | None = None,
) -> Iterator[Store]:
    """A store of the regions that the settings name; the embedded default is made if need be.

    Raises ConfigurationError if the configuration is wrong, a catalog is unsafe or of another
    revision, or a backend lacks a right or is not where the topology says.
    """
    settings = settings or load_settings()
    if settings.embedded and not (settings.home / "keys").exists():
        init(settings, dependencies=dependencies)
    dependencies = dependencies or Dependencies()
    log = log or make_logger()
    with ExitStack() as stack:
        regions = stack.enter_context(open_regions(settings, dependencies))
        for region in regions:
            check_catalog(region)
            if guard_catalog(region, log) and dependencies.probing:
                probe(region, log)
        flushers = stack.enter_context(ThreadPoolExecutor(_FLUSHERS, "flush"))
        served = {region.name: ServedRegion.of(region, flushers) for region in regions}
        with Store(served, pause=dependencies.pause, on_close=lambda: None) as store:
            yield store


def open_async_store(
    settings: Settings | None = None,
    *,
    dependencies: Dependencies | None = None,
    log: FilteringBoundLogger | None = None,
) -> AbstractAsyncContextManager[AsyncStore]:
    """``open_store`` for asyncio."""
    return opened(open_store(settings, dependencies=dependencies, log=log))


def worker_of(store: Store, log: FilteringBoundLogger) -> Worker:
    """A worker for all regions of a store."""
    todo: list[Duty] = []
    for served in store.regions.values():
        # what destroys asks in each transaction whether the catalog is a copy
        strict = replace(served.open, catalog=served.open.catalog.strict())
        todo += duties(strict, served.keys, log)
    return Worker(todo, log)


@contextmanager
def open_regions(settings: Settings, dependencies: Dependencies) -> Iterator[list[OpenRegion]]:
    """The regions of the settings, opened but not yet checked."""
    topology = topology_of(settings)
    with ExitStack() as stack:
        places = stack.enter_context(region_settings(settings, topology))
        pool = stack.enter_context(ThreadPoolExecutor(_SENDERS, "send"))
        yield [
            _open(
                stack,
                settings,
                dependencies,
                topology.regions[name],
                topology=topology,
                place=place,
                pool=pool,
            )
            for name, place in places.items()
        ]


@contextmanager
def open_restored(
    settings: Settings, *, dependencies: Dependencies | None = None, only: str | None = None
) -> Iterator[list[OpenRegion]]:
    """Regions whose catalogs may be copies, to be recovered; ``only``: this one.

    Raises WrongRegion if the settings do not have it, and what ``check_catalog`` raises.
    """
    with open_regions(settings, dependencies or Dependencies()) as regions:
        copies = [region for region in regions if only in (None, region.name)]
        if only is not None and not copies:
            served = ", ".join(region.name for region in regions)
            raise WrongRegion(
                f"This process does not serve {only}.", home=only, advice=f"It serves: {served}."
            )
        for copy in copies:
            check_catalog(copy)
        yield copies


@contextmanager
def region_settings(settings: Settings, topology: Topology) -> Iterator[dict[str, RegionSettings]]:
    """Catalog and keys of each region that this process serves. Raises SettingsError."""
    backends = [spec.name for region in topology.regions.values() for spec in region.backends]
    _check_known("regions", settings.regions, topology.regions)
    _check_known("backends", settings.backends, backends)
    if not settings.embedded:
        yield dict(settings.regions)
        return
    url, leave = embedded.start(settings.home / "postgres")
    try:
        yield {
            name: RegionSettings.model_validate(
                {
                    "catalog_url": embedded.with_database(url, name),
                    "keys_file": settings.home / "keys" / f"{name}.toml",
                }
            )
            for name in topology.regions
        }
    finally:
        leave()


def _check_known(what: str, named: Iterable[str], known: Collection[str]) -> None:
    """A misspelt name would leave what is meant without its settings, and nobody would be told."""
    unknown = sorted(set(named) - set(known))
    if unknown:
        raise SettingsError(
            f"The settings name {what} that the topology has not: {', '.join(unknown)}.",
            advice=f"It has: {', '.join(known)}.",
        )


def init(settings: Settings, *, dependencies: Dependencies | None = None) -> list[str]:
    """Bring every region of the settings to life: database, schema, keys, places, partitions.

    Safe to repeat; nothing that exists is replaced. Gives the names of the regions.
    """
    dependencies = dependencies or Dependencies()
    topology = topology_of(settings)
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with region_settings(settings, topology) as places:
        for name, place in places.items():
            _init_region(settings, dependencies, topology, topology.regions[name], place)
    return list(places)


def check_catalog(region: OpenRegion) -> None:
    """That the catalog is safe, fits this code, and is used with these keys.

    Raises CatalogUnsafe, CatalogUnsupported or SettingsError.
    """
    region.catalog.check()
    with region.catalog.begin() as connection:
        pseudonym_keys.check(connection, region.name, region.pseudonyms.checks())


def guard_catalog(region: OpenRegion, log: FilteringBoundLogger) -> bool:
    """From here on nothing goes on if the catalog is a copy. Raises CatalogRestored.

    False: no backend answers, against whose ledger it would be compared. That is done at first use.
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
    """Use each right that storing and deleting need, on every backend, on an announced key.

    A backend that does not answer is no reason not to start; one that refuses is.
    """
    with region.catalog.begin() as connection:
        canary = announce(region, connection, Contents(ObjectKind.CANARY), list(region.backends))
    try:
        for replica in canary.replicas:
            try:
                region.backends[replica.backend].probe(replica.key)
            except (BackendUnavailable, BackendTimeout, BackendFull) as error:
                log.warning("backend_down", backend=replica.backend, error=error.code)
    finally:
        canary.abandon()


def _open(
    stack: ExitStack,
    settings: Settings,
    dependencies: Dependencies,
    region: Region,
    *,
    topology: Topology,
    place: RegionSettings,
    pool: ThreadPoolExecutor,
) -> OpenRegion:
    url = place.catalog_url.get_secret_value()
    catalog = dependencies.catalog(region.name, url, settings.connections)
    stack.callback(catalog.close)
    roots = LocalRootKeys.load(place.keys_file, dependencies.entropy, region=region.name)
    signing = roots.signing_keys()
    make = dependencies.backend or _backend
    backends = {
        spec.name: WatchedBackend(
            make(spec, settings), clock=steady, seconds=dependencies.unhealthy_seconds
        )
        for spec in region.backends
    }
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
    """The ways to all processors, also to one whose agreement has ended: it may have copies."""
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


def _init_region(
    settings: Settings,
    dependencies: Dependencies,
    topology: Topology,
    region: Region,
    place: RegionSettings,
) -> None:
    from storage.catalog import schema  # noqa: PLC0415 - Alembic: no service needs it

    url = place.catalog_url.get_secret_value()
    if settings.embedded:
        server = url.replace(f"/{embedded.database_name(region.name)}?", "/postgres?", 1)
        embedded.ensure_database(server, region.name)
    catalog = Catalog(region.name, url, connections=2)
    try:
        catalog.check_safe()
        with catalog.begin() as connection:
            schema.upgrade(connection)
            new = schema.name_catalog(connection, region.name, uuid4())
            _ensure_keys(place, region.name, dependencies.entropy, new=new)
            roots = LocalRootKeys.load(place.keys_file, dependencies.entropy, region=region.name)
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
    finally:
        catalog.close()


def _ensure_keys(place: RegionSettings, region: str, entropy: Entropy, *, new: bool) -> None:
    """Only a catalog that is new gets new keys: no others open what is stored, or find a subject.

    Before it has its name: after a crash in between, the keys are there for the catalog.
    """
    if place.keys_file.exists():
        return
    if not new:
        raise SettingsError(
            f"The catalog of {region} is in use, but its key file {place.keys_file} is not there.",
            advice="Restore it, or copy it from where the region was made: no other one will do.",
        )
    place.keys_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    create(place.keys_file, entropy, region=region)
