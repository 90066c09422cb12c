"""A backend that leaves the topology while replicas are there: noticed when the store opens."""

import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from storage.bootstrap import open_regions
from storage.catalog import departures, stages, storages
from storage.cli.exit_codes import Exit, code_of
from storage.errors import BackendUndeclared, KeyUnavailable, Unavailable
from storage.initialize import init
from storage.model import DataClass, Purpose, RecordId, Scope
from storage.objects.keyring import KeyRing
from storage.packs.openings import for_tenant
from storage.packs.reader import Reader
from storage.policy import Stage
from storage.region import Backends, OpenRegion
from storage.retirement import retire, retire_open
from storage.testing import SERVICE, Domicile
from tests.integration.test_vacate import change, work_on
from tests.support.actions import erase, get, is_complete, purge_all
from tests.support.cli_harness import READ, CommandLine
from tests.support.inspect.stored import HOME, home
from tests.support.topologies import delete_entry, three_backends
from tests.support.topology_files import EU, SHIPPED, edit

pytestmark = pytest.mark.one_region


def without_eu_b(directory: Path) -> Path:
    """Return the shipped topology with another backend in the place of eu-b."""
    copy = shutil.copytree(SHIPPED, directory / "changed")
    edit(copy / EU, 'name = "eu-b"', 'name = "eu-c"')
    edit(copy / EU, 'path = "backends/eu-b"', 'path = "backends/eu-c"')
    return copy


def put(domicile: Domicile) -> RecordId:
    """Put a prompt on both backends."""
    return domicile.tenant().put(DataClass.PROMPT, b"mine").id


def alone(region: OpenRegion, name: str) -> OpenRegion:
    """Return the region with this backend only."""
    return replace(region, backends=Backends({name: region.backends[name]}))


def test_the_store_does_not_open(domicile: Domicile, tmp_path: Path) -> None:
    """The error names the backend, how much is there, and what to do."""
    put(domicile)
    topology = without_eu_b(tmp_path)
    kept = domicile.settings
    domicile.settings = kept.model_copy(update={"topology": topology})

    with pytest.raises(BackendUndeclared) as caught:
        domicile.open()

    assert "eu-b" in caught.value.message
    assert "3 replicas" in caught.value.message  # a pack, its day key and a canary
    assert "retire-a-backend" in caught.value.advice
    assert code_of(BackendUndeclared) is Exit.CONFIGURATION
    domicile.settings = kept
    domicile.open()


def test_that_its_replicas_are_gone_is_not_enough(domicile: Domicile, tmp_path: Path) -> None:
    """Nobody saw it empty, and an erasure of what was there would wait for its listing for ever."""
    put(domicile)
    purge_all(domicile, "eu-b")
    domicile.settings = domicile.settings.model_copy(update={"topology": without_eu_b(tmp_path)})

    for use in (domicile.open, lambda: init(domicile.settings, dependencies=domicile.dependencies)):
        with pytest.raises(BackendUndeclared, match=r"eu-b .*was never seen empty") as caught:
            use()

        assert "with retires = true, and run: domicile backend retire eu-b" in caught.value.advice


def test_after_its_statement_the_entry_is_not_needed(domicile: Domicile, tmp_path: Path) -> None:
    """What was there is erased with a receipt. Nothing waits for a backend that nobody knows."""
    put(domicile)
    change(domicile, tmp_path / "1", retires="eu-b")
    work_on(domicile)
    deleted = three_backends(tmp_path / "2")
    delete_entry(deleted, "eu-b")
    domicile.settings = domicile.settings.model_copy(update={"topology": deleted})

    domicile.open()
    init(domicile.settings, dependencies=domicile.dependencies)

    erasure = erase(domicile.store.tenant("acme-eu").bind(SERVICE), Scope.tenant())
    work_on(domicile)
    assert is_complete(domicile, erasure)
    with home(domicile).catalog.begin() as connection:  # as a worker of an older topology does
        departures.follow(connection, [], ["eu-a", "eu-b"], domicile.clock.now())
    with pytest.raises(BackendUndeclared, match="was never seen empty"):
        domicile.open()


