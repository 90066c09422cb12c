"""A compaction is stopped in the middle while its records are read or erased."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from storage.client.tenant import BoundTenant
from storage.errors import BackendError, BackendUnavailable
from storage.model import DataClass, Erasure, NewRecord, PutResult, RecordId, Scope
from storage.testing import Domicile, Gate
from tests.support.actions import GONE, duty, erase, get, is_complete, packs_on, work
from tests.support.faults.transactions import PLANNING, SWITCHING, CatalogFaults
from tests.support.inspect.stored import (
    backends_with,
    ciphertexts,
    home,
    object_states,
    orphans,
    wait_until,
)

pytestmark = pytest.mark.one_region

NAMES = ("a", "b", "c", "d")


@dataclass(frozen=True)
class Pack:
    """One pack of four records, of as many subjects. The first is erased; a compaction is due."""

    domicile: Domicile
    tenant: BoundTenant
    ids: dict[str, RecordId]
    samples: dict[str, bytes]
    first: Erasure

    def erase(self, name: str) -> Erasure:
        """Erase one more subject."""
        return erase(self.tenant, Scope.subject(name))

    def honest(self, **erasures: Erasure) -> None:
        """Require that no erasure is complete while a byte is left."""
        for name, erasure in ({"a": self.first} | erasures).items():
            if is_complete(self.domicile, erasure):
                assert backends_with(self.domicile, self.samples[name]) == set(), name

    def ends_well(self, **erasures: Erasure) -> None:
        """Require that in the end what is erased is gone and the rest is readable."""
        erased = {"a": self.first} | erasures
        for hours in (0, 73, 1):
            self.honest(**erasures)
            work(self.domicile, hours=hours)
        for name, record_id in self.ids.items():
            if name in erased:
                assert is_complete(self.domicile, erased[name]), name
                assert self.domicile.store.erasure(erased[name].id).deleted == 1
                assert backends_with(self.domicile, self.samples[name]) == set()
                with pytest.raises(GONE):
                    get(self.tenant, record_id)
            else:
                assert get(self.tenant, record_id) == name.encode()
                assert backends_with(self.domicile, self.samples[name]) == {"eu-a", "eu-b"}
        assert orphans(home(self.domicile)) == []
        assert object_states(home(self.domicile)) == {"stored": 1}


@pytest.fixture
def pack(domicile: Domicile) -> Pack:
    """Put four records; erase one; pass the compaction window."""
    t = domicile.tenant()
    results = t.put_many(NewRecord(DataClass.PROMPT, n.encode(), subject=n) for n in NAMES)
    ids = {n: r.id for n, r in zip(NAMES, results, strict=True) if isinstance(r, PutResult)}
    samples = dict(zip(NAMES, ciphertexts(domicile, *ids.values()), strict=True))
    assert object_states(home(domicile)) == {"stored": 1}
    first = erase(t, Scope.subject("a"))
    work(domicile)
    domicile.pass_time(hours=73)
    return Pack(domicile, t, ids, samples, first)


Stop = Callable[[Domicile, CatalogFaults, Gate], None]


def once(gate: Gate) -> Callable[[str], BackendError | None]:
    """Make the first call wait at the gate."""

    def wait(_: str) -> BackendError | None:
        if not gate.reached.is_set():
            gate.wait()
        return None

    return wait


def before_copy(domicile: Domicile, faults: CatalogFaults, gate: Gate) -> None:
    """Stop after the target is announced and before the source is read."""
    domicile.backends["eu-a"].fail_before["get"] = once(gate)


def before_put(domicile: Domicile, faults: CatalogFaults, gate: Gate) -> None:
    """Stop after one backend has the target."""
    domicile.backends["eu-b"].fail_before["put"] = once(gate)


def before_switch(domicile: Domicile, faults: CatalogFaults, gate: Gate) -> None:
    """Stop after all backends have the target and before the rows are switched."""
    domicile.backends["eu-b"].fail_after["put"] = once(gate)


@pytest.mark.parametrize("planned", ["planned", "fenced"])
@pytest.mark.parametrize("stop", [before_copy, before_put, before_switch])
def test_an_erasure_while_its_record_is_compacted(
    pack: Pack,
    faults: CatalogFaults,
    aside: ThreadPoolExecutor,
    gate: Gate,
    *,
    stop: Stop,
    planned: str,
) -> None:
    """The target has what must go: it is abandoned or compacted again. The receipt waits for it."""
    stop(pack.domicile, faults, gate)
    compacting = aside.submit(duty, pack.domicile, "compact")
    assert gate.reached.wait(30)
    second = pack.erase("b")
    if planned == "planned":
        duty(pack.domicile, "plan")
        duty(pack.domicile, "sweep")
        duty(pack.domicile, "complete")
        pack.honest(b=second)
    gate.open.set()
    compacting.result(30)
    pack.honest(b=second)
    with pytest.raises(GONE):
        get(pack.tenant, pack.ids["b"])
    assert get(pack.tenant, pack.ids["c"]) == b"c"

    pack.ends_well(b=second)


def test_an_erasure_whose_deletions_are_not_committed_when_the_rows_are_moved(
    pack: Pack, faults: CatalogFaults, aside: ThreadPoolExecutor, gate: Gate
) -> None:
    """The switch waits, finds one row less than it copied, and undoes the other rows."""
    stop = Gate()
    before_switch(pack.domicile, faults, stop)
    compacting = aside.submit(duty, pack.domicile, "compact")
    assert stop.reached.wait(30)
    second = pack.erase("b")
    faults.at_commit(PLANNING, before=lambda _: gate.wait())
    planning = aside.submit(duty, pack.domicile, "plan")
    assert gate.reached.wait(30)
    stop.open.set()
    wait_until(lambda: faults.lock_waiters() > 0)
    gate.open.set()
    planning.result(30)
    compacting.result(30)

    pack.honest(b=second)
    assert get(pack.tenant, pack.ids["c"]) == b"c"
    pack.ends_well(b=second)


def test_an_erasure_while_the_moves_of_its_rows_are_not_committed(
    pack: Pack, faults: CatalogFaults, aside: ThreadPoolExecutor, gate: Gate
) -> None:
    """Its rows are deleted in the target. The receipt waits for the source too."""
    faults.at_commit(SWITCHING, before=lambda _: gate.wait())
    compacting = aside.submit(duty, pack.domicile, "compact")
    assert gate.reached.wait(30)
    second = pack.erase("b")
    planning = aside.submit(duty, pack.domicile, "plan")
    wait_until(lambda: planning.done() or faults.lock_waiters() > 0)
    assert not planning.done()
    gate.open.set()
    compacting.result(30)
    planning.result(30)

    assert pack.domicile.store.erasure(second.id).deleted == 1
    pack.ends_well(b=second)


def test_a_compaction_begins_while_an_erasure_is_not_committed(
    pack: Pack, faults: CatalogFaults, aside: ThreadPoolExecutor, gate: Gate
) -> None:
    """The erasure locks the source; the target has what is alive afterwards."""
    second = pack.erase("b")
    faults.at_commit(PLANNING, before=lambda _: gate.wait())
    planning = aside.submit(duty, pack.domicile, "plan")
    assert gate.reached.wait(30)
    compacting = aside.submit(duty, pack.domicile, "compact")
    wait_until(lambda: compacting.done() or faults.lock_waiters() > 0)
    gate.open.set()
    planning.result(30)
    compacting.result(30)

    pack.honest(b=second)
    pack.ends_well(b=second)


def test_an_erasure_after_the_switch_waits_for_source_and_copy(pack: Pack) -> None:
    """The source is still on a backend that refuses to purge it, and has the record too."""
    stuck = pack.domicile.backends["eu-b"]
    stuck.fail_before["purge"] = lambda _: BackendUnavailable("eu-b")
    work(pack.domicile)
    assert len(packs_on(pack.domicile)) == 3
    second = pack.erase("b")
    work(pack.domicile)
    work(pack.domicile, hours=73)
    assert not is_complete(pack.domicile, pack.first)
    assert not is_complete(pack.domicile, second)

    stuck.fail_before.clear()
    pack.ends_well(b=second)


def test_two_erasures_empty_a_pack_at_the_same_time(
    pack: Pack, faults: CatalogFaults, aside: ThreadPoolExecutor, gate: Gate
) -> None:
    """The second sees the first's deletions: nothing is alive, so nothing is compacted."""
    erasures = {name: pack.erase(name) for name in ("b", "c", "d")}
    faults.at_commit(PLANNING, before=lambda _: gate.wait())
    first = aside.submit(duty, pack.domicile, "plan")
    assert gate.reached.wait(30)
    others = aside.submit(duty, pack.domicile, "plan")
    wait_until(lambda: others.done() or faults.lock_waiters() > 0)
    gate.open.set()
    first.result(30)
    others.result(30)
    work(pack.domicile)

    pack.honest(**erasures)
    assert all(is_complete(pack.domicile, e) for e in erasures.values())
    assert packs_on(pack.domicile) == []


