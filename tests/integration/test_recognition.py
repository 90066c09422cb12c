"""Storage is recognized: nothing is believed of, or written to, another directory or bucket."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import ColumnElement, select

from storage.backends.memory import MemoryBackend
from storage.backends.root import create_root
from storage.bootstrap import open_store
from storage.catalog import tables as t
from storage.cli.exit_codes import Exit
from storage.errors import BackendReplaced, BackendUnavailable
from storage.objects import control
from storage.ports import Backend
from storage.testing import SERVICE, Domicile
from tests.support.actions import erase, get, is_complete, put_prompt, work
from tests.support.cli_harness import CommandLine
from tests.support.inspect.stored import home
from tests.support.topologies import three_backends
from tests.support.topology_files import EU, edit

NAME = "eu-a"


@contextmanager
def other_storage(domicile: Domicile, name: str = NAME) -> Iterator[Backend]:
    """Put empty storage in the place of a backend's, as who mounts another disk there."""
    faulty = domicile.backends[name]
    former, faulty.inner = faulty.inner, MemoryBackend(name, versioned=True)
    yield faulty.inner
    faulty.inner = former


def work_for_hours(domicile: Domicile) -> None:
    """Work until every purge was tried again."""
    for _ in range(6):
        work(domicile, hours=1)


def errors_of(domicile: Domicile) -> set[str | None]:
    """Return the errors of the purges that are tried again."""
    with home(domicile).catalog.begin() as connection:
        return set(connection.scalars(select(t.replica.c.last_error)))


@pytest.mark.parametrize("identity", [None, UUID(int=1)])
def test_no_receipt_rests_on_other_storage(domicile: Domicile, identity: UUID | None) -> None:
    """Every key is absent there. The erasure waits for the storage that has the keys."""
    tenant = domicile.tenant()
    put_prompt(domicile, "u")
    with other_storage(domicile) as other:
        if identity is not None:  # it is that of another catalog
            other.identify(identity, timeout=10)
        erasure = erase(tenant)
        work_for_hours(domicile)

        assert not is_complete(domicile, erasure)
        assert "BackendReplaced" in errors_of(domicile)

    work_for_hours(domicile)

    assert is_complete(domicile, erasure)


def test_nothing_is_written_to_other_storage(domicile: Domicile) -> None:
    """A process that starts does not open the region."""
    tenant = domicile.tenant()
    mine = put_prompt(domicile, "u")
    with other_storage(domicile) as other:
        with pytest.raises(BackendReplaced):
            domicile.open()

        assert list(other.scan()) == []
        assert other.identity(timeout=10) is None

    domicile.open()

    assert get(domicile.store.tenant(tenant.id).bind(SERVICE), mine)


def test_a_command_does_not_open_the_region_either(domicile: Domicile) -> None:
    """Also one that tries no rights, such as a worker. Storage that is new it leaves as it is."""
    domicile.tenant()
    means = replace(domicile.dependencies, probing=False)
    with other_storage(domicile) as other:
        with (
            pytest.raises(BackendReplaced),
            open_store(domicile.settings, require=domicile.settings.regions, dependencies=means),
        ):
            pass
        with home(domicile).catalog.begin() as connection:
            connection.execute(t.backend_storage.delete())
        with open_store(domicile.settings, dependencies=means):
            assert other.identity(timeout=10) is None


def test_a_backend_that_leaves_is_not_seen_empty(domicile: Domicile) -> None:
    """Other storage is empty, whatever the former holds."""
    with (
        other_storage(domicile),
        pytest.raises(BackendUnavailable, match="BackendReplaced"),
    ):
        control.is_alone(home(domicile), NAME)

    assert control.is_alone(home(domicile), NAME)


def test_a_process_that_ends_before_it_gives_the_identity(domicile: Domicile) -> None:
    """The next one gives the one that was chosen."""
    region, backend = home(domicile), domicile.backends[NAME]
    with region.catalog.begin() as connection:
        chosen = connection.scalars(select(t.backend_storage.c.identity).where(at(NAME))).one()
        connection.execute(t.backend_storage.update().where(at(NAME)).values(seen=None))
    backend.inner = MemoryBackend(NAME, versioned=True)
    domicile.open()

    assert backend.identity(timeout=10) == chosen


def test_each_backend_has_an_identity_of_its_own(domicile: Domicile) -> None:
    """Two that were exchanged are noticed."""
    found = {backend.identity(timeout=10) for backend in domicile.backends.values()}

    assert None not in found
    assert len(found) == len(domicile.backends)


def test_a_restored_catalog_recognizes_its_storage(domicile: Domicile) -> None:
    """It may be older than the identity, which lies in the storage too."""
    with home(domicile).catalog.begin() as connection:
        connection.execute(t.backend_storage.delete())
    before = domicile.backends[NAME].identity(timeout=10)
    domicile.open()

    assert domicile.backends[NAME].identity(timeout=10) == before


def test_storage_that_does_not_answer_is_recognized_later(domicile: Domicile) -> None:
    """The region opens meanwhile; what its listing says is believed only then."""
    domicile.take_down(NAME)
    domicile.open()
    domicile.bring_back(NAME)
    with other_storage(domicile), pytest.raises(BackendUnavailable):
        control.is_alone(home(domicile), NAME)


def at(name: str) -> ColumnElement[bool]:
    """Return the condition for the row of a backend."""
    return t.backend_storage.c.backend == name


@pytest.mark.parametrize("made", [False, True])
def test_a_path_that_changes_under_the_same_name(
    line: CommandLine, tmp_path: Path, *, made: bool
) -> None:
    """No command takes the new directory, also if it is one that Domicile made elsewhere."""
    line.put("mine", "--subject", "u")
    topology, new = three_backends(tmp_path, retires=NAME), f"backends/eu-a-{made}"
    edit(topology / EU, 'path = "backends/eu-a"', f'path = "{new}"')
    moved = {"DOMICILE_TOPOLOGY": str(topology)}
    if made:
        create_root(NAME, line.home / new, os.urandom)

    refused = line("init", environment=moved)

    assert refused.exit_code == Exit.CONFIGURATION
    assert "eu-a: " in refused.output
    assert "a backend of a new name" in refused.output

    for _ in range(3):
        line("worker", "--once", environment=moved)
    drained = line("subprocessor", "drain", "lindenhost", environment=moved)

    assert drained.exit_code != Exit.DONE, drained.output
    assert (line.home / new).exists() == made