def test_storage_that_is_lost_needs_no_entry(domicile: Domicile, tmp_path: Path) -> None:
    """Nobody can list it ever again."""
    purge_all(domicile, "eu-b")
    with home(domicile).catalog.begin() as connection:
        now = domicile.clock.now()
        assert storages.note_loss(connection, "eu-b", now, actor="ops-7", document="a" * 64)
    domicile.settings = domicile.settings.model_copy(update={"topology": without_eu_b(tmp_path)})

    domicile.open()


def test_a_retired_region_needs_no_entries(domicile: Domicile, tmp_path: Path) -> None:
    """All of it was seen empty, whatever topology was seen since."""
    shipped, means = domicile.settings, domicile.dependencies
    domicile.pass_time(hours=1)
    statement = retire(shipped, HOME, domicile.log, dependencies=means)
    domicile.pass_time(days=1)
    init(shipped, dependencies=means)
    lacks = shipped.model_copy(update={"topology": without_eu_b(tmp_path)})

    init(lacks, dependencies=means)

    with open_regions(lacks, means, only=HOME) as (region,):
        assert retire_open(region, domicile.log) == statement


@pytest.mark.parametrize("later", [False, True])
def test_a_region_that_begins_again_needs_entries_of_what_it_uses(
    domicile: Domicile, tmp_path: Path, *, later: bool
) -> None:
    """What was used before its statement was seen empty. What is used then was not."""
    domicile.pass_time(hours=1)
    retire(domicile.settings, HOME, domicile.log, dependencies=domicile.dependencies)
    with home(domicile).catalog.begin() as connection:
        stages.add(connection, Stage.ROUTABLE, "")
    if later:
        domicile.pass_time(days=1)
        domicile.open()
        purge_all(domicile, "eu-b")
    domicile.settings = domicile.settings.model_copy(update={"topology": without_eu_b(tmp_path)})

    unseen = pytest.raises(BackendUndeclared, match="never seen empty")
    with unseen if later else nullcontext():
        domicile.open()


def test_commands_say_so(line: CommandLine, tmp_path: Path) -> None:
    """No command takes it for a bug, and doctor finds it."""
    record = line.put("hello")
    changed = {"DOMICILE_TOPOLOGY": str(without_eu_b(tmp_path))}
    line("init", environment=changed)

    for command in (
        ["get", "acme-eu", record, *READ],
        ["status"],
        ["doctor"],
    ):
        result = line(*command, environment=changed)
        assert result.exit_code == Exit.CONFIGURATION, result.output
        assert "eu-b" in result.output
        assert "bug" not in result.output


def reader_of(region: OpenRegion, keys: KeyRing) -> Reader:
    """Return what a service of the tenant reads with."""
    return Reader(region, keys, for_tenant(region, SERVICE, Purpose.SERVE))


@pytest.mark.parametrize("known", ["eu-a", "eu-b"])
def test_a_process_that_is_open_reads_the_other_replica(domicile: Domicile, known: str) -> None:
    """A replica on a backend that is not known is passed over, of the body and of the key."""
    record = put(domicile)
    region = alone(home(domicile), known)

    found = reader_of(region, KeyRing(region)).get("acme-eu", record)

    assert found.body == b"mine"


def test_without_any_known_backend_it_is_unavailable(domicile: Domicile) -> None:
    """The bytes may be there: nothing is called corrupt, and nothing is marked."""
    record = put(domicile)
    region = replace(home(domicile), backends=Backends())

    with pytest.raises(KeyUnavailable):
        reader_of(region, KeyRing(region)).get("acme-eu", record)
    with pytest.raises(Unavailable, match="No replica can be read now"):
        reader_of(region, domicile.homes.served("eu-central-1").keys).get("acme-eu", record)

    assert get(domicile.tenant(), record) == b"mine"


@pytest.mark.parametrize("error", [ValueError("x"), OSError("x"), KeyError("x"), RuntimeError("x")])
def test_a_read_goes_on_whatever_a_backend_raises(domicile: Domicile, error: Exception) -> None:
    """An error that no backend should raise is that backend's, not the reader's."""
    tenant = domicile.tenant()
    record = tenant.put(DataClass.PROMPT, b"mine").id
    inner = domicile.backends["eu-a"].inner

    def fail(*_: object, **__: object) -> bytes:
        raise error

    inner.get = fail  # type: ignore[method-assign]

    assert get(tenant, record) == b"mine"
