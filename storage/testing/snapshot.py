"""Catalog snapshots: restore a new region, which is faster than to create one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Row, insert, select, text

from regions.model import Topology
from storage.catalog import days
from storage.catalog import tables as t
from storage.catalog.engine import Catalog
from storage.catalog.times import UNLIMITED
from storage.policy import horizon_wanted
from storage.settings import Settings
from storage.testing.clock import NOON


@dataclass(frozen=True)
class Snapshot:
    """The rows of a new region's catalog, and its keys."""

    catalog: Catalog
    keys: bytes = field(repr=False)
    rows: Mapping[str, Sequence[Row[tuple[object, ...]]]] = field(repr=False)

    def restore(self, keys_file: Path) -> None:
        """Restore the rows, and write the keys to the file. No other process may use the region."""
        keys_file.touch(mode=0o600)
        keys_file.write_bytes(self.keys)
        wanted = {row.day for row in self.rows["day"]}
        with self.catalog.begin() as connection:
            there = {row.day: row.state for row in connection.execute(select(t.day))}
            over = [day for day, state in there.items() if state != "open" or day not in wanted]
            # no trigger guards what is deleted, or notes what is inserted
            gone = ["SET LOCAL session_replication_role = replica"]
            gone += [f"DROP TABLE {name}" for name, _ in days.partitions(connection, over)]
            gone += [
                f"DELETE FROM {table.name}"  # noqa: S608 - our own names
                for table in reversed(t.metadata.sorted_tables)
                if table is not t.day
            ]
            connection.execute(text(";".join(gone)))  # one round trip
            connection.execute(t.day.delete().where(t.day.c.day.in_(over)))
            days.make(connection, wanted)
            for table in t.metadata.sorted_tables:
                if table is not t.day and self.rows[table.name]:
                    rows = [dict(row._mapping) for row in self.rows[table.name]]
                    connection.execute(insert(table), rows)

    def close(self) -> None:
        """Close the connections. The snapshot can be restored again."""
        self.catalog.close()


def snapshot(
    settings: Settings, region: str, topology: Topology, *, connections: int = 4
) -> Snapshot:
    """Take a snapshot of a new region, with the partitions that the topology requires."""
    given = settings.regions[region]
    url = given.catalog_url.get_secret_value()
    catalog = Catalog(region, url, connections=connections, times=UNLIMITED)
    with catalog.begin() as connection:
        rows = {
            table.name: connection.execute(select(table)).all()
            for table in t.metadata.sorted_tables
        }
    ahead = horizon_wanted(topology, NOON.date())
    rows["day"] = [row for row in rows["day"] if row.day <= ahead]
    made = Snapshot(catalog, given.keys_file.read_bytes(), rows)
    made.restore(given.keys_file)
    made.close()
    return made
