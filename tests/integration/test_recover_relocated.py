"""A restored catalog reattaches what was relocated or compacted after the backup."""

import pytest
from sqlalchemy import Connection

from storage.errors import BackendUnavailable, Erased
from storage.model import DataClass, NewRecord, PutResult, RecordId, Scope
from storage.packs import relocate
from storage.recovery import recover
from storage.region import OpenRegion
from storage.testing import SERVICE, Domicile
from tests.support.actions import erase, get, is_complete, packs_on, put_prompt, work
from tests.support.catalogs.backups import Dump, recover_catalog, rehearse_recovery
from tests.support.holds import (
    SOON,
    held_records,
    open_held,
    place_hold,
    release_holds,
    relocated,
    stored_keys,
)
from tests.support.inspect.stored import home, orphans


def put_together(domicile: Domicile, *subjects: str) -> list[RecordId]:
    """Put a pack of prompts, one for each subject, with its name as the body."""
    new = [NewRecord(DataClass.PROMPT, name.encode(), subject=name) for name in subjects]
    results = domicile.store.tenant("acme-eu").put_many(new)
    return [result.id for result in results if isinstance(result, PutResult)]


def days_go_by(domicile: Domicile, days: int = 4) -> None:
    """Let days pass; a worker runs twice a day."""
    for _ in range(days * 2):
        work(domicile, hours=12)


def damage(domicile: Domicile, backend: str, prefix: str) -> None:
    """Flip a bit in each object of the backend with the prefix."""
    there = domicile.backends[backend]
    for trace in list(there.scan(prefix)):
        good = there.get(trace.key)
        there.purge(trace.key)
        there.put(trace.key, bytes([good[0] ^ 1]) + good[1:], timeout=1)


def overdue(domicile: Domicile) -> int:
    """Return the number of overdue days."""
    return sum(status.overdue_days for status in domicile.store.status().regions)


def test_what_was_relocated_since_the_backup_can_be_opened(domicile: Domicile) -> None:
    """Its day key is destroyed: the held object itself lists its records and their keys."""
    domicile.tenant(retention=SOON)
    held, other = put_prompt(domicile, "u"), put_prompt(domicile, "w")
    placed = place_hold(domicile)
    dump = Dump.of(domicile)
    days_go_by(domicile, 2)
    assert relocated(domicile) == {held.unique}

    dump.restore(domicile)
    report = recover_catalog(domicile)

    assert (report.reattached, report.lost_records, dict(report.orphaned)) == (1, 0, {})
    assert relocated(domicile) == {held.unique}
    assert held_records(domicile, placed) == {held}
    assert open_held(domicile, placed, held) == b"mine"
    days_go_by(domicile)
    assert overdue(domicile) == 0
    assert open_held(domicile, placed, held) == b"mine"
    assert other.unique not in relocated(domicile)


@pytest.mark.parametrize("prefix", ["held/", "hold_key/"])
def test_what_is_held_and_lost_its_bytes_or_key_is_named(domicile: Domicile, prefix: str) -> None:
    """Also if it is erased: the hold keeps it, so its loss is reported."""
    domicile.tenant(retention=SOON)
    held = put_prompt(domicile, "u")
    place_hold(domicile)
    erase(domicile.store.tenant("acme-eu").bind(SERVICE))
    days_go_by(domicile, 2)
    assert relocated(domicile) == {held.unique}
    dump = Dump.of(domicile)
    for backend in domicile.backends.values():
        for trace in list(backend.scan(prefix)):
            backend.purge(trace.key)

    dump.restore(domicile)
    report = recover_catalog(domicile)

    assert [(one.tenant, one.id) for one in report.lost] == [("acme-eu", held)]


def test_what_was_put_held_and_relocated_since_the_backup(domicile: Domicile) -> None:
    """The restored catalog has neither its row nor its hold."""
    domicile.tenant(retention=SOON)
    dump = Dump.of(domicile)
    held = put_prompt(domicile, "u")
    placed = place_hold(domicile)
    days_go_by(domicile, 2)

    dump.restore(domicile)
    assert recover_catalog(domicile).reattached == 1

    assert open_held(domicile, placed, held) == b"mine"
    days_go_by(domicile)
    assert open_held(domicile, placed, held) == b"mine"


