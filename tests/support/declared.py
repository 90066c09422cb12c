"""A declared region that has nothing yet."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import text

from storage.backends.s3 import S3Credentials
from storage.migrating.scaffold import add_region, new_topology
from storage.policy import Stage
from storage.provisioning import Done, provision
from storage.settings import RegionSettings, Settings
from tests.support.catalogs.databases import MEANS, Throwaway, opened

NEW = "eu-west-1"
WHOLE = [Stage.PROPOSED, Stage.PROVISIONED, Stage.ATTESTED, Stage.ROUTABLE]
"""The stages from the declaration to the first record."""

COMMON = """
name = "eu-west-1"
jurisdiction = "EU"
replicas = 2
required = 1
catalog_backup_days = 7
catalog = { sub_processor = "quellwerk", location = "EU" }
keys = { sub_processor = "quellwerk", location = "EU" }
backups = { sub_processor = "quellwerk", location = "EU" }
"""


@dataclass(frozen=True)
class Declared:
    """A declared region, and its settings."""

    settings: Settings

    def provision(self) -> list[Done]:
        """Carry it on to its end."""
        return list(provision(self.settings, NEW, dependencies=MEANS))

    @property
    def url(self) -> str:
        """The URL of its catalog."""
        return self.settings.regions[NEW].catalog_url.get_secret_value()

    def stages(self) -> list[str]:
        """Return the stages that it went through."""
        with opened(NEW, self.url) as connection:
            query = "SELECT stage FROM region_stage ORDER BY number"
            return list(connection.scalars(text(query)))


@contextmanager
def declare(
    server: Throwaway, directory: Path, backends: str, credentials: Mapping[str, S3Credentials]
) -> Iterator[Declared]:
    """Declare a region with these backends, in TOML, below a directory."""
    new_topology(directory / "topology")
    add_region(directory / "topology", NEW, COMMON + backends)
    database = f"west{abs(hash(directory))}"
    url = SecretStr(server.make(database))
    settings = Settings(
        home=directory / "home",
        topology=directory / "topology",
        regions={NEW: RegionSettings(catalog_url=url, keys_file=directory / "keys" / NEW)},
        backends=dict(credentials),
    )
    yield Declared(settings)
    server.execute(f"DROP DATABASE {database} WITH (FORCE)")
