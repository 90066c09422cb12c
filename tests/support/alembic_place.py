"""Directories with an ``alembic.ini``, and catalogs of two regions."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from alembic.config import CommandLine, Config
from alembic.util import CommandError
from sqlalchemy import text

from storage.catalog import stages
from storage.catalog.engine import revision
from storage.catalog.shipped import this_code
from storage.migrating.scaffold import new_topology
from storage.policy import Stage
from tests.support.catalogs.databases import Throwaway, opened

ROOT = Path(__file__).parents[2]
EU, US = "eu-central-1", "us-east-1"
NEWEST = this_code().revision
BUCKET = "name=x,kind=s3,sub_processor=lindenhost,bucket=b,aws_region={}"


@dataclass
class Place:
    """A directory with an ``alembic.ini``, and catalogs of two regions."""

    directory: Path
    urls: dict[str, str]
    printed: str = ""  # by the last command

    def alembic(self, *arguments: str) -> str:
        """Run a command of Alembic and return what it prints. Raises CommandError."""
        printed = StringIO()
        try:
            self._run(arguments, printed)
        finally:
            self.printed = printed.getvalue()
        return self.printed

    def _run(self, arguments: Sequence[str], printed: StringIO) -> None:
        line = CommandLine("alembic")
        options = line.parser.parse_args(arguments)
        ini = self.directory / "alembic.ini"
        called, names, options_of = options.cmd
        called(
            Config(ini, stdout=printed, cmd_opts=options),
            *(getattr(options, name) for name in names),
            **{name: getattr(options, name, None) for name in options_of},
        )

    def refuses(self, *arguments: str) -> str:
        """Run a command that Alembic refuses, and return its error."""
        with pytest.raises(CommandError) as caught:
            self.alembic(*arguments)
        return str(caught.value)

    def at(self, region: str) -> str:
        """Return the revision of the schema of a region's catalog."""
        with opened(region, self.urls[region]) as connection:
            return revision(connection)

    def stage(self, region: str) -> Stage | None:
        """Return the stage of a region."""
        with opened(region, self.urls[region]) as connection:
            return stages.latest(connection)

    def rows(self, region: str) -> int:
        """Return how many stages the region went through."""
        with opened(region, self.urls[region]) as connection:
            return connection.scalar(text("SELECT count(*) FROM region_stage")) or 0


@pytest.fixture
def make(
    alone: Throwaway,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[Path], Place]]:
    """Return what gives a directory catalogs and settings."""
    names: list[str] = []

    def made(directory: Path) -> Place:
        urls = {}
        for region in (EU, US):
            names.append(f"p{abs(hash(tmp_path))}_{len(names)}")
            urls[region] = alone.make(names[-1])
            prefix = f"DOMICILE_REGIONS__{region.upper().replace('-', '_')}"
            monkeypatch.setenv(f"{prefix}__CATALOG_URL", urls[region])
            monkeypatch.setenv(f"{prefix}__KEYS_FILE", str(tmp_path / "keys" / region))
        monkeypatch.setenv("DOMICILE_HOME", str(tmp_path / "home"))
        return Place(directory, urls)

    yield made
    alone.execute(*(f"DROP DATABASE {name} WITH (FORCE)" for name in names))


@pytest.fixture
def ours(make: Callable[[Path], Place]) -> Place:
    """Our own directory: no revision declares a region."""
    return make(ROOT)


@pytest.fixture
def theirs(make: Callable[[Path], Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The directory of an adopter, as ``domicile topology new`` makes it."""
    new_topology(tmp_path / "topology")
    monkeypatch.setenv("DOMICILE_TOPOLOGY", str(tmp_path / "topology"))
    return make(tmp_path / "topology")
