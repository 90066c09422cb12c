"""A backend that leaves the topology while replicas are there: noticed when the store opens."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from storage.catalog import tables as t
from storage.cli.exit_codes import Exit, code_of
from storage.errors import BackendUndeclared, KeyUnavailable, Unavailable
from storage.model import DataClass, Purpose, RecordId
from storage.objects.keyring import KeyRing
from storage.packs.reader import Reader
from storage.region import Backends, OpenRegion
from storage.testing import Domicile
from tests.support.actions import get
from tests.support.cli_harness import CommandLine
from tests.support.inspect.stored import home
from tests.support.topology_files import EU, SHIPPED, edit


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


def test_what_is_gone_keeps_nothing_from_opening(domicile: Domicile, tmp_path: Path) -> None:
    """Rows of replicas that were seen absent stay for a while, as evidence."""
    put(domicile)
    with home(domicile).catalog.begin() as connection:
        connection.execute(
            update(t.replica).where(t.replica.c.backend == "eu-b").values(state="gone")
        )
    domicile.settings = domicile.settings.model_copy(update={"topology": without_eu_b(tmp_path)})

    domicile.open()


def test_commands_say_so(line: CommandLine, tmp_path: Path) -> None:
    """No command takes it for a bug, and doctor finds it."""
    record = line.put("hello")
    changed = {"DOMICILE_TOPOLOGY": str(without_eu_b(tmp_path))}
    line("init", environment=changed)

    for command in (["get", "acme-eu", record, "--purpose", "serve"], ["status"], ["doctor"]):
        result = line(*command, environment=changed)
        assert result.exit_code == Exit.CONFIGURATION, result.output
        assert "eu-b" in result.output
        assert "bug" not in result.output


@pytest.mark.parametrize("known", ["eu-a", "eu-b"])
def test_a_process_that_is_open_reads_the_other_replica(domicile: Domicile, known: str) -> None:
    """A replica on a backend that is not known is passed over, of the body and of the key."""
    record = put(domicile)
    region = alone(home(domicile), known)

    found = Reader(region, KeyRing(region)).get("acme-eu", record, Purpose.SERVE)

    assert found.body == b"mine"


def test_without_any_known_backend_it_is_unavailable(domicile: Domicile) -> None:
    """The bytes may be there: nothing is called corrupt, and nothing is marked."""
    record = put(domicile)
    region = replace(home(domicile), backends=Backends())

    with pytest.raises(KeyUnavailable):
        Reader(region, KeyRing(region)).get("acme-eu", record, Purpose.SERVE)
    with pytest.raises(Unavailable, match="No replica can be read now"):
        Reader(region, domicile.homes.served("eu-central-1").keys).get(
            "acme-eu", record, Purpose.SERVE
        )

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
