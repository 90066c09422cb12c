"""A complete Domicile for tests: a real PostgreSQL, backends with faults, a clock to set."""

import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Literal

from pydantic import SecretStr
from sqlalchemy import text
from structlog.typing import FilteringBoundLogger

from regions.backends import BackendSpec, DirectorySpec, S3Spec
from regions.load import load_topology
from regions.model import Region, SubProcessor
from storage import embedded
from storage.backends.memory import MemoryBackend
from storage.backends.registry import create_storage, open_backend
from storage.bootstrap import open_homes, open_store, worker_of
from storage.catalog import stages
from storage.catalog.engine import Catalog
from storage.catalog.server import create_databases
from storage.client.homes import Homes
from storage.client.store import Store
from storage.client.tenant import BoundTenant
from storage.dependencies import Dependencies, make_catalog
from storage.initialize import init
from storage.logs import make_logger
from storage.model import Actor, ActorKind, Dpa, Grant, GrantSpec, TenantSpec
from storage.policy import Stage
from storage.ports import Backend, Clock, Connector
from storage.processors.manual import ManualConnector
from storage.region import Limits
from storage.settings import RegionSettings, Settings, revisions_of
from storage.testing.clock import FakeClock
from storage.testing.connections import CatalogFaults, watching
from storage.testing.faults import FaultyBackend
from storage.testing.kept import KeptConnections
from storage.testing.people import grant, pin_approver
from storage.testing.processors import FakeProcessor
from storage.testing.s3 import CREDENTIALS, S3Server
from storage.testing.snapshot import Snapshot, snapshot

Kind = Literal["memory", "directory", "s3"]

# The clock of a test is not that of the database, so functions of the catalog must take any time.
_ANY_TIME = """
CREATE OR REPLACE FUNCTION present_day(given timestamptz) RETURNS date LANGUAGE sql
AS $$ SELECT (given AT TIME ZONE 'UTC')::date $$;
CREATE OR REPLACE FUNCTION forgettable_before() RETURNS timestamptz LANGUAGE sql
AS $$ SELECT 'infinity'::timestamptz $$;
CREATE OR REPLACE FUNCTION check_not_ahead(given timestamptz) RETURNS void LANGUAGE sql
AS $$ SELECT $$;
CREATE OR REPLACE FUNCTION is_recent(given timestamptz) RETURNS boolean LANGUAGE sql
AS $$ SELECT true $$
"""
_COMMON = ("name", "sub_processor", "attested_off", "longest_request_minutes")
SERVICE = Actor("service-under-test", ActorKind.CUSTOMER, employer="acme", location="EU")
"""The actor to which the tenants of the fixture are bound: a service of the tenant."""

_PLENTY = 4 * 1024**3  # bytes


def take_any_time(settings: Settings) -> None:
    """Let the catalogs take any time, as that of a clock that a test sets."""
    for name, own in settings.regions.items():
        catalog = Catalog(name, own.catalog_url.get_secret_value(), connections=2)
        with catalog.begin() as connection:
            connection.execute(text(_ANY_TIME))
        catalog.close()


def memory_directory() -> str | None:
    """Return a directory in memory, if there is enough: test databases need no durability."""
    memory = Path("/dev/shm")  # noqa: S108
    there = memory.is_dir() and os.access(memory, os.W_OK)
    return str(memory) if there and shutil.disk_usage(memory).free > _PLENTY else None


_Catalogs = tuple[dict[str, SecretStr], list[Snapshot]]  # by region, once they were made


def _serving(settings: Settings, only: Collection[str]) -> Settings:
    """Return settings that serve these regions alone."""
    return settings.model_copy(update={"regions": {name: settings.regions[name] for name in only}})


