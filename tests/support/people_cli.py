"""The command line of people with logins of their own, on the embedded server."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from sqlalchemy import text

from storage import embedded
from tests.support.catalogs.databases import HOME, opened
from tests.support.cli_harness import CommandLine
from tests.support.people import url_for

ENTRY = ("--kind", "employee", "--role", "safety", "--employer", "us", "--location", "EU")
SINCE = ("--since", "2026-01-01")


@dataclass(frozen=True)
class Person(CommandLine):
    """The command line of a person with a login, in one region."""

    url: str

    @property
    def environment(self) -> dict[str, str | None]:
        """Return the settings of the command."""
        prefix = "DOMICILE_REGIONS__EU_CENTRAL_1__"
        keys = str(self.home / "keys" / f"{HOME}.toml")
        own = {f"{prefix}CATALOG_URL": self.url, f"{prefix}KEYS_FILE": keys}
        return {**super().environment, **own}


@pytest.fixture(scope="module")
def people(line: CommandLine) -> Iterator[Callable[[str], Person]]:
    """The command lines of people with logins. Kim keeps the roster."""
    server, leave = embedded.start(line.home / "postgres")
    url = embedded.with_database(server, HOME)
    with opened(HOME, url) as connection:
        for login in ("kim", "alice", "bob", "nina"):
            connection.execute(text(f"CREATE ROLE {login} LOGIN IN ROLE domicile_admin"))
    keeper = (*ENTRY[:2], "--role", "roster_keeper", *ENTRY[4:])
    assert line("roster", "enter", HOME, "kim", *keeper, *SINCE, "--login", "kim").exit_code == 0
    made = {login: Person(line.home, url_for(url, login)) for login in ("kim", "alice", "bob")}
    for login in ("alice", "bob"):
        made["kim"].told("roster", "enter", HOME, login, *ENTRY, *SINCE, "--login", login)
    made["nina"] = Person(line.home, url_for(url, "nina"))
    yield made.__getitem__
    leave()
