"""The composition root: from settings and a topology to an open store.

The only module that picks implementations of the ports.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import partial

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from structlog.typing import FilteringBoundLogger

from regions.backends import BackendSpec
from regions.model import Region, SubProcessor, Topology
from storage import embedded
from storage.backends.health import WatchedBackend
from storage.backends.registry import open_backend
from storage.catalog.times import UNLIMITED
from storage.checks import check_catalog, guard_catalog, probe, recognize, see_topology
from storage.client.aio.store import AsyncStore, open_in_thread
from storage.client.homes import Homes
from storage.client.regions import Opener, ServedRegion, ServedRegions, not_served
from storage.client.store import Store
from storage.clock import steady
from storage.crypto.log import log_key
from storage.crypto.pseudonym import Pseudonyms
from storage.dependencies import Dependencies
from storage.errors import DomicileError, RegionNotRoutable, Unavailable
from storage.evidence.keys import key_id
from storage.initialize import init
from storage.keys import load_keys, open_keys
from storage.logs import make_logger
from storage.meters import Meters, NoMeters
from storage.pool import Pool
from storage.ports import Backend, Clock, Connector
from storage.postures import Postures
from storage.processors.registry import open_connector
from storage.processors.signing import derive_key
from storage.region import Backends, OpenRegion
from storage.sessions import Session
from storage.settings import (
    RegionSettings,
    Settings,
    load_settings,
    region_settings,
    topology_of,
)
from storage.witnesses.http import HttpWitness
from storage.workers.loop import Duty, Worker, duties

_SENDERS, _FLUSHERS = 16, 8
_READERS = 256  # reads that may wait for a replica while there is another


@contextmanager
def open_store(
    settings: Settings | None = None,
    *,
    require: Collection[str] = (),
    meters: Meters | None = None,
    dependencies: Dependencies | None = None,
    log: FilteringBoundLogger | None = None,
) -> Iterator[Store]:
    """Open a store of the regions in ``settings``; without settings, those of the environment.

    Use it as a context manager: the store is closed at the end of the block. If no region is set,
    the store uses an embedded PostgreSQL and local directories, and creates them at the first use.

    A region that does not open does not keep the others from being served. It is tried again when
    it is used, at most every 5 seconds; until it opens, calls for its tenants raise its error.

    ``meters`` counts calls and flushes: ``Instruments`` of ``storage.watching`` gives them to
    OpenTelemetry.

    Raises the error of a region of ``require`` that does not open, and the first error if no region
    opens: ConfigurationError if the settings or the topology are wrong, a catalog is unsafe or has
    an unsupported revision, or a backend lacks a right or is not where the topology says.
    """
    dependencies = dependencies or Dependencies()
    if meters is not None:
        dependencies = replace(dependencies, meters=meters)
    with (
        open_homes(settings, require=require, dependencies=dependencies, log=log) as homes,
        Store(homes, sleep=dependencies.sleep) as store,
    ):
        yield store


@contextmanager
def open_homes(
    settings: Settings | None = None,
    *,
    require: Collection[str] = (),
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
        openings = stack.enter_context(_openings(settings, dependencies))
        closing = stack.enter_context(ExitStack())
        flushers = stack.enter_context(Pool(_FLUSHERS, "flush"))
        openers = {
            name: _opener(name, opening, flushers, log=log, dependencies=dependencies)
            for name, opening in openings.items()
        }
        regions = ServedRegions(openers, closing, clock=steady, seconds=dependencies.reopen_seconds)
        homes = Homes(regions)
        stack.callback(homes.close)
        homes.open_all(require)
        yield homes


def _opener(
    name: str,
    opening: "Opening",
    flushers: Pool,
    *,
    log: FilteringBoundLogger,
    dependencies: Dependencies,
) -> Opener:
    """Return what opens a region, checks it and logs its error. An unexpected one is Unavailable.

    So it ends no process that serves other regions too.
    """

    def opened(stack: ExitStack) -> ServedRegion:
        try:
            region = opening(stack)
            check_catalog(region)
            compared = guard_catalog(region, log)
            see_topology(region, noting=dependencies.probing)
            if compared and dependencies.probing:
                probe(region, log)
            elif compared:
                recognize(region)
        except DomicileError as error:
            expected = isinstance(error, RegionNotRoutable)  # its stage says so: nothing is wrong
            tell = log.info if expected else log.warning
            tell("region_not_opened", region=name, error=error.code, reason=error.message)
            raise
        except Exception as error:
            log.exception("region_not_opened", region=name, error=type(error).__name__)
            raise Unavailable(
                f"{name} was not opened: {type(error).__name__}.",
                advice="See the log, and: domicile doctor",
            ) from error
        return ServedRegion.of(region, flushers, dependencies.sleep)

    return opened


def open_async_store(
    settings: Settings | None = None,
    *,
    require: Collection[str] = (),
    meters: Meters | None = None,
    dependencies: Dependencies | None = None,
    log: FilteringBoundLogger | None = None,
) -> AbstractAsyncContextManager[AsyncStore]:
    """Open a store for asyncio. See ``open_store``."""
    return open_in_thread(
        open_store(settings, require=require, meters=meters, dependencies=dependencies, log=log)
    )


def worker_of(homes: Homes, log: FilteringBoundLogger, meters: Meters | None = None) -> Worker:
    """Return a worker for all served regions, also for those that are not open yet."""
    made: dict[str, list[Duty]] = {}

    def todo(name: str) -> list[Duty]:
        if name not in made:
            served = homes.served(name)
            # a duty destroys, so each of its transactions checks that the catalog was not restored
            strict = replace(served.region, catalog=served.region.catalog.strict())
            made[name] = duties(strict, served.keys, log)
        return made[name]

    todos = {name: partial(todo, name) for name in homes.names}
    return Worker(todos, log, meters=meters or NoMeters())


@contextmanager
def open_regions(
    settings: Settings, dependencies: Dependencies, *, only: str | None = None
) -> Iterator[list[OpenRegion]]:
    """Open the regions of the settings, without a check of their catalogs and backends.

    ``only`` picks one. Raises WrongRegion if the settings do not have it.
    """
    with _openings(settings, dependencies) as openings, ExitStack() as stack:
        if only is not None and only not in openings:
            raise not_served(only, openings)
        yield [openings[name](stack) for name in openings if only in (None, name)]


@contextmanager
def open_restored(
    settings: Settings, *, dependencies: Dependencies | None = None, only: str | None = None
) -> Iterator[list[OpenRegion]]:
    """Open regions whose catalogs may have been restored, to recover them; ``only`` picks one.

    Raises WrongRegion if the settings do not have it, and what ``check_catalog`` raises.
    """
    with open_regions(settings, dependencies or Dependencies(), only=only) as regions:
        chosen = [replace(region, catalog=region.catalog.within(UNLIMITED)) for region in regions]
        for region in chosen:
            check_catalog(region)
        yield chosen


def _init_embedded(settings: Settings, dependencies: Dependencies) -> None:
    """Wait for an ``init`` of another process; run one if there was none."""
    running = settings.home / "init.lock"
    if running.exists():
        with embedded.turn(running):
            pass
    if not (settings.home / "keys").exists():
        init(settings, dependencies=dependencies)


Opening = Callable[[ExitStack], OpenRegion]
"""Opens one region, without a check, and leaves what closes it on the stack."""


@contextmanager
def _openings(settings: Settings, dependencies: Dependencies) -> Iterator[dict[str, Opening]]:
    """Yield what opens each region of the settings."""
    topology = topology_of(settings)
    with (
        region_settings(settings, topology) as own,
        Pool(_SENDERS, "send") as pool,
        Pool(_READERS, "read") as readers,
    ):

        def opening(name: str) -> Opening:
            return lambda stack: _open(
                stack,
                settings,
                dependencies,
                topology.regions[name],
                topology=topology,
                own=own[name],
                pool=pool,
                readers=readers,
            )

        yield {name: opening(name) for name in own}


def _open(
    stack: ExitStack,
    settings: Settings,
    dependencies: Dependencies,
    region: Region,
    *,
    topology: Topology,
    own: RegionSettings,
    pool: Pool,
    readers: Pool,
) -> OpenRegion:
    url = own.catalog_url.get_secret_value()
    catalog = dependencies.catalog(region, url, settings.connections)
    stack.callback(catalog.close)
    file = load_keys(own, dependencies.entropy, region=region.name)
    signing = file.signing_keys()
    backends = _open_backends(stack, settings, dependencies, region)
    clock = dependencies.clock(catalog)
    connectors = _connectors(topology, signing[max(signing)], dependencies, clock)
    postures = Postures(
        catalog,
        backends,
        region.backends,
        clock,
        pool,
        local=steady,
        pause=dependencies.unhealthy_seconds,
    )
    return OpenRegion(
        topology,
        region,
        catalog,
        Session(steady),
        backends,
        postures,
        connectors,
        [HttpWitness(spec, clock=clock) for spec in region.witnesses],
        open_keys(
            stack,
            own,
            file,
            region,
            catalog,
            clock=clock,
            topology=topology,
            directory=settings.topology,
        ),
        Pseudonyms(file.pseudonym_keys()),
        signing[max(signing)],
        tuple(log_key(signing[version]) for version in sorted(signing, reverse=True)),
        clock,
        dependencies.entropy,
        pool,
        readers,
        dependencies.limits,
        dependencies.meters,
    )


def _open_backends(
    stack: ExitStack, settings: Settings, dependencies: Dependencies, region: Region
) -> Backends:
    make = dependencies.backend or _backend
    backends = Backends()
    for spec in region.backends:
        backends[spec.name] = WatchedBackend(
            make(spec, settings),
            clock=steady,
            seconds=dependencies.unhealthy_seconds,
            failed=partial(dependencies.meters.backend_failed, region.name),
        )
    for backend in backends.values():
        stack.callback(backend.close)
    return backends


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