class Server:
    """An embedded PostgreSQL, with catalogs that tests reuse."""

    def __init__(self, topology: Path | None = None) -> None:
        """``topology``: the directory of a topology; None: the shipped example."""
        # not in the folder of pytest: as root, PostgreSQL runs as another user
        self.directory = Path(tempfile.mkdtemp(prefix="dom-", dir=memory_directory()))
        self._directory = topology
        self.topology = load_topology(topology)
        self._url, self._leave = embedded.start(self.directory / "pg")
        self._numbers = count(1)
        self._free: list[_Catalogs] = []
        self._lent: dict[Path, _Catalogs] = {}
        self.connections = KeptConnections()

    def make(self, only: Collection[str] | None = None) -> Settings:
        """Return settings of a new Domicile: empty catalogs, and a home directory of its own.

        ``only``: the regions that it serves; None: all of the topology.
        """
        number = next(self._numbers)
        urls, regions = self._free.pop() if self._free else (self._create(number), [])
        wanted = urls if only is None else only
        home = self.directory / f"home{number}"
        pinned = pin_approver(home / "keys")
        settings = Settings(
            home=home,
            topology=self._directory,
            regions={
                region: RegionSettings(
                    catalog_url=url,
                    keys_file=home / "keys" / f"{region}.toml",
                    approvers_file=pinned,
                )
                for region, url in urls.items()
            },
        )
        if regions:
            self._renew(settings, [one for one in regions if one.catalog.region in wanted])
        else:
            init(settings, dependencies=Dependencies(clock=lambda _: FakeClock()))
            take_any_time(settings)
            self._open_to_services(settings)
            regions = [snapshot(settings, region, self.topology, connections=1) for region in urls]
        self._lent[home] = urls, regions
        return settings if only is None else _serving(settings, only)

    def _open_to_services(self, settings: Settings) -> None:
        """Let services use the regions, as if they had been provisioned."""
        if revisions_of(settings) is None:
            return
        for name, own in settings.regions.items():
            catalog = Catalog(name, own.catalog_url.get_secret_value(), connections=2)
            with catalog.begin() as connection:
                stages.add(connection, Stage.ROUTABLE, stages.declared(connection))
            catalog.close()

    def reclaim(self, settings: Settings) -> None:
        """Remove the home directory, and reuse the catalogs and their keys."""
        shutil.rmtree(settings.home)
        self._free.append(self._lent.pop(settings.home))

    def _renew(self, settings: Settings, regions: Sequence[Snapshot]) -> None:
        for region in regions:
            spec = self.topology.regions[region.catalog.region]
            keys_file = settings.regions[spec.name].keys_file
            keys_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            region.restore(keys_file)
            for backend in spec.backends:
                create_storage(backend, data_dir=settings.home)

    def close(self) -> None:
        """Stop the server and remove its data."""
        self.connections.close()
        for _, regions in (*self._lent.values(), *self._free):
            for region in regions:
                region.close()
        self._leave()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _create(self, number: int) -> dict[str, SecretStr]:
        names = {region: f"d{number}_{n}" for n, region in enumerate(self.topology.regions)}
        create_databases(self._url, names.values())
        return {
            region: SecretStr(self._url.replace("/postgres?", f"/{name}?", 1))
            for region, name in names.items()
        }


