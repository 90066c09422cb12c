"""Emptying a backend: it retires, or the agreement of its company ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from itertools import product
from pathlib import Path

import pytest
from sqlalchemy import select

from storage.catalog import departures
from storage.catalog import tables as t
from storage.catalog.departures import Departure
from storage.client.tenant import BoundTenant
from storage.errors import KeyUnavailable, PlacementUnsatisfied
from storage.evidence.departures import verify_statement
from storage.model import DataClass, Purpose
from storage.testing import SERVICE, Domicile, forbid
from tests.support.actions import duty, erase, get, is_complete, work
from tests.support.holds import open_held, place_hold
from tests.support.inspect.stored import OF_THE_LOG, home
from tests.support.topologies import three_backends

pytestmark = pytest.mark.one_region

r = t.replica.c


def change(domicile: Domicile, directory: Path, **changes: object) -> None:
    """Open the store again, with a third backend and these changes."""
    topology = three_backends(directory, **changes)  # type: ignore[arg-type]
    domicile.settings = domicile.settings.model_copy(update={"topology": topology})
    domicile.open()


def keys_on(domicile: Domicile, name: str) -> list[str]:
    """Return the keys of everything that is on a backend."""
    return [trace.key for trace in domicile.backends[name].inner.scan()]


def work_on(domicile: Domicile) -> None:
    """Work for some hours, until no abandoned write can take effect any more."""
    for _ in range(4):
        work(domicile, hours=1)


def departure(domicile: Domicile, name: str = "eu-a") -> Departure:
    """Return how far a backend is emptied."""
    with home(domicile).catalog.begin() as connection:
        found = departures.latest(connection, name)
    assert found is not None
    return found


@contextmanager
def reads(domicile: Domicile, name: str) -> Iterator[list[str]]:
    """Collect the keys that are read from a backend."""
    inner, asked = domicile.backends[name].inner, list[str]()
    get_ = inner.get

    def watched(key: str, *args: object, **more: object) -> bytes:
        asked.append(key)
        return get_(key, *args, **more)  # type: ignore[arg-type]

    inner.get = watched  # type: ignore[method-assign]
    yield asked
    inner.get = get_  # type: ignore[method-assign]


def watch(domicile: Domicile, name: str, what: str, calls: list[tuple[str, str]]) -> None:
    """Note each call of a method of a backend."""
    inner = domicile.backends[name].inner
    plain = getattr(inner, what)

    def noted(key: str) -> None:
        calls.append((name, what))
        plain(key)

    setattr(inner, what, noted)


def test_a_backend_that_retires_is_emptied(domicile: Domicile, tmp_path: Path) -> None:
    """What was there is on two other backends, and the signed statement counts it."""
    tenant = domicile.tenant()
    records = [tenant.put(DataClass.PROMPT, b"mine %d" % n).id for n in range(3)]
    file = tenant.put_file([b"a file"]).id
    work_on(domicile)
    before = keys_on(domicile, "eu-a")

    change(domicile, tmp_path, retires="eu-a")
    work_on(domicile)

    assert keys_on(domicile, "eu-a") == []
    there = keys_on(domicile, "eu-c")  # the log went on meanwhile
    moved = [sum(not key.startswith(OF_THE_LOG) for key in keys) for keys in (before, there)]
    assert moved == [6, 6]
    read = [get(tenant_of(domicile), record) for record in records]
    assert read == [b"mine 0", b"mine 1", b"mine 2"]
    assert get(tenant_of(domicile), file) == b"a file"
    done = departure(domicile)
    statement = verify_statement(str(done.token), home(domicile).signing.public_key())
    assert (statement.region, statement.backend) == ("eu-central-1", "eu-a")
    assert (statement.sub_processor, statement.located) == ("lindenhost", "local")
    assert statement.replicas == len(before)
    assert statement.bytes == done.bytes > 0
    assert statement.begun <= statement.absent_at == done.finished
    assert statement.topology == home(domicile).topology.digest


def test_nothing_is_missing_where_a_backend_was(domicile: Domicile, tmp_path: Path) -> None:
    """Keys and ledger entries are on every backend: afterwards they are on all that are left."""
    change(domicile, tmp_path / "1")
    domicile.tenant().put(DataClass.PROMPT, b"mine", subject="u")
    erase(tenant_of(domicile))
    work_on(domicile)
    assert {key.split("/")[0] for key in keys_on(domicile, "eu-a")} >= {"ledger", "day_key"}

    change(domicile, tmp_path / "2", retires="eu-a")
    work_on(domicile)

    assert keys_on(domicile, "eu-a") == []
    assert [b.missing for b in domicile.store.status().regions[0].backends] == [0, 0, 0]


def tenant_of(domicile: Domicile) -> BoundTenant:
    """Return the tenant of the store that is open now."""
    return domicile.store.tenant("acme-eu").bind(SERVICE)


def test_nothing_new_goes_there(domicile: Domicile, tmp_path: Path) -> None:
    """Not a record, nor a ledger entry, nor a canary: it may refuse them. explain says why."""
    domicile.backends["eu-a"].inject(forbid, "put", "probe")
    change(domicile, tmp_path, retires="eu-a")
    tenant = domicile.tenant()

    record = tenant.put(DataClass.PROMPT, b"mine", subject="u").id
    reasons = {v.backend: v.reason for v in tenant.explain(record).verdicts}
    erase(tenant)

    assert keys_on(domicile, "eu-a") == []
    assert reasons["eu-a"] == "backend_retires"


def test_nothing_is_purged_before_it_is_elsewhere(domicile: Domicile, tmp_path: Path) -> None:
    """While the other backend is down, the replica stays and is read."""
    tenant = domicile.tenant()
    record = tenant.put(DataClass.PROMPT, b"mine").id
    change(domicile, tmp_path, retires="eu-a")
    domicile.take_down("eu-c")
    before = keys_on(domicile, "eu-a")

    work(domicile, hours=1)
    assert keys_on(domicile, "eu-a") == before
    domicile.bring_back("eu-c")
    work(domicile, hours=1)
    work(domicile, hours=1)

    assert keys_on(domicile, "eu-a") == []
    assert get(tenant_of(domicile), record) == b"mine"


def test_the_others_are_read_before_the_purge(domicile: Domicile, tmp_path: Path) -> None:
    """A replica that is not what was written is made again from the one that leaves."""
    tenant = domicile.tenant()
    record = tenant.put(DataClass.PROMPT, b"mine").id
    inner = domicile.backends["eu-b"].inner
    for key in keys_on(domicile, "eu-b"):
        size = len(inner.get(key))
        inner.purge(key)
        inner.put(key, bytes(size), timeout=10)

    change(domicile, tmp_path, retires="eu-a")
    work_on(domicile)

    assert keys_on(domicile, "eu-a") == []
    domicile.take_down("eu-c")
    assert get(tenant_of(domicile), record) == b"mine"


def test_held_objects_are_moved_with_their_lock(domicile: Domicile, tmp_path: Path) -> None:
    """What a hold keeps is on other backends; the lock is released after the move only."""
    tenant = domicile.tenant()
    record = tenant.put(DataClass.PROMPT, b"mine", subject="u").id
    placed = place_hold(domicile)
    for _ in range(10):
        work(domicile, days=4)
    assert [key for key in keys_on(domicile, "eu-a") if key.startswith("held/")]

    change(domicile, tmp_path, retires="eu-a")
    calls = list[tuple[str, str]]()
    for name, what in product(("eu-a", "eu-c"), ("preserve", "release")):
        watch(domicile, name, what, calls)
    work_on(domicile)

    assert keys_on(domicile, "eu-a") == []
    assert calls.index(("eu-c", "preserve")) < calls.index(("eu-a", "release"))
    assert not [call for call in calls if call == ("eu-c", "release")]
    assert open_held(domicile, placed, record) == b"mine"


def test_orphans_keep_it_from_being_called_empty(domicile: Domicile, tmp_path: Path) -> None:
    """The statement is about the whole backend, and not only about what the catalog knows."""
    domicile.tenant().put(DataClass.PROMPT, b"mine")
    domicile.backends["eu-a"].inner.put("pack/nobody", b"x", timeout=10)
    change(domicile, tmp_path, retires="eu-a")

    work_on(domicile)
    assert departure(domicile).token is None

    domicile.backends["eu-a"].inner.purge("pack/nobody")
    work(domicile)
    assert departure(domicile).token is not None


def test_a_listing_that_shows_nothing_proves_nothing(domicile: Domicile, tmp_path: Path) -> None:
    """Not even the control that was just left there. The receipts of others rest on it too."""
    domicile.tenant().put(DataClass.PROMPT, b"mine")
    backend = domicile.backends["eu-a"]
    backend.inner.put("pack/nobody", b"x", timeout=10)
    change(domicile, tmp_path, retires="eu-a")
    rule = backend.inject(lambda _: iter(()), "scan")
    work_on(domicile)
    assert departure(domicile).token is None

    backend.heal(rule)
    backend.inner.purge("pack/nobody")
    work_on(domicile)
    assert departure(domicile).token is not None
    assert keys_on(domicile, "eu-a") == []


def test_a_backend_that_stays_after_all(domicile: Domicile, tmp_path: Path) -> None:
    """Without its flag it takes bytes again, and nothing is counted or signed."""
    change(domicile, tmp_path / "1", retires="eu-a")
    domicile.tenant()
    domicile.take_down("eu-a")
    work(domicile)
    domicile.bring_back("eu-a")
    change(domicile, tmp_path / "2")

    work(domicile)

    with home(domicile).catalog.begin() as connection:
        assert departures.latest(connection, "eu-a") is None


def test_a_backend_that_was_emptied_before(domicile: Domicile, tmp_path: Path) -> None:
    """What another process wrote since is moved too, and has a statement of its own."""
    domicile.tenant().put(DataClass.PROMPT, b"mine")
    change(domicile, tmp_path / "1", retires="eu-a")
    work_on(domicile)
    first = departure(domicile)
    work_on(domicile)
    assert departure(domicile) == first
    change(domicile, tmp_path / "2")
    tenant_of(domicile).put(DataClass.PROMPT, b"more")
    assert keys_on(domicile, "eu-a")

    change(domicile, tmp_path / "3", retires="eu-a")
    work_on(domicile)

    second = departure(domicile)
    assert keys_on(domicile, "eu-a") == []
    assert second.token is not None
    assert second.begun > first.begun
    assert 0 < second.replicas < first.replicas


def test_what_too_few_could_take_is_made_again(domicile: Domicile, tmp_path: Path) -> None:
    """With one lawful backend left there is one replica; a later backend gets the other."""
    domicile.tenant().put(DataClass.PROMPT, b"mine")
    until = domicile.clock.now().date().isoformat()
    topology = three_backends(tmp_path / "1", until=until)
    text = (topology / "regions/eu-central-1.toml").read_text()
    without, _, _ = text.rpartition("[[backends]]")
    (topology / "regions/eu-central-1.toml").write_text(without)
    domicile.settings = domicile.settings.model_copy(update={"topology": topology})
    domicile.open()
    work_on(domicile)
    assert keys_on(domicile, "eu-a") == []

    change(domicile, tmp_path / "2", until=until)
    work_on(domicile)

    packs = [[key for key in keys_on(domicile, n) if "pack" in key] for n in ("eu-b", "eu-c")]
    assert [len(some) for some in packs] == [1, 1]


def test_an_agreement_that_ends_is_left_in_time(domicile: Domicile, tmp_path: Path) -> None:
    """From exit_days before its end nothing goes there, and what is there is moved and read."""
    tenant = domicile.tenant()
    record = tenant.put(DataClass.PROMPT, b"mine").id
    today = domicile.clock.now().date()
    until = date.fromordinal(today.toordinal() + 10)
    change(domicile, tmp_path, until=until.isoformat(), exit_days=7)

    work(domicile, days=2)
    assert keys_on(domicile, "eu-a")
    domicile.pass_time(days=1)
    with reads(domicile, "eu-a") as asked:
        assert get(tenant_of(domicile), record) == b"mine"
        assert asked  # it is lawful until the end
    work_on(domicile)

    assert keys_on(domicile, "eu-a") == []
    assert departure(domicile).token is not None


def test_a_place_that_is_not_lawful_is_not_read(domicile: Domicile, tmp_path: Path) -> None:
    """After the end only the duty that empties it reads there."""
    tenant = domicile.tenant()
    domicile.take_down("eu-b")
    record = tenant.put(DataClass.PROMPT, b"mine").id
    domicile.bring_back("eu-b")
    today = domicile.clock.now().date()
    change(domicile, tmp_path, until=today.isoformat())
    tenant = tenant_of(domicile)

    with reads(domicile, "eu-a") as asked:
        with pytest.raises(KeyUnavailable):
            tenant.get(record, purpose=Purpose.SERVE)
        assert asked == []
        work(domicile)
        assert asked
        asked.clear()
        assert get(tenant, record) == b"mine"
        assert asked == []
    work(domicile)
    assert keys_on(domicile, "eu-a") == []


def test_status_shows_what_leaves_and_what_is_overdue(domicile: Domicile, tmp_path: Path) -> None:
    """How much is left, by when it must be gone, and that the day is past."""
    tenant = domicile.tenant()
    tenant.put(DataClass.PROMPT, b"mine")
    today = domicile.clock.now().date()
    until = date.fromordinal(today.toordinal() + 1)
    change(domicile, tmp_path, until=until.isoformat(), exit_days=3)
    domicile.take_down("eu-c", "eu-b")

    work(domicile)
    (found,) = domicile.store.status().regions[0].leaving
    assert (found.backend, found.until, found.overdue) == ("eu-a", until, False)
    assert found.left > 0

    work(domicile, days=1)
    (found,) = domicile.store.status().regions[0].leaving
    assert found.overdue

    domicile.bring_back("eu-c", "eu-b")
    work_on(domicile)
    (found,) = domicile.store.status().regions[0].leaving
    assert (found.left, found.overdue) == (0, False)
    assert found.moved > 0


def test_an_erasure_waits_for_what_leaves(domicile: Domicile, tmp_path: Path) -> None:
    """A receipt has the backend that was emptied, also when the move came first."""
    tenant = domicile.tenant()
    tenant.put(DataClass.PROMPT, b"mine", subject="u")
    change(domicile, tmp_path, retires="eu-a")
    duty(domicile, "vacate")

    erasure = erase(tenant_of(domicile))
    work_on(domicile)

    assert is_complete(domicile, erasure)
    assert keys_on(domicile, "eu-a") == []
    with home(domicile).catalog.begin() as connection:
        assert (
            connection.scalars(select(r.id).where(r.backend == "eu-a", r.state != "gone")).all()
            == []
        )


def test_without_a_lawful_place_nothing_is_lost(domicile: Domicile, tmp_path: Path) -> None:
    """Where all leave, what is there stays, writes are refused, and status shows it."""
    tenant = domicile.tenant()
    record = tenant.put(DataClass.PROMPT, b"mine").id
    today = domicile.clock.now().date()
    end = date.fromordinal(today.toordinal() + 5).isoformat()
    topology = three_backends(tmp_path)
    companies = topology / "sub_processors.toml"
    companies.write_text(
        companies.read_text()
        .replace("since = 2025-01-01", f"since = 2025-01-01\nuntil = {end}")
        .replace('service = "hosting"', 'service = "hosting"\nexit_days = 10')
    )
    domicile.settings = domicile.settings.model_copy(update={"topology": topology})
    domicile.open()
    tenant = tenant_of(domicile)

    work(domicile)
    with pytest.raises(PlacementUnsatisfied):
        tenant.put(DataClass.PROMPT, b"more")

    assert get(tenant, record) == b"mine"
    assert {found.backend for found in domicile.store.status().regions[0].leaving} >= {
        "eu-a",
        "eu-b",
    }
