"""A login or a database that is wrong: the error says so, and not to try again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.catalog.engine import Catalog
from storage.errors import CatalogForbidden, DomicileError, SettingsError
from tests.support.catalogs.databases import HOME, Throwaway


@pytest.fixture(scope="module")
def strict(alone: Throwaway) -> Iterator[Throwaway]:
    """A server on which one login needs a password."""
    alone.execute("CREATE ROLE keeper LOGIN PASSWORD 'right'")
    catalog = Catalog(HOME, alone.url)
    with catalog.begin() as connection:
        rules = connection.exec_driver_sql("SHOW hba_file").scalar_one()
    catalog.close()
    with open(rules, "r+") as file:  # noqa: PTH123 - it belongs to another user
        before = file.read()
        file.seek(0)
        file.write(f"local all keeper scram-sha-256\n{before}")
    alone.execute("SELECT pg_reload_conf()")
    yield alone
    alone.execute("DROP ROLE keeper")


def refused(url: str) -> DomicileError:
    """Return why a transaction cannot begin."""
    catalog = Catalog(HOME, url, connections=2)
    try:
        with pytest.raises(DomicileError) as caught, catalog.begin():
            pass
    finally:
        catalog.close()
    return caught.value


def test_a_database_that_does_not_exist(alone: Throwaway) -> None:
    """It is named, with how to make it."""
    error = refused(alone.url_of("nowhere"))

    assert isinstance(error, SettingsError)
    assert not error.retryable
    assert "database nowhere of the catalog of eu-central-1 does not exist" in error.message
    assert "catalog_url" in error.advice
    assert "domicile init" in error.advice


@pytest.mark.parametrize("user", ["nobody", "keeper", "keeper:wrong"])
def test_a_login_that_is_refused(strict: Throwaway, user: str) -> None:
    """No such role, no password, a wrong password."""
    error = refused(strict.url.replace("//postgres:@", f"//{user}@"))

    assert isinstance(error, CatalogForbidden)
    assert not error.retryable
    assert "refused the login to the catalog of eu-central-1" in error.message
    assert "password in catalog_url" in error.advice
    assert "wrong" not in str(error)


def test_the_password_of_the_url_is_used(strict: Throwaway) -> None:
    """So the test above fails for the reason that it names."""
    catalog = Catalog(HOME, strict.url.replace("//postgres:@", "//keeper:right@"))
    with catalog.begin() as connection:
        assert connection.exec_driver_sql("SELECT current_user").scalar_one() == "keeper"
    catalog.close()


def test_a_password_file_of_the_home_is_not_read(
    strict: Throwaway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the one that catalog_url names."""
    file = tmp_path / ".pgpass"
    file.write_text("*:*:*:*:right\n")
    file.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    url = strict.url.replace("//postgres:@", "//keeper@")

    assert isinstance(refused(url), CatalogForbidden)
    catalog = Catalog(HOME, f"{url}&passfile={file}")
    with catalog.begin():
        pass
    catalog.close()
