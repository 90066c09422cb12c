"""Create what regions need: database, schema, keys, storage, partitions."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Connection

from regions.model import Topology
from storage import embedded
from storage.backends.registry import create_storage
from storage.catalog import (
    days,
    dedications,
    departures,
    log,
    pseudonym_keys,
    stages,
    storages,
    topologies,
)
from storage.catalog.engine import Catalog, revision
from storage.catalog.times import UNLIMITED
from storage.crypto.pseudonym import Pseudonyms
from storage.crypto.root import ensure
from storage.dependencies import Dependencies, make_catalog
from storage.errors import DomicileError
from storage.keys import load_keys, open_keys, sections
from storage.ledger import sealed_names
from storage.policy import Stage, horizon_wanted
from storage.settings import (
    RegionSettings,
    Settings,
    make_home,
    region_settings,
    revisions_of,
    topology_of,
)


@dataclass(frozen=True, slots=True)
class Ready:
    """A region after ``init``: the key file that it created, and the migration that waits.

    ``stage``: None if no revision declares the region. ``nameless``: the holds and statements that
    a new pseudonym key passed over, since what they have as a sealed name is none.
    """

    created: Path | None
    waiting: str | None
    stage: Stage | None = None
    nameless: tuple[str, ...] = ()


def init(
    settings: Settings, *, dependencies: Dependencies | None = None, through: str | None = None
) -> dict[str, Ready]:
    """Create what each region of the settings needs: database, schema, keys, storage, partitions.

    Safe to repeat: nothing that exists is replaced. Catalogs are migrated as far as older code can
    use them; ``through``: at least to this revision. Return the regions by name.

    Raises the first error of a region, after the last region: one that fails keeps no other from
    being made.
    """
    ready: dict[str, Ready] = {}
    failed: list[DomicileError] = []
    for name, result in init_each(settings, dependencies=dependencies, through=through):
        if isinstance(result, DomicileError):
            failed.append(result)
        else:
            ready[name] = result
    if failed:
        raise failed[0]
    return ready


def init_each(
    settings: Settings,
    *,
    dependencies: Dependencies | None = None,
    through: str | None = None,
    only: str | None = None,
) -> Iterator[tuple[str, Ready | DomicileError]]:
    """Do the same, and yield each region's result as it comes, its error if it failed.

    ``only`` picks one region.
    """
    dependencies = dependencies or Dependencies()
    topology = topology_of(settings)
    make_home(settings.home)
    with (
        embedded.turn(settings.home / "init.lock"),
        region_settings(settings, topology, create=True) as regions,
    ):
        for name, own in regions.items():
            if only not in (None, name):
                continue
            try:
                yield name, _region(settings, dependencies, topology, name, own, through=through)
            except DomicileError as error:
                yield name, error


def _region(
    settings: Settings,
    dependencies: Dependencies,
    topology: Topology,
    name: str,
    own: RegionSettings,
    *,
    through: str | None,
) -> Ready:
    url = own.catalog_url.get_secret_value()
    if settings.embedded:
        server = url.replace(f"/{embedded.database_name(name)}?", "/postgres?", 1)
        embedded.ensure_database(server, name)
    catalog = make_catalog(topology.regions[name], url, 2).within(UNLIMITED)
    try:
        ready = _catalog_and_keys(catalog, topology, settings, own, dependencies, through=through)
        catalog.check()
        _see(catalog, topology, dependencies)
        if dependencies.backend is None:
            _storage(catalog, topology, settings)
    finally:
        catalog.close()
    return ready


def _catalog_and_keys(
    catalog: Catalog,
    topology: Topology,
    settings: Settings,
    own: RegionSettings,
    dependencies: Dependencies,
    *,
    through: str | None,
) -> Ready:
    """Migrate the catalog and create the key file, in one transaction."""
    from storage.catalog import schema  # noqa: PLC0415 - Alembic: no service needs it

    name, file, revisions = catalog.region, own.keys_file, revisions_of(settings)
    catalog.check_safe()
    with catalog.begin() as connection:
        new = schema.migrate(connection, name, uuid4(), through=through, revisions=revisions)
        if revisions is not None:
            schema.declare(connection, topology, name, revisions)
        waiting = catalog.code.waiting(revision(connection))
        created = ensure(file, dependencies.entropy, region=name, new=new, sections=sections(own))
        keys = load_keys(own, dependencies.entropy, region=name)
        names = Pseudonyms(keys.pseudonym_keys())
        versions = pseudonym_keys.register(connection, name, names.checks())
        now = dependencies.clock(catalog).now()
        log.note_keys(connection, "pseudonym", versions, now, dependencies.entropy)
        if new:  # later a worker does it: what makes them is the worker's, and this is the owner
            _partitions(connection, topology, now.date())
        with ExitStack() as stack:
            roots = open_keys(
                stack,
                own,
                keys,
                topology.regions[name],
                catalog,
                clock=dependencies.clock(catalog),
                topology=topology,
                directory=settings.topology,
            )
            nameless = sealed_names.add_pseudonyms(connection, roots, names) if versions else ()
        return Ready(created, waiting, stages.if_any(connection), tuple(map(str, nameless)))


def _see(catalog: Catalog, topology: Topology, dependencies: Dependencies) -> None:
    """Check the topology against those that the catalog has seen, and note that it was seen."""
    now = dependencies.clock(catalog).now()
    declared = [spec.name for spec in topology.regions[catalog.region].backends]
    with catalog.begin() as connection:
        departures.check(connection, catalog.region, declared)
        if not topologies.in_use(connection, topology):
            dedications.check(connection, topology.regions[catalog.region])
        topologies.check_hosts(connection, catalog.region, topology)
        topologies.check(connection, catalog.region, topology, now)
        topologies.note(connection, topology, now, dependencies.entropy)


def _storage(catalog: Catalog, topology: Topology, settings: Settings) -> None:
    """Make the directories. Raises BackendReplaced for one that is not the one that is known."""
    with catalog.begin() as connection:
        known = storages.known(connection)
    for spec in topology.regions[catalog.region].backends:
        create_storage(spec, data_dir=settings.home, identity=known.get(spec.name))


def _partitions(connection: Connection, topology: Topology, today: date) -> None:
    """Make a partition for each day on which what is written soon may expire."""
    days.lock_making(connection)
    ahead = range(1, (horizon_wanted(topology, today) - today).days + 1)
    days.make(connection, [today + timedelta(days=n) for n in ahead])
