"""Scrub: each fault of a backend is planted, found and repaired in one round."""

from collections.abc import Callable
from io import BytesIO

import pytest

from storage.catalog import tables as t
from storage.model import DataClass, Purpose, RecordId
from storage.ports import ItemKind
from storage.testing import SERVICE, Domicile
from storage.testing.harness import Kind
from tests.support.actions import erase, get, is_complete, work
from tests.support.inspect.stored import home
from tests.support.scrubs import (
    keys_of,
    overwrite,
    scrubbed,
    state_of,
    traces_of,
)

pytestmark = pytest.mark.one_region

STRAY = "pack/2026-03-20/0123-4567"


@pytest.fixture(params=["memory", "directory"])
def domicile_backends(request: pytest.FixtureRequest) -> Kind:
    """Versions and markers, or temporary files."""
    kind: Kind = request.param
    return kind


@pytest.fixture
def put(domicile: Domicile) -> RecordId:
    """Put a record on both backends of its region."""
    made = domicile.tenant().put(DataClass.PROMPT, b"mine", subject="u").id
    work(domicile)
    return made


def reads_from(domicile: Domicile, put: RecordId, backend: str) -> bool:
    """Return whether the record can be read from this backend alone."""
    others = [name for name in ("eu-a", "eu-b") if name != backend]
    domicile.take_down(*others)
    domicile.open()
    read = get(domicile.store.tenant("acme-eu").bind(SERVICE), put) == b"mine"
    domicile.bring_back(*others)
    return read


def nothing_is_wrong(domicile: Domicile) -> bool:
    """Require that full rounds of both backends find nothing."""
    return all(scrubbed(domicile, name, 1.0) == {} for name in ("eu-a", "eu-b"))


def test_where_nothing_is_wrong_nothing_is_found(domicile: Domicile, put: RecordId) -> None:
    """Packs, day keys, file keys, files and three objects of the log are read, and none changes."""
    domicile.store.tenant("acme-eu").put_file(BytesIO(b"file" * 1000))
    work(domicile)

    assert scrubbed(domicile, share=1.0) == {}

    state = state_of(domicile)
    assert state.tally.read == 7
    assert (state.started, state.after, state.unrepaired) == (None, "", 0)


def lost(domicile: Domicile, key: str) -> None:
    """Remove the object."""
    domicile.backends["eu-a"].inner.purge(key)


def shorter(domicile: Domicile, key: str) -> None:
    """Remove a byte."""
    inner = domicile.backends["eu-a"].inner
    overwrite(inner, key, inner.get(key)[:-1])


def flipped(domicile: Domicile, key: str) -> None:
    """Flip a bit."""
    inner = domicile.backends["eu-a"].inner
    data = bytearray(inner.get(key))
    data[len(data) // 2] ^= 1
    overwrite(inner, key, bytes(data))


def unfinished(domicile: Domicile, key: str) -> None:
    """Begin another write of the same key."""
    domicile.backends["eu-a"].inner.upload(key, timeout=30).write(b"part")


@pytest.mark.parametrize("kind", ["pack", "day_key"])
@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (lost, "missing/replacing"),
        (shorter, "wrong_size/replacing"),
        (flipped, "corrupt/replacing"),
        (unfinished, "leftover/replacing"),
    ],
)
def test_a_replica_that_is_not_as_written_is_made_anew(
    domicile: Domicile, put: RecordId, kind: str, plant: Callable[[Domicile, str], None], found: str
) -> None:
    """From another replica; the corrupt one goes. Packs and key objects alike."""
    (key,) = keys_of(domicile, kind=kind)
    plant(domicile, key)

    assert scrubbed(domicile, share=1.0) == {found: 1}
    work(domicile, hours=1)

    assert traces_of(domicile, key) == []
    assert reads_from(domicile, put, "eu-a")
    assert nothing_is_wrong(domicile)


def test_the_last_replica_is_never_purged(domicile: Domicile, put: RecordId) -> None:
    """Both replicas are corrupt and cannot be repaired; they may still be of use."""
    (key,), (other,) = keys_of(domicile), keys_of(domicile, "eu-b")
    flipped(domicile, key)
    inner = domicile.backends["eu-b"].inner
    overwrite(inner, other, b"x" * len(inner.get(other)))

    assert scrubbed(domicile, "eu-a", 1.0) == {"corrupt/unmended": 1}
    assert scrubbed(domicile, "eu-b", 1.0) == {"corrupt/unmended": 1}
    work(domicile, hours=1)

    assert [len(traces_of(domicile, key)), len(traces_of(domicile, other, "eu-b"))] == [1, 1]
    (region,) = domicile.store.status().regions
    assert [backend.unrepaired for backend in region.backends] == [1, 1]
    assert all(backend.scrubbed is not None for backend in region.backends)


def test_a_replica_is_not_purged_for_one_that_cannot_be_read(
    domicile: Domicile, put: RecordId
) -> None:
    """The other backend is down: its replica may be corrupt. Later it is seen to be good."""
    (key,) = keys_of(domicile)
    flipped(domicile, key)
    domicile.take_down("eu-b")

    assert scrubbed(domicile, share=1.0) == {"corrupt/unmended": 1}
    assert len(traces_of(domicile, key)) == 1

    domicile.bring_back("eu-b")
    assert scrubbed(domicile, share=1.0) == {"corrupt/replacing": 1}