def test_a_compaction_whose_commit_is_lost(pack: Pack, faults: CatalogFaults) -> None:
    """Whether the rows were switched or not, the worker raises, and the next one finishes."""
    faults.at_commit(SWITCHING, before=faults.kill)
    with pytest.raises(Exception, match="does not answer"):
        duty(pack.domicile, "compact")
    pack.honest()
    pack.domicile.pass_time(hours=1)
    faults.at_commit(SWITCHING, after=faults.lose)
    with pytest.raises(Exception, match="does not answer"):
        duty(pack.domicile, "compact")

    pack.ends_well()


# --- reads -------------------------------------------------------------------------------------


def test_a_record_is_read_while_its_pack_is_compacted_and_purged(
    pack: Pack, aside: ThreadPoolExecutor, gate: Gate
) -> None:
    """The reader reads the row again and finds the new pack."""
    pack.domicile.backends["eu-a"].fail_before["get"] = once(gate)
    reading = aside.submit(get, pack.tenant, pack.ids["c"])
    assert gate.reached.wait(30)
    work(pack.domicile)
    assert is_complete(pack.domicile, pack.first)
    gate.open.set()

    assert reading.result(30) == b"c"
    pack.ends_well()


def test_a_record_is_read_while_it_is_erased_and_purged(
    pack: Pack, aside: ThreadPoolExecutor, gate: Gate
) -> None:
    """The reader reports Erased, not Corrupt."""
    pack.domicile.backends["eu-a"].fail_before["get"] = once(gate)
    pack.domicile.backends["eu-b"].fail_before["get"] = once(Gate(open=gate.open))  # its next try
    reading = aside.submit(get, pack.tenant, pack.ids["b"])
    assert gate.reached.wait(30)
    second = pack.erase("b")
    work(pack.domicile)
    assert is_complete(pack.domicile, second)
    gate.open.set()

    with pytest.raises(GONE):
        reading.result(30)
    pack.ends_well(b=second)


