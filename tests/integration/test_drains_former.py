"""A backend that left the topology is in the receipt of a drain, or there is no receipt."""

import hashlib
import shutil
from os import urandom
from pathlib import Path

import pytest

from regions.load import load_topology
from storage.catalog import departures, topologies
from storage.catalog import tables as t
from storage.draining import drain, plan
from storage.errors import Unavailable
from storage.evidence.drains import Drain, verify_drain
from storage.logs import make_logger
from storage.model import DataClass
from storage.testing import Domicile
from tests.integration.test_vacate import change, departure, work_on
from tests.support.actions import purge_all
from tests.support.inspect.stored import HOME, home
from tests.support.topologies import lacking
from tests.support.topology_files import EU, SHIPPED, edit

pytestmark = pytest.mark.one_region

HOST = "lindenhost"
UNSEEN = "eu-a was a backend of lindenhost and was never seen empty"


def drained(domicile: Domicile) -> Drain:
    """Drain the host in a process whose topology lacks its backend. Return the receipt."""
    region, keys = lacking(home(domicile), "eu-a"), domicile.homes.served(HOME).keys
    token = drain(region, keys, HOST, make_logger(), tell=lambda _: None)
    return verify_drain(token, region.signing.public_key())


def test_bytes_that_no_row_knows_are_not_forgotten_with_the_entry(
    domicile: Domicile, tmp_path: Path
) -> None:
    """What retiring the backend refused is not signed because its entry was deleted."""
    domicile.tenant().put(DataClass.PROMPT, b"mine")
    domicile.backends["eu-a"].inner.put("pack/nobody", b"x", timeout=10)
    change(domicile, tmp_path, retires="eu-a")
    work_on(domicile)
    assert plan(lacking(home(domicile), "eu-a"), HOST).former == {"eu-a": None}

    with pytest.raises(Unavailable, match=UNSEEN) as caught:
        drained(domicile)

    assert "with retires = true, and run: domicile backend retire eu-a" in caught.value.advice
    domicile.backends["eu-a"].inner.purge("pack/nobody")
    work_on(domicile)
    (emptied,) = drained(domicile).backends
    known = departure(domicile)
    assert (emptied.backend, emptied.located, emptied.replicas) == ("eu-a", "local", known.replicas)
    assert emptied.statement == hashlib.sha256(str(known.token).encode()).hexdigest()


@pytest.mark.parametrize("forgotten", ["replica", "backend_storage"])
def test_that_its_replicas_are_gone_does_not_say_that_it_is_empty(
    domicile: Domicile, forgotten: str
) -> None:
    """Nobody ever listed it. Its rows are pruned in time; its identity is as old as that is."""
    domicile.tenant().put(DataClass.PROMPT, b"mine")
    purge_all(domicile, "eu-a")
    with home(domicile).catalog.begin() as connection:
        table = t.metadata.tables[forgotten]
        connection.execute(table.delete().where(table.c.backend == "eu-a"))

    with pytest.raises(Unavailable, match=UNSEEN):
        drained(domicile)


def test_a_statement_ends_when_the_backend_takes_bytes_again(
    domicile: Domicile, tmp_path: Path
) -> None:
    """What came later is not in it, also when its rows are gone again."""
    change(domicile, tmp_path / "1", retires="eu-a")
    work_on(domicile)
    first = departure(domicile)
    assert [each.backend for each in drained(domicile).backends] == ["eu-a"]
    change(domicile, tmp_path / "2")
    domicile.tenant().put(DataClass.PROMPT, b"mine")
    work_on(domicile)
    purge_all(domicile, "eu-a")

    with pytest.raises(Unavailable, match=UNSEEN):
        drained(domicile)

    with home(
        domicile
    ).catalog.begin() as connection:  # a worker that lacks the entry forgets nothing
        departures.follow(connection, [], ["eu-b", "eu-c"], domicile.clock.now())
    with pytest.raises(Unavailable, match=UNSEEN):
        drained(domicile)
    change(domicile, tmp_path / "3", retires="eu-a")
    work_on(domicile)
    assert departure(domicile).begun > first.begun
    assert [each.backend for each in drained(domicile).backends] == ["eu-a"]


def test_a_backend_that_never_took_a_byte_needs_no_statement(
    domicile: Domicile, tmp_path: Path
) -> None:
    """A name that was wrong for a day, and was never used."""
    change(domicile, tmp_path / "1", retires="eu-a")
    work_on(domicile)
    wrong = shutil.copytree(SHIPPED, tmp_path / "wrong")
    edit(wrong / EU, 'name = "eu-a"', 'name = "eu-z"')
    with home(domicile).catalog.begin() as connection:
        topologies.note(connection, load_topology(wrong), domicile.clock.now(), urandom)
    domicile.pass_time(minutes=1)

    assert [each.backend for each in drained(domicile).backends] == ["eu-a"]
