"""A Domicile on real directories with the database's clock, for tests of real processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path
from shutil import copytree
from uuid import UUID

import structlog
from sqlalchemy import func, select

from regions.backends import BackendSpec
from storage.backends.registry import open_backend
from storage.bootstrap import open_store, worker_of
from storage.catalog import tables as t
from storage.catalog.engine import Catalog
from storage.client.store import Store
from storage.clock import CatalogClock
from storage.dependencies import Dependencies
from storage.initialize import init
from storage.model import Dpa, ErasureState, TenantSpec
from storage.ports import Backend, ItemKind
from storage.region import Limits
from storage.settings import RegionSettings, Settings
from storage.testing import FaultyBackend, Server
from storage.testing.harness import take_any_time
from tests.support.inspect.stored import HOME, home_of, homes_of, manifest_size, orphans
from tests.support.processes.forked import TENANT

o, r, e = t.object_.c, t.replica.c, t.erasure.c


@dataclass
class ClockOffset:
    """A duration that the test adds to the database's time."""

    by: timedelta = timedelta()

    def clock(self, catalog: Catalog) -> "OffsetClock":
        """Return a region's clock."""
        return OffsetClock(CatalogClock(catalog), self)


@dataclass(frozen=True)
class OffsetClock:
    """A region's clock, set forward."""

    inner: CatalogClock
    offset: ClockOffset

    @property
    def error(self) -> timedelta:
        """Return the error of the database's clock."""
        return self.inner.error

    def now(self) -> datetime:
        """Return the time in UTC."""
        return self.inner.now() + self.offset.by

    def ask(self) -> datetime:
        """Return the database's time in UTC."""
        return self.inner.ask() + self.offset.by

    def skew(self) -> timedelta:
        """Return the skew of the database's clock: the machine is set forward too."""
        return self.inner.skew()


@dataclass
class Deployment:
    """Settings for processes, and a store for the test whose clock may be ahead of theirs."""

    settings: Settings
    offset: ClockOffset = field(default_factory=ClockOffset)

    @contextmanager
    def store(self, *, without: str = "") -> Iterator[Store]:
        """Open a store as a new process does, perhaps with a backend that is down."""

        def backend(spec: BackendSpec, settings: Settings) -> Backend:
            made = FaultyBackend(open_backend(spec, data_dir=settings.home))
            made.down = spec.name == without
            return made

        dependencies = Dependencies(
            clock=self.offset.clock, backend=backend, limits=Limits(linger=0.01)
        )
        with open_store(
            self.settings, dependencies=dependencies, log=structlog.get_logger()
        ) as store:
            yield store

    def recover(self, store: Store) -> None:
        """Time passes, and a worker works, until nothing is left to be done."""
        for hours in (0.0, 0.5, 1, 1, 1, 1):
            self.offset.by += timedelta(hours=hours)
            worker_of(homes_of(store), structlog.get_logger()).run_once()
        self.check_idle(store)

    def check_idle(self, store: Store) -> None:
        """Require that no work is pending, and that catalog and backends agree."""
        region = home_of(store)
        assert orphans(region) == []
        with region.catalog.begin() as connection:
            unfinished = connection.execute(
                select(o.kind, o.state, r.state, func.count())
                .join(t.replica, r.object_id == o.id)
                .where(o.state.not_in(["stored", "gone"]) | r.state.not_in(["stored", "gone"]))
                .group_by(o.kind, o.state, r.state)
            ).all()
            open_erasures = connection.execute(
                select(e.id, e.state).where(e.state != ErasureState.COMPLETE)
            ).all()
            stored = {
                (row[0], row[1])
                for row in connection.execute(select(r.backend, r.key).where(r.state == "stored"))
            }
        assert unfinished == []
        assert open_erasures == []
        found = [(b.name, trace) for b in region.backends.values() for trace in b.scan()]
        assert {trace.kind for _, trace in found} <= {ItemKind.OBJECT}
        assert {(name, trace.key) for name, trace in found} == stored

    def check_packs(self, store: Store) -> None:
        """Every pack is on every backend, and has no byte that belongs to no record."""
        with home_of(store).catalog.begin() as connection:
            replicas = (
                select(func.count())
                .where(r.object_id == o.id, r.state == "stored")
                .scalar_subquery()
            )
            records, files_ = (
                select(func.coalesce(func.sum(table.c.length), 0))
                .where(table.c.object_id == o.id)
                .scalar_subquery()
                for table in (t.record, t.file)
            )
            rows = connection.execute(
                select(o.id, o.size, records, files_, replicas).where(
                    o.kind == "pack", o.state == "stored"
                )
            ).all()
        ends = self._manifests(store)
        assert [x for x in rows if x[1] - ends[x[0]] != x[2] + x[3] or x[4] != 2] == []

    def _manifests(self, store: Store) -> dict[UUID, int]:
        """Return the size of each pack's manifest."""
        backend = next(iter(home_of(store).backends.values()))
        return {
            UUID(trace.key.split("/")[-1][:32]): manifest_size(backend.get(trace.key))
            for trace in backend.scan("pack/")
        }

    def cutoffs(self, store: Store) -> dict[str, datetime]:
        """Up to which minting each erasure covers."""
        with home_of(store).catalog.begin() as connection:
            return {str(row[0]): row[1] for row in connection.execute(select(e.id, e.cutoff))}


def make_deployment(server: Server, folder: Path) -> Deployment:
    """Make a deployment of one region with a tenant. Compactions are due at once.

    Its catalog is not used again: it has partitions for the days of the real clock.
    """
    topology = folder / "topology"
    with as_file(files("regions") / "data") as shipped:
        copytree(shipped, topology)
    classes = topology / "classes.toml"
    text = classes.read_text()
    assert "compaction_hours = 72" in text
    classes.write_text(text.replace("compaction_hours = 72", "compaction_hours = 0"))
    number = next(server._numbers)
    given = RegionSettings(
        catalog_url=server._create(number)[HOME], keys_file=folder / "keys" / f"{HOME}.toml"
    )
    home = server.directory / f"home{number}"
    deployment = Deployment(Settings(home=home, topology=topology, regions={HOME: given}))
    init(deployment.settings)
    take_any_time(deployment.settings)
    with deployment.store() as store:
        today = datetime.now(UTC).date()
        spec = TenantSpec(
            TENANT, "acme", HOME, "EU", agreements=[Dpa(signed=date(today.year, 1, 1))]
        )
        store.admin.tenants.ensure(spec)
    return deployment