def test_a_replica_is_not_called_corrupt_because_its_pack_was_compacted(
    pack: Pack, faults: CatalogFaults, aside: ThreadPoolExecutor, gate: Gate
) -> None:
    """The pack goes just before the record is looked for."""
    done: list[str] = []

    def compact_now(_: int) -> None:
        done.append("compacted")
        for name in ("compact", "purge"):
            duty(pack.domicile, name)

    faults.at_statement(lambda s: "FROM readable_row" in s[-1], compact_now)

    assert get(pack.tenant, pack.ids["c"]) == b"c"
    assert done
    pack.ends_well()


def test_bytes_that_an_earlier_compaction_left_are_waited_for(pack: Pack) -> None:
    """One backend refuses to purge the source of an earlier compaction."""
    backend = pack.domicile.backends["eu-a"]
    (stuck,) = (trace.key for trace in backend.scan("pack/"))
    refused = BackendUnavailable("eu-a")
    backend.fail_before["purge"] = lambda key: refused if key == stuck else None
    work(pack.domicile)
    later = pack.erase("b")
    for hours in (0, 73, 1, 1):
        work(pack.domicile, hours=hours)
        pack.honest(b=later)
    left = backends_with(pack.domicile, pack.samples["b"])
    backend.fail_before.clear()

    assert left == {"eu-a"}
    pack.ends_well(b=later)
