"""No receipt while a backend has a key of the same day that no row names."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

import pytest
from sqlalchemy import update

from storage.catalog import tables as t
from storage.errors import BackendUnavailable
from storage.model import Erasure, Scope
from storage.ports import StoredItem
from storage.testing import Call, Domicile, Gate
from storage.testing.harness import Kind
from storage.workers.due import due
from tests.support.actions import duty, erase, is_complete, put_file, put_prompt, work
from tests.support.holds import place_hold, release_holds
from tests.support.inspect.stored import home, orphans_on_backends
from tests.support.scrubs import keys_of, scrubbed, traces_of
from tests.support.topologies import three_backends

pytestmark = pytest.mark.one_region

r = t.replica

FIRST, LAST = "0" * 65, "f" * 65  # before and after every key of a day


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """One key in a piece."""
    monkeypatch.setattr("storage.workers.sweep.PAGE", 1)
    monkeypatch.setattr("storage.workers.sweep.REQUESTS", 1)


def stored(domicile: Domicile, put: Callable[[Domicile, str], object] = put_prompt) -> str:
    """Put a record about ``u``; return the key of its pack on one backend."""
    domicile.tenant()
    put(domicile, "u")
    return keys_of(domicile)[-1]


def copy(domicile: Domicile, key: str, name: str = LAST) -> str:
    """Leave a copy of an object under another name of the same day, as another client would."""
    inner = domicile.backends["eu-a"].inner
    other = key[:-65] + name
    inner.put(other, inner.get(key), timeout=30)
    return other


def rounds(domicile: Domicile, count: int = 3) -> None:
    """Run workers, an hour and more apart."""
    for _ in range(count):
        work(domicile, hours=1.1)


def emptied(domicile: Domicile, *subjects: str) -> list[Erasure]:
    """Erase subjects until only the listing and the signature are left to do."""
    tenant = domicile.store.tenant("acme-eu")
    found = [erase(tenant, Scope.subject(subject)) for subject in subjects]
    duty(domicile, "plan")
    duty(domicile, "purge")
    return found


def waits_for(domicile: Domicile, erasure: Erasure) -> list[tuple[str, int, str | None]]:
    """Return what an operator sees: backend, number and error code."""
    return [
        (x.backend, x.replicas, x.last_error)
        for x in domicile.store.erasure(erasure.id).outstanding
    ]


class TestACopy:
    @pytest.fixture(params=["memory", "directory", "s3"])
    def domicile_backends(self, request: pytest.FixtureRequest) -> Kind:
        """Every kind; memory and S3 have versions."""
        kind: Kind = request.param
        return kind

    def test_keeps_the_receipt_open_until_a_scrub_has_purged_it(self, domicile: Domicile) -> None:
        """All that the rows name is gone, and the ciphertext is still there."""
        other = copy(domicile, stored(domicile))
        erasure = erase(domicile.store.tenant("acme-eu"))
        rounds(domicile)

        assert len(traces_of(domicile, other)) == 1
        assert not is_complete(domicile, erasure)
        assert waits_for(domicile, erasure) == [("eu-a", 1, "OrphansLeft")]

        domicile.pass_time(days=3)
        assert scrubbed(domicile) == {"orphan/purged": 1}
        rounds(domicile, 1)
        assert is_complete(domicile, erasure)
        assert orphans_on_backends(domicile) == []


def finished(domicile: Domicile, key: str) -> None:
    """Leave a copy."""
    copy(domicile, key)


def hidden(domicile: Domicile, key: str) -> None:
    """Leave a copy that only a listing of versions shows."""
    domicile.backends["eu-a"].inner.delete(copy(domicile, key))  # type: ignore[attr-defined]


def unfinished(domicile: Domicile, key: str) -> None:
    """Leave a copy that was never finished."""
    inner = domicile.backends["eu-a"].inner
    inner.upload(key[:-65] + LAST, timeout=30).write(inner.get(key))


def misplaced(domicile: Domicile, key: str) -> None:
    """Leave a copy under a key that another backend rightly has."""
    put_prompt(domicile, "other")
    other, inner = keys_of(domicile, "eu-b")[-1], domicile.backends["eu-a"].inner
    inner.put(other, inner.get(key), timeout=30)


@pytest.mark.parametrize("leave", [finished, hidden, unfinished, misplaced])
def test_workers_alone_reconcile_it(
    domicile: Domicile, leave: Callable[[Domicile, str], None]
) -> None:
    """A person has three days to inspect it; then it is purged like any orphan."""
    leave(domicile, stored(domicile))
    erasure = erase(domicile.store.tenant("acme-eu"))
    rounds(domicile)
    assert not is_complete(domicile, erasure)

    work(domicile, days=3)
    work(domicile, hours=1)
    assert is_complete(domicile, erasure)
    assert orphans_on_backends(domicile) == []


class TestAForeignName:
    @pytest.fixture
    def domicile_backends(self) -> Kind:
        """Directories."""
        return "directory"

    def test_keeps_the_receipt_open_until_a_person_has_removed_it(self, domicile: Domicile) -> None:
        """It is not a valid key, and may be a copy all the same. No worker purges it."""
        pack = domicile.settings.home / "backends" / "eu-a" / stored(domicile)
        copied = pack.with_name("Copy of a pack")
        copied.write_bytes(pack.read_bytes())
        erasure = erase(domicile.store.tenant("acme-eu"))
        rounds(domicile)
        work(domicile, days=4)
        assert waits_for(domicile, erasure) == [("eu-a", 1, "OrphansLeft")]

        copied.unlink()
        rounds(domicile, 1)
        assert is_complete(domicile, erasure)

    def test_that_is_not_text_is_one_too(self, domicile: Domicile) -> None:
        """No catalog could store it. Other backends are swept all the same."""
        pack = domicile.settings.home / "backends" / "eu-a" / stored(domicile)
        pack.with_name(os.fsdecode(b"Kopie \xfc")).write_bytes(pack.read_bytes())
        erasure = erase(domicile.store.tenant("acme-eu"))
        rounds(domicile)
        assert waits_for(domicile, erasure) == [("eu-a", 1, "OrphansLeft")]


def test_a_copy_of_a_file(domicile: Domicile) -> None:
    """It has no day, so all that does not expire is listed."""
    copy(domicile, stored(domicile, put_file))
    erasure = erase(domicile.store.tenant("acme-eu"))
    rounds(domicile)

    assert waits_for(domicile, erasure) == [("eu-a", 1, "OrphansLeft")]


def test_a_copy_of_another_day_or_kind_keeps_nothing_open(domicile: Domicile) -> None:
    """A receipt says nothing about them."""
    key = stored(domicile)
    for other in (key.replace("2026", "2027", 1), "day_key" + key.removeprefix("pack")):
        domicile.backends["eu-a"].inner.put(other[:-65] + LAST, b"whose", timeout=30)
    erasure = erase(domicile.store.tenant("acme-eu"))
    work(domicile)

    assert is_complete(domicile, erasure)


def test_a_copy_that_a_person_deletes(domicile: Domicile) -> None:
    """Nothing else is to be done: the next listing shows nothing."""
    other = copy(domicile, stored(domicile))
    erasure = erase(domicile.store.tenant("acme-eu"))
    rounds(domicile)
    domicile.backends["eu-a"].inner.purge(other)
    rounds(domicile, 1)

    assert is_complete(domicile, erasure)


def test_what_is_being_written_has_a_row(domicile: Domicile) -> None:
    """A write that is not committed keeps nothing open, if it began after the fence."""
    stored(domicile)
    (erasure,) = emptied(domicile, "u")
    gate, backend = Gate(), domicile.backends["eu-a"]

    def landed(call: Call) -> object:
        landed = call.proceed()
        gate.wait()
        return landed

    backend.inject(landed, "put", prefix="pack/")
    with ThreadPoolExecutor(1) as aside:
        putting = aside.submit(put_prompt, domicile, "other")
        assert gate.reached.wait(30)
        duty(domicile, "sweep")
        duty(domicile, "complete")
        gate.open.set()
        putting.result(30)

    assert is_complete(domicile, erasure)


def test_what_a_listing_shows_too_long(domicile: Domicile) -> None:
    """It was deleted, and its row with it, after the backend had listed it."""
    other = copy(domicile, stored(domicile))
    backend = domicile.backends["eu-a"]

    def late(call: Call) -> object:
        shown = list(call.proceed())  # type: ignore[call-overload]
        backend.inner.purge(other)
        return iter(shown)

    backend.inject(late, "scan", prefix="pack/")
    erasure = erase(domicile.store.tenant("acme-eu"))
    work(domicile)

    assert is_complete(domicile, erasure)


def test_what_came_back_is_purged_again(domicile: Domicile) -> None:
    """A key whose row says that it is gone is a byte that is left."""
    key = stored(domicile)
    data = domicile.backends["eu-a"].inner.get(key)
    (erasure,) = emptied(domicile, "u")
    domicile.backends["eu-a"].inner.put(key, data, timeout=30)
    duty(domicile, "sweep")
    duty(domicile, "complete")
    assert not is_complete(domicile, erasure)

    work(domicile)
    assert traces_of(domicile, key) == []
    assert is_complete(domicile, erasure)


def test_a_key_that_keeps_changing_is_not_named(domicile: Domicile) -> None:
    """Another process purges it again and again; nobody knows how that ends."""
    key = stored(domicile)
    data = domicile.backends["eu-a"].inner.get(key)
    (erasure,) = emptied(domicile, "u")
    domicile.backends["eu-a"].inner.put(key, data, timeout=30)
    states = cycle(["purging", "gone"])

    def meanwhile(call: Call) -> object:
        with home(domicile).catalog.begin() as connection:
            connection.execute(update(r).where(r.c.key == key).values(state=next(states)))
        return call.proceed()

    domicile.backends["eu-a"].inject(meanwhile, "list_key", prefix=key, times=4)
    duty(domicile, "sweep")
    duty(domicile, "complete")

    assert not is_complete(domicile, erasure)


@pytest.mark.usefixtures("short")
def test_a_long_listing_goes_on_where_it_ended(domicile: Domicile) -> None:
    """It is complete only at the last key."""
    copy(domicile, stored(domicile))
    for n in range(5):
        put_prompt(domicile, f"other {n}")
    erasure = erase(domicile.store.tenant("acme-eu"))
    rounds(domicile)

    assert waits_for(domicile, erasure) == [("eu-a", 1, "OrphansLeft")]
    scans = [prefix for method, prefix in domicile.backends["eu-a"].calls if method == "scan"]
    assert len(scans) > 3


@pytest.mark.usefixtures("short")
def test_a_listing_says_nothing_about_what_went_after_its_beginning(domicile: Domicile) -> None:
    """A copy of that may be among the keys that it has passed already."""
    stored(domicile)
    put_prompt(domicile, "other")
    later = keys_of(domicile)[-1]
    put_prompt(domicile, "third")
    (first,) = emptied(domicile, "u")
    backend, others = domicile.backends["eu-a"], list[Erasure]()

    def meanwhile(call: Call) -> object:
        if call.after and not others:
            copy(domicile, later, FIRST)
            others.extend(emptied(domicile, "other"))
        return call.proceed()

    rule = backend.inject(meanwhile, "scan", prefix="pack/")
    duty(domicile, "sweep")
    backend.heal(rule)
    duty(domicile, "complete")

    (second,) = others
    assert (is_complete(domicile, first), is_complete(domicile, second)) == (True, False)
    rounds(domicile, 1)
    assert waits_for(domicile, second) == [("eu-a", 1, "OrphansLeft")]


def unlisted(call: Call) -> list[StoredItem]:
    """List nothing."""
    return []


@pytest.mark.parametrize("hidden", ["", "canary/"])
def test_a_backend_that_hides_its_control_is_not_believed(domicile: Domicile, hidden: str) -> None:
    """Its listings of many keys may hide the copy too, also if it lists one key well."""
    other = copy(domicile, stored(domicile))
    (erasure,) = emptied(domicile, "u")
    rule = domicile.backends["eu-a"].inject(unlisted, "scan", prefix=hidden)
    duty(domicile, "sweep")
    duty(domicile, "complete")
    assert not is_complete(domicile, erasure)
    assert [error for _, _, error in waits_for(domicile, erasure)] == ["ControlUnlisted"]

    domicile.backends["eu-a"].heal(rule)
    domicile.backends["eu-a"].inner.purge(other)
    rounds(domicile, 2)
    assert is_complete(domicile, erasure)


@pytest.mark.parametrize("when", ["fail_before", "fail_after"])
def test_a_listing_that_fails_proves_nothing(domicile: Domicile, when: str) -> None:
    """At its beginning or at its end."""
    stored(domicile)
    (erasure,) = emptied(domicile, "u")
    faults = getattr(domicile.backends["eu-b"], when)
    faults["scan"] = lambda _: BackendUnavailable("eu-b")
    rounds(domicile)
    assert waits_for(domicile, erasure) == [("eu-b", 0, "BackendUnavailable")]

    faults.clear()
    rounds(domicile, 1)
    assert is_complete(domicile, erasure)


def test_a_backend_that_left_is_not_asked_again(domicile: Domicile, tmp_path: Path) -> None:
    """It was seen empty and is signed to be; its bucket may be deleted. A hold may last years."""
    tenant = domicile.tenant()
    for subject in ("kept", "u"):
        put_prompt(domicile, subject)
    hold = place_hold(domicile, Scope.subject("kept"))
    erasure = erase(tenant, Scope.tenant())
    work(domicile)
    topology = three_backends(tmp_path, retires="eu-a")
    domicile.settings = domicile.settings.model_copy(update={"topology": topology})
    domicile.open()
    rounds(domicile, 4)
    domicile.take_down("eu-a")

    release_holds(domicile, hold)
    rounds(domicile, 4)

    assert is_complete(domicile, erasure)


def test_one_listing_serves_all_erasures_of_a_day(domicile: Domicile) -> None:
    """However many objects they have there."""
    day = stored(domicile)[:-65]
    for n in range(6):
        put_prompt(domicile, f"u{n}")
    erasures = emptied(domicile, *(f"u{n}" for n in range(6)))
    assert due(home(domicile))["sweep"] == 2
    duty(domicile, "sweep")
    assert due(home(domicile))["sweep"] == 0
    duty(domicile, "complete")

    assert all(is_complete(domicile, erasure) for erasure in erasures)
    asked = [call for call in domicile.backends["eu-a"].calls if call == ("scan", day)]
    assert len(asked) == 1
