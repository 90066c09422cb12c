"""Catalogs that no store has open, and a server for one test."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, create_engine, text

from regions.load import load_topology
from storage import embedded
from storage.bootstrap import open_store
from storage.catalog.engine import Catalog
from storage.dependencies import Dependencies
from storage.errors import (
    ConfigurationError,
)
from storage.settings import Settings
from storage.testing import FakeClock
from storage.testing.harness import memory_directory

REGIONS = list(load_topology().regions)

HOME = "eu-central-1"

MEANS = Dependencies(clock=lambda _: FakeClock())

ROLES = {
    "domicile_service",
    "domicile_worker",
    "domicile_admin",
    "domicile_keys",
    "domicile_lookup",
}


@dataclass(frozen=True)
class Throwaway:
    """A PostgreSQL server for one test, which may change all of it."""

    url: str

    def execute(self, *statements: str) -> None:
        """Execute each statement in its own transaction."""
        url = self.url.replace("postgresql://", "postgresql+psycopg://", 1)
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()

    def url_of(self, name: str, user: str = "postgres") -> str:
        """Return the URL of a database for a user."""
        return self.url.replace("/postgres?", f"/{name}?").replace("//postgres:@", f"//{user}:@")

    def make(self, name: str, owner: str = "postgres") -> str:
        """Create an empty database; return its URL."""
        self.execute(f"CREATE DATABASE {name} OWNER {owner}")
        return self.url_of(name, owner)

    def roles(self) -> set[str]:
        """Return our roles on the server."""
        with opened("any", self.url) as connection:
            return set(connection.scalars(text("SELECT rolname FROM pg_roles"))) & ROLES


@pytest.fixture(scope="module")
def alone() -> Iterator[Throwaway]:
    """Start a server without catalogs."""
    directory = Path(tempfile.mkdtemp(prefix="dom-alone-", dir=memory_directory()))
    url, leave = embedded.start(directory / "pg")
    yield Throwaway(url)
    leave()
    shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def opened(region: str, url: str) -> Iterator[Connection]:
    """Begin a transaction on a catalog that no store has open."""
    catalog = Catalog(region, url, connections=2)
    try:
        with catalog.begin() as connection:
            yield connection
    finally:
        catalog.close()


@contextmanager
def catalog_of(settings: Settings, region: str = HOME) -> Iterator[Connection]:
    """Begin a transaction on a region's catalog."""
    with opened(region, settings.regions[region].catalog_url.get_secret_value()) as connection:
        yield connection


def with_urls(settings: Settings, urls: dict[str, str]) -> Settings:
    """Return the settings with other catalogs."""
    changed = {
        name: given.model_copy(update={"catalog_url": SecretStr(urls[name])})
        for name, given in settings.regions.items()
    }
    return settings.model_copy(update={"regions": changed})


def refused(settings: Settings) -> ConfigurationError:
    """Return the error of ``open_store`` if every region is required."""
    every = settings.regions
    with (
        pytest.raises(ConfigurationError) as caught,
        open_store(settings, require=every, dependencies=MEANS),
    ):
        pass
    return caught.value


def as_role(url: str, role: str) -> str:
    """Return the URL of a connection that has the rights of the role alone."""
    return f"{url}&options=-c%20role%3D{role}"