@dataclass
class Domicile:
    """The fixture ``domicile``.

    ``store`` is open. ``backends`` has the backends of all regions by name, and ``processors`` the
    processors with a connector of kind http; all have faults to set. ``clock`` is the clock of all
    processes.
    """

    settings: Settings
    kind: Kind = "memory"
    limits: Limits = field(default_factory=Limits)
    clock: FakeClock = field(default_factory=FakeClock)
    backends: dict[str, FaultyBackend] = field(default_factory=dict)
    processors: dict[str, FakeProcessor] = field(default_factory=dict)
    stack: ExitStack = field(default_factory=ExitStack)
    log: FilteringBoundLogger = field(default_factory=make_logger)
    connections: KeptConnections | None = None
    _homes: Homes | None = None
    _store: Store | None = None
    _server: S3Server | None = None

    @property
    def store(self) -> Store:
        """The open store."""
        assert self._store is not None
        return self._store

    @property
    def homes(self) -> Homes:
        """The regions below the open store: catalogs, backends, keys. Not part of the API."""
        assert self._homes is not None
        return self._homes

    def open(self) -> Store:
        """Close the store, and open it as a new process that requires every region."""
        self.stack.close()
        self._homes = self.stack.enter_context(
            open_homes(
                self.settings,
                require=self.settings.regions,
                dependencies=self.dependencies,
                log=self.log,
            )
        )
        self._store = self.stack.enter_context(Store(self._homes, sleep=self.clock.sleep))
        return self._store

    @property
    def dependencies(self) -> Dependencies:
        """The dependencies that the store is opened with."""
        return Dependencies(
            catalog=self._catalog,
            clock=lambda _: self.clock,
            backend=self._backend,
            connector=self._connector,
            limits=self.limits,
            unhealthy_seconds=0.0,
            reopen_seconds=0.0,
            sleep=self.clock.sleep,
        )

    @contextmanager
    def open_another(self, clock: Clock | None = None) -> Iterator[Store]:
        """Open the store of another process, on the same catalogs and backends.

        ``clock`` is its clock, such as ``domicile.clock.skewed(...)``.
        """
        dependencies = (
            self.dependencies
            if clock is None
            else replace(self.dependencies, clock=lambda _: clock)
        )
        with open_store(
            self.settings,
            require=self.settings.regions,
            dependencies=dependencies,
            log=self.log,
        ) as store:
            yield store

    @contextmanager
    def catalog_faults(self, region: str = "eu-central-1") -> Iterator[CatalogFaults]:
        """Return faults between the open store and the catalog of a region."""
        with watching(self.homes.served(region).region.catalog) as faults:
            yield faults

    def tenant(
        self,
        tenant: str = "acme-eu",
        home: str = "eu-central-1",
        residency: str = "EU",
        **terms: object,
    ) -> BoundTenant:
        """Return a tenant with a signed DPA, bound to a service; add it if it does not exist."""
        given: dict[str, object] = {"account": "acme", "agreements": [Dpa(signed=date(2026, 1, 5))]}
        spec = TenantSpec(tenant, home=home, residency=residency, **(given | terms))  # type: ignore[arg-type]
        self.store.admin.tenants.ensure(spec)
        return self.store.tenant(tenant).bind(SERVICE)

    def grant(self, spec: GrantSpec) -> Grant:
        """Return a grant in force: others than the actor of ``spec`` requested and approved it.

        Give ``INVESTIGATOR.id`` for the actor, and bind the tenant to INVESTIGATOR and the grant.
        """
        region = self.homes.find(spec.tenant)[0].region
        return grant(region, self.settings.regions[region.name], spec)

    def take_down(self, *names: str) -> None:
        """Let these backends fail every call."""
        for name in names:
            self.backends[name].down = True

    def bring_back(self, *names: str) -> None:
        """Let these backends work again, with the objects that they had."""
        for name in names:
            self.backends[name].down = False

    def run_worker(self) -> dict[str, int]:
        """Run every duty of the worker that is due, in all regions."""
        return worker_of(self.homes, self.log).run_once()

    def pass_time(self, **by: float) -> None:
        """Advance the clock, as in ``pass_time(days=30)``. No worker runs meanwhile."""
        self.clock.advance(timedelta(**by))

    def close(self) -> None:
        """Close the store and the S3 server, if there is one."""
        if self.connections is not None and self._homes is not None:
            for served in self._homes.regions.values():
                self.connections.keep(served.region.catalog.engine)
        self.stack.close()
        if self._server is not None:
            self._server.close()

    def _catalog(self, region: Region, url: str, connections: int) -> Catalog:
        catalog = make_catalog(region, url, connections)
        if self.connections is not None:
            self.connections.lend(catalog.engine)
        return catalog

    def _backend(self, spec: BackendSpec, settings: Settings) -> Backend:
        """Return the same backend after the store is reopened: bytes outlive a process."""
        if spec.name not in self.backends:
            self.backends[spec.name] = FaultyBackend(self._make(spec, settings))
        return self.backends[spec.name]

    def _connector(self, company: SubProcessor) -> Connector:
        """Return the same processor after the store is reopened."""
        assert company.connector is not None
        late = company.connector.longest_request
        if company.connector.kind == "manual":
            return ManualConnector(company.name, late)
        if company.name not in self.processors:
            self.processors[company.name] = FakeProcessor(company.name, late, self.clock)
        return self.processors[company.name]

    def _make(self, spec: BackendSpec, settings: Settings) -> Backend:
        makers: dict[Kind, Callable[[], Backend]] = {
            "memory": lambda: MemoryBackend(spec.name, versioned=True),
            "directory": lambda: self._directory(spec, settings),
            "s3": lambda: self._s3(spec, settings),
        }
        return makers[self.kind]()

    def _directory(self, spec: BackendSpec, settings: Settings) -> Backend:
        common = spec.model_dump(include=set(_COMMON))
        path = f"backends/{spec.name}"
        roomy = DirectorySpec(**common, path=path, reserve_mib=0)
        create_storage(roomy, data_dir=settings.home)
        return open_backend(roomy, data_dir=settings.home)

    def _s3(self, spec: BackendSpec, settings: Settings) -> Backend:
        if self._server is None:
            self._server = S3Server()
            self._server.__enter__()
        region = "us-east-1" if spec.name.startswith("us") else "eu-central-1"
        bucket = f"{spec.name}-{settings.home.name}"
        self._server.make_bucket(bucket, region, versioned=True, locks=True)
        common = spec.model_dump(include=set(_COMMON))
        served = S3Spec(**common, bucket=bucket, aws_region=region, endpoint_url=self._server.url)
        return open_backend(served, data_dir=settings.home, credentials=CREDENTIALS)


@contextmanager
def new_domicile(
    server: Server,
    kind: Kind,
    limits: Limits | None = None,
    regions: Collection[str] | None = None,
) -> Iterator[Domicile]:
    """Open a new, empty Domicile on a server, which serves these regions (None: all)."""
    settings = server.make(regions)
    made = Domicile(settings, kind, limits or Limits(), connections=server.connections)
    try:
        made.open()
        yield made
    finally:
        made.close()
        server.reclaim(settings)