def test_a_rehearsal_reattaches_nothing(domicile: Domicile) -> None:
    """A rehearsal reports it and changes nothing."""
    domicile.tenant(retention=SOON)
    put_prompt(domicile, "u")
    place_hold(domicile)
    dump = Dump.of(domicile)
    days_go_by(domicile, 2)
    dump.restore(domicile)

    for _ in range(2):
        report = rehearse_recovery(domicile)
        assert report is not None
        assert (report.reattached, report.lost_records) == (1, 0)


@pytest.mark.parametrize("step", ["reattach", "_repair_all"])
def test_a_recovery_that_is_killed_reattaches_once(
    domicile: Domicile, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """It is reattached once, wherever the recovery was killed."""
    domicile.tenant(retention=SOON)
    held = put_prompt(domicile, "u")
    placed = place_hold(domicile)
    dump = Dump.of(domicile)
    days_go_by(domicile, 2)
    dump.restore(domicile)
    real = getattr(recover, step)

    def killed(*given: object) -> object:
        real(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(recover, step, killed)
    with pytest.raises(KeyboardInterrupt):
        recover_catalog(domicile)
    monkeypatch.undo()

    recover_catalog(domicile)

    assert relocated(domicile) == {held.unique}
    days_go_by(domicile)
    assert open_held(domicile, placed, held) == b"mine"
    assert len([key for key in stored_keys(domicile) if key.startswith("held/")]) == 2


def test_what_was_released_since_the_backup_is_not_reattached(domicile: Domicile) -> None:
    """The release is in the ledger, so nothing of it stays."""
    domicile.tenant(retention=SOON)
    put_prompt(domicile, "u")
    placed = place_hold(domicile)
    dump = Dump.of(domicile)
    days_go_by(domicile, 2)
    release_holds(domicile, placed)

    dump.restore(domicile)
    assert recover_catalog(domicile).reattached == 0
    days_go_by(domicile, 6)

    assert relocated(domicile) == set()
    assert stored_keys(domicile) == set()


def test_what_was_being_relocated_when_the_backup_was_made(
    domicile: Domicile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backup has the object as ``writing``: it must not be abandoned."""
    domicile.tenant(retention=SOON)
    held = put_prompt(domicile, "u")
    placed = place_hold(domicile)
    dumps, switch = [], relocate._switch

    def dumped(region: OpenRegion, connection: Connection, *given: object) -> bool:
        dumps.append(Dump.of(domicile))
        return switch(region, connection, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(relocate, "_switch", dumped)
    days_go_by(domicile, 2)

    dumps[0].restore(domicile)
    assert recover_catalog(domicile).reattached == 1

    days_go_by(domicile)
    assert open_held(domicile, placed, held) == b"mine"


def test_a_replica_that_is_damaged_is_not_believed(domicile: Domicile) -> None:
    """Another replica is used. Without one, a held object stays as it is."""
    domicile.tenant(retention=SOON)
    held = put_prompt(domicile, "u")
    placed = place_hold(domicile)
    dump = Dump.of(domicile)
    days_go_by(domicile, 2)
    damage(domicile, "eu-a", "held/")

    dump.restore(domicile)
    assert recover_catalog(domicile).reattached == 1
    assert open_held(domicile, placed, held) == b"mine"

    there = stored_keys(domicile)
    damage(domicile, "eu-b", "held/")
    dump.restore(domicile)
    assert recover_catalog(domicile).reattached == 0
    work(domicile)
    assert stored_keys(domicile) == there


def test_what_only_a_silent_backend_has_is_reattached_when_it_answers(domicile: Domicile) -> None:
    """It is reattached once the backend answers."""
    domicile.tenant(retention=SOON)
    held = put_prompt(domicile, "u")
    placed = place_hold(domicile)
    dump = Dump.of(domicile)
    days_go_by(domicile, 2)
    for prefix in ("held/", "hold_key/"):
        for trace in list(domicile.backends["eu-a"].scan(prefix)):
            domicile.backends["eu-a"].purge(trace.key)
    domicile.take_down("eu-b")

    dump.restore(domicile)
    assert recover_catalog(domicile).reattached == 0

    domicile.bring_back("eu-b")
    days_go_by(domicile)
    assert open_held(domicile, placed, held) == b"mine"
    assert overdue(domicile) == 0
    assert len([key for key in stored_keys(domicile) if key.startswith("held/")]) == 2


def test_what_is_held_and_was_relocated_twice(domicile: Domicile) -> None:
    """Two were relocated together and one was released: the other is in a new object."""
    domicile.tenant(retention=SOON)
    first, second = put_together(domicile, "u", "w")
    placed, ended = place_hold(domicile), place_hold(domicile, Scope.subject("w"))
    days_go_by(domicile, 2)
    assert relocated(domicile) == {first.unique, second.unique}
    dump = Dump.of(domicile)
    release_holds(domicile, ended)
    days_go_by(domicile)
    assert relocated(domicile) == {first.unique}

    dump.restore(domicile)
    report = recover_catalog(domicile)

    assert report.lost_records == 0
    assert open_held(domicile, placed, first) == b"u"
    days_go_by(domicile)
    assert open_held(domicile, placed, first) == b"u"
    assert relocated(domicile) == {first.unique}


def test_what_was_released_and_shares_a_held_object(domicile: Domicile) -> None:
    """It goes with a compaction, and an erasure that covers it waits for that."""
    domicile.tenant(retention=SOON)
    first, _ = put_together(domicile, "u", "w")
    placed, ended = place_hold(domicile), place_hold(domicile, Scope.subject("w"))
    dump = Dump.of(domicile)
    days_go_by(domicile, 2)
    erasure = erase(domicile.store.tenant("acme-eu").bind(SERVICE), Scope.subject("w"))
    release_holds(domicile, ended)
    before = {key for key in stored_keys(domicile) if key.startswith("held/")}

    dump.restore(domicile)
    assert recover_catalog(domicile).reattached == 1

    domicile.backends["eu-b"].fail_before["purge"] = lambda _: BackendUnavailable("eu-b")
    for _ in range(8):
        work(domicile, hours=6)
    assert open_held(domicile, placed, first) == b"u"
    assert not is_complete(domicile, erasure)
    domicile.backends["eu-b"].fail_before.clear()
    days_go_by(domicile)
    assert is_complete(domicile, erasure)
    assert before.isdisjoint(stored_keys(domicile))
    assert open_held(domicile, placed, first) == b"u"


def test_what_is_left_of_a_pack_that_was_compacted(domicile: Domicile) -> None:
    """The backup names the old pack, which is gone. The new one's manifest lists the records."""
    t = domicile.tenant()
    goes, *stay = put_together(domicile, "u", "v", "w")
    dump = Dump.of(domicile)
    first = erase(t)
    work(domicile)
    days_go_by(domicile)
    second = erase(t, Scope.subject("v"))
    work(domicile)
    days_go_by(domicile)
    assert is_complete(domicile, first)
    assert is_complete(domicile, second)
    assert len(packs_on(domicile)) == 2

    dump.restore(domicile)
    report = recover_catalog(domicile)

    assert (report.reattached, report.lost_records, dict(report.orphaned)) == (1, 0, {})
    t = domicile.store.tenant("acme-eu").bind(SERVICE)
    assert get(t, stay[1]) == b"w"
    for record_id in (goes, stay[0]):
        with pytest.raises(Erased):
            get(t, record_id)
    days_go_by(domicile)
    assert is_complete(domicile, first)
    assert is_complete(domicile, second)
    assert get(t, stay[1]) == b"w"
    assert len(packs_on(domicile)) == 2
    assert orphans(home(domicile)) == []