def whole(domicile: Domicile) -> None:
    """Put an object."""
    domicile.backends["eu-a"].inner.put(STRAY, b"whose", timeout=30)


def part(domicile: Domicile) -> None:
    """Leave an unfinished upload, or a temporary file."""
    domicile.backends["eu-a"].inner.upload(STRAY, timeout=30).write(b"whose")


@pytest.mark.parametrize("plant", [whole, part])
def test_an_orphan_goes_after_a_grace_period(
    domicile: Domicile, put: RecordId, plant: Callable[[Domicile], None]
) -> None:
    """The first round leaves it; the first one after three days purges it."""
    plant(domicile)

    assert scrubbed(domicile) == {"orphan/waiting": 1}
    domicile.pass_time(days=2, hours=23)
    assert scrubbed(domicile) == {"orphan/waiting": 1}
    assert len(traces_of(domicile, STRAY)) == 1

    domicile.pass_time(hours=1)
    assert scrubbed(domicile) == {"orphan/purged": 1}
    assert traces_of(domicile, STRAY) == []
    assert nothing_is_wrong(domicile)
    assert (
        domicile.store.tenant("acme-eu").bind(SERVICE).get(put, purpose=Purpose.SERVE).body
        == b"mine"
    )


@pytest.mark.parametrize("kind", ["held", "hold_key", "ledger"])
def test_what_may_be_kept_is_never_purged(domicile: Domicile, kind: str) -> None:
    """A restored catalog may lack it; a hold may keep it, or a recovery must read it."""
    key = STRAY.replace("pack/", f"{kind}/", 1)
    domicile.backends["eu-a"].inner.put(key, b"whose", timeout=30)

    assert scrubbed(domicile) == {"orphan/unmended": 1}
    domicile.pass_time(days=30)
    assert scrubbed(domicile) == {"orphan/unmended": 1}
    assert len(traces_of(domicile, key)) == 1


def test_the_grace_time_begins_anew_for_what_had_been_gone(domicile: Domicile) -> None:
    """It may be another object of the same name."""
    whole(domicile)
    scrubbed(domicile)
    lost(domicile, STRAY)
    domicile.pass_time(days=5)
    assert scrubbed(domicile) == {}
    with home(domicile).catalog.begin() as connection:
        assert connection.execute(t.orphan.select()).all() == []

    whole(domicile)
    assert scrubbed(domicile) == {"orphan/waiting": 1}


def test_a_replica_that_came_back_is_purged_again(domicile: Domicile, put: RecordId) -> None:
    """It had been absent. An erasure that waits for another replica waits for it too."""
    (key,) = keys_of(domicile)
    data = domicile.backends["eu-a"].inner.get(key)
    domicile.take_down("eu-b")
    erasure = erase(domicile.store.tenant("acme-eu").bind(SERVICE))
    work(domicile)
    assert traces_of(domicile, key) == []

    domicile.backends["eu-a"].inner.put(key, data, timeout=30)
    assert scrubbed(domicile) == {"came_back/purging": 1}
    domicile.take_down("eu-a")
    domicile.bring_back("eu-b")
    work(domicile, hours=1)
    assert not is_complete(domicile, erasure)

    domicile.bring_back("eu-a")
    work(domicile, hours=1)
    assert traces_of(domicile, key) == []
    assert is_complete(domicile, erasure)
    assert nothing_is_wrong(domicile)


def test_a_replica_on_a_wrong_backend_goes_after_the_grace_period(
    domicile: Domicile, put: RecordId
) -> None:
    """The row of that key names another backend, where it stays."""
    (key,) = keys_of(domicile, "eu-b")
    data = domicile.backends["eu-b"].inner.get(key)
    domicile.backends["eu-a"].inner.put(key, data, timeout=30)

    assert scrubbed(domicile) == {"wrong_place/waiting": 1}
    domicile.pass_time(days=3)
    assert scrubbed(domicile) == {"wrong_place/purged": 1}
    assert traces_of(domicile, key) == []
    assert reads_from(domicile, put, "eu-b")


def test_an_orphan_that_cannot_be_purged_is_reported_each_time(domicile: Domicile) -> None:
    """The next try is tomorrow, not in a week."""
    whole(domicile)
    scrubbed(domicile)
    domicile.pass_time(days=3)
    domicile.backends["eu-a"].fail_before["purge"] = domicile.backends["eu-a"].answer_lost

    assert scrubbed(domicile) == {"orphan/unmended": 1}
    finished = state_of(domicile).finished
    domicile.backends["eu-a"].fail_before.clear()
    work(domicile, days=1)

    assert finished is not None
    assert state_of(domicile).finished != finished
    assert traces_of(domicile, STRAY) == []


def test_what_a_put_left_unfinished_is_no_finding(domicile: Domicile, put: RecordId) -> None:
    """It has a row, so the purge queue removes it."""

    def die(_: str) -> None:
        raise SystemExit

    domicile.backends["eu-a"].fail_before["upload.finish"] = die
    domicile.backends["eu-a"].fail_before["upload.abort"] = domicile.backends["eu-a"].answer_lost
    with pytest.raises(SystemExit):
        domicile.store.tenant("acme-eu").put_file(BytesIO(b"file" * 1000))
    left = {trace.kind for trace in domicile.backends["eu-a"].inner.scan()}

    assert left & {ItemKind.UPLOAD, ItemKind.TEMPORARY}
    assert scrubbed(domicile) == {}
