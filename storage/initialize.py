"""What ``init`` creates for one region: schema, keys, storage, partitions."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from regions.model import Topology
from storage.backends.registry import create_storage
from storage.catalog import days, pseudonym_keys, topologies
from storage.catalog.engine import Catalog, revision
from storage.crypto.pseudonym import Pseudonyms
from storage.crypto.root import LocalRootKeys, ensure
from storage.ledger.holds import add_pseudonyms
from storage.policy import horizon_wanted
from storage.ports import Clock


@dataclass(frozen=True, slots=True)
class Ready:
    """A region after ``init``: the key file that it created, and the migration that waits."""

    created: Path | None
    waiting: str | None


def initialize(
    catalog: Catalog,
    topology: Topology,
    keys_file: Path,
    home: Path,
    *,
    through: str | None,
    clock: Clock,
    entropy: Callable[[int], bytes],
) -> Ready:
    """Create what the region of a catalog needs; replace nothing. ``through``: see ``migrate``."""
    from storage.catalog import schema  # noqa: PLC0415 - Alembic: no service needs it

    region = topology.regions[catalog.region]
    catalog.check_safe()
    with catalog.begin() as connection:
        new = schema.migrate(connection, region.name, uuid4(), through=through)
        waiting = catalog.code.waiting(revision(connection))
        made = ensure(keys_file, entropy, region=region.name, new=new)
        roots = LocalRootKeys.load(keys_file, entropy, region=region.name)
        names = Pseudonyms(roots.pseudonym_keys())
        pseudonym_keys.register(connection, region.name, names.checks())
        add_pseudonyms(connection, roots, names)
    catalog.check()
    now = clock.now()
    with catalog.begin() as connection:
        topologies.check(connection, region.name, topology, now)
        topologies.note(connection, topology, now)
    for spec in region.backends:
        create_storage(spec, data_dir=home)
    today = now.date()
    until = horizon_wanted(topology, today)
    with catalog.begin() as connection:
        days.lock_making(connection)
        ahead = range(1, (until - today).days + 1)
        days.make(connection, [today + timedelta(days=n) for n in ahead])
    return Ready(made, waiting)
