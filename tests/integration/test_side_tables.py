"""Side tables stay small: no row per record, and all rows are pruned."""

from collections import Counter
from datetime import timedelta
from itertools import islice

import pytest
from sqlalchemy import Connection, func, select, true

from storage.catalog import erasures, fences, purges
from storage.catalog import tables as t
from storage.catalog.kinds import ObjectKind
from storage.errors import BackendUnavailable
from storage.evidence.receipts import verify
from storage.model import DataClass, Erasure, NewRecord, PutResult, Reason, Scope
from storage.region import OpenRegion
from storage.testing import Domicile
from tests.support.actions import duty, erase, is_complete, put_prompt, work
from tests.support.inspect.stored import home, pack_ids

r = t.replica.c

CONTENT = {"record", "file"}
BATCH = {"log_checkpoint", "log_tile"}
OF_THE_LOG = [kind for kind in ObjectKind if kind.of_log]
KEPT = timedelta(days=1461)  # what the shipped topology says of the EU


def rows(connection: Connection) -> Counter[str]:
    """Return the number of rows of each table, except content and batches of the log."""
    batches = select(t.object_.c.id).where(t.object_.c.kind.in_(OF_THE_LOG))
    others = {t.object_: t.object_.c.id.not_in(batches), t.replica: r.object_id.not_in(batches)}
    return Counter(
        {
            table.name: connection.scalar(
                select(func.count()).select_from(table).where(others.get(table, true()))
            )
            or 0
            for table in t.metadata.sorted_tables
            if table.name not in CONTENT | BATCH
        }
    )


def side(region: OpenRegion) -> Counter[str]:
    """Return the number of rows of each table of a region, except content."""
    with region.catalog.begin() as connection:
        return rows(connection)


def replicas(region: OpenRegion) -> Counter[tuple[str, str]]:
    """Return the number of pack replicas, by backend and state."""
    with region.catalog.begin() as connection:
        found = connection.execute(
            select(r.backend, r.state)
            .join(t.object_, t.object_.c.id == r.object_id)
            .where(t.object_.c.kind == "pack")
        )
        return Counter((row[0], row[1]) for row in found)


def leave(domicile: Domicile, name: str, count: int) -> tuple[Counter[str], int]:
    """Let a tenant with so many records leave; return the peak of rows, and the packs."""
    region, tenant = home(domicile), domicile.tenant(name, account=name)
    body = (NewRecord(DataClass.PROMPT, b"%d" % n, subject=f"u{n}") for n in range(count))
    stored = [result for result in tenant.put_many(body) if isinstance(result, PutResult)]
    assert len(stored) == count
    work(domicile)
    before, held = side(region), len(pack_ids(region))
    erasure = tenant.erase(Scope.tenant(), reason=Reason.CONTRACT_END)
    most = side(region) - before
    for step in ("plan", "expire", "replicate", "compact", "purge", "sweep", "complete"):
        duty(domicile, step)
        most |= side(region) - before
    for _ in range(3):
        work(domicile, days=16)
    assert is_complete(domicile, erasure)
    assert domicile.store.erasure(erasure.id).deleted == count
    return most, held


def test_a_tenant_that_leaves_writes_no_row_per_record(domicile: Domicile) -> None:
    """Ten times the records need the same rows: a fence, a note per pack, a receipt."""
    work(domicile)
    left, most = [], []
    for number, count in enumerate((100, 1000)):
        before = side(home(domicile))
        found, held = leave(domicile, f"tenant-{number}", count)
        left.append(side(home(domicile)) - before)
        assert found.pop("erasure_object", 0) <= held < count / 20
        most.append(found)

    new = Counter(tenant=1, agreement_entry=1, retention_look=1, erasure=1, receipt=1, log_line=3)
    assert left == [new + Counter(signing_key=1), new]
    # the entry of the ledger is an object on two backends, and so are two controls
    asked = Counter(erasure=1, fence=1, receipt=1, object=3, replica=6, log_line=2)
    assert most[0] - Counter(signing_key=1) == most[1] == asked


def complete(domicile: Domicile, count: int) -> list[Erasure]:
    """Complete erasures of nothing, a day apart, until their fences are pruned."""
    found = []
    for _ in range(count):
        domicile.pass_time(days=1)
        found.append(erase(domicile.tenant()))
        duty(domicile, "plan")
        duty(domicile, "complete")
    domicile.pass_time(days=2)
    duty(domicile, "prune")
    return found


def test_a_fence_is_pruned_when_no_write_can_meet_it(domicile: Domicile) -> None:
    """It guards against late writes until then. Other erasures keep theirs."""
    erasure = erase(domicile.tenant())
    with home(domicile).catalog.begin() as connection:
        assert fences.count(connection, erasure.id) == 1

    later = complete(domicile, 1)[0]
    work(domicile, days=2)

    with home(domicile).catalog.begin() as connection:
        assert [fences.count(connection, e.id) for e in (erasure, later)] == [0, 0]


def known(domicile: Domicile) -> list[Erasure]:
    """Return the erasures that the home region knows, oldest first."""
    return list(reversed(domicile.store.erasures("eu-central-1")))


def test_a_receipt_is_kept_as_long_as_its_jurisdiction_says(domicile: Domicile) -> None:
    """To the minute. Then it is pruned with its erasure, and later ones stay."""
    first, later = complete(domicile, 2)
    completed = domicile.store.erasure(first.id).completed
    assert completed is not None
    domicile.clock.advance(completed + KEPT - domicile.clock.now() - timedelta(minutes=1))
    duty(domicile, "prune")
    assert [e.id for e in known(domicile)] == [first.id, later.id]

    domicile.pass_time(minutes=2)
    duty(domicile, "prune")

    assert [e.id for e in known(domicile)] == [later.id]
    assert known(domicile)[0].receipt is not None
    assert side(home(domicile))["receipt"] == 1


def test_each_jurisdiction_has_its_own_time(domicile: Domicile) -> None:
    """The shipped topology keeps receipts for longer in the EU than in the US."""
    american = domicile.tenant("acme-us", home="us-east-1", residency="US")
    mine, other = erase(domicile.tenant()), erase(american)
    domicile.run_worker()
    domicile.pass_time(days=731)
    domicile.run_worker()

    assert [e.id for e in known(domicile)] == [mine.id]
    assert domicile.store.erasures("us-east-1") == []
    assert is_complete(domicile, mine)
    assert other.region == "us-east-1"


def test_an_open_erasure_is_never_pruned(domicile: Domicile) -> None:
    """Nor one whose fence stands, however long a backend is down."""
    t = domicile.tenant()
    put_prompt(domicile, "u")
    work(domicile)
    domicile.take_down("eu-a")
    erasure = erase(t)
    duty(domicile, "plan")
    domicile.pass_time(days=5 * 365)
    duty(domicile, "prune")
    before = [(e.id, e.receipt) for e in known(domicile)]
    domicile.bring_back("eu-a")
    duty(domicile, "purge")
    duty(domicile, "sweep")
    duty(domicile, "complete")
    duty(domicile, "prune")

    assert before == [(erasure.id, None)]
    assert is_complete(domicile, erasure)


def test_they_go_in_bounded_pieces_the_oldest_first(domicile: Domicile) -> None:
    """A worker that is late does not burden the catalog."""
    found = complete(domicile, 5)
    domicile.pass_time(days=2000)
    with home(domicile).catalog.begin() as connection:
        forgotten = erasures.prune(connection, domicile.clock.now(), 2)

    assert forgotten == 2
    assert [e.id for e in known(domicile)] == [e.id for e in found[2:]]
    duty(domicile, "prune")
    assert known(domicile) == []


def answer_nothing_but_questions(domicile: Domicile, name: str) -> None:
    """Make the backend answer reads alone."""
    for call in ("put", "upload", "purge"):
        domicile.backends[name].fail_before[call] = lambda _: BackendUnavailable(name)


def test_an_outage_leaves_no_row_for_each_time_that_a_copy_was_due(domicile: Domicile) -> None:
    """However long it lasts: no write is announced to a backend that is down."""
    region = home(domicile)
    domicile.tenant()
    domicile.take_down("eu-b")
    put_prompt(domicile, "u")
    work(domicile)
    before = replicas(region)
    for _ in range(12):
        work(domicile, hours=1)
    during = replicas(region)
    domicile.bring_back("eu-b")
    work(domicile, hours=1)
    work(domicile, hours=1)

    assert during == before
    assert replicas(region) == Counter({("eu-a", "stored"): 1, ("eu-b", "stored"): 1})


def test_replicas_of_a_long_outage_are_pruned(domicile: Domicile) -> None:
    """Of a stored object, failed replicas are pruned."""
    region = home(domicile)
    domicile.tenant()
    answer_nothing_but_questions(domicile, "eu-b")
    put_prompt(domicile, "u")
    for _ in range(6):
        work(domicile, hours=1)
    during = replicas(region)
    domicile.backends["eu-b"].fail_before.clear()
    for _ in range(3):
        work(domicile, hours=1)

    assert sum(during.values()) > 6
    assert replicas(region) == Counter({("eu-a", "stored"): 1, ("eu-b", "stored"): 1})


def test_what_may_still_land_is_not_pruned(domicile: Domicile) -> None:
    """Only the row explains the bytes of such a write."""
    region = home(domicile)
    domicile.tenant()
    domicile.take_down("eu-b")
    put_prompt(domicile, "u")
    domicile.bring_back("eu-b")
    landing = domicile.clock.now() + timedelta(days=1)
    with region.catalog.begin() as connection:
        connection.execute(
            t.replica.update()
            .where(r.backend == "eu-b")
            .values(state="gone", gone_at=domicile.clock.now(), land_by=landing)
        )
    domicile.pass_time(hours=23)
    duty(domicile, "prune")
    before = replicas(region)
    domicile.pass_time(hours=2)
    duty(domicile, "prune")

    assert before["eu-b", "gone"] == 1
    assert replicas(region)["eu-b", "gone"] == 0


def test_what_an_open_erasure_has_to_account_for_is_kept(domicile: Domicile) -> None:
    """Every replica that had bytes of its pack is in the receipt, however long it waits."""
    tenant, region = domicile.tenant(), home(domicile)
    answer_nothing_but_questions(domicile, "eu-b")
    both = (NewRecord(DataClass.PROMPT, b"%d" % n, subject=f"u{n}") for n in range(2))
    assert len(list(islice(tenant.put_many(both), 2))) == 2
    erasure = erase(tenant, Scope.subject("u0"))
    for _ in range(4):
        work(domicile, hours=1)
    tried = replicas(region)["eu-b", "purging"]
    domicile.backends["eu-b"].fail_before.clear()
    for _ in range(3):
        work(domicile, hours=2)
    gone = replicas(region)["eu-b", "gone"]
    work(domicile, hours=73)
    work(domicile, hours=1)
    token = domicile.store.erasure(erasure.id).receipt
    receipt = verify(token or "", region.signing.public_key())

    assert gone >= tried > 1
    assert len([leaf for leaf in receipt.leaves if leaf.backend == "eu-b"]) >= gone
    assert {state for _, state in replicas(region)} == {"stored"}


@pytest.mark.parametrize("limit", [1, 2])
def test_no_more_replicas_at_once_than_are_asked_for(domicile: Domicile, limit: int) -> None:
    """They are pruned in bounded pieces."""
    region = home(domicile)
    domicile.tenant()
    answer_nothing_but_questions(domicile, "eu-b")
    put_prompt(domicile, "u")
    for _ in range(4):
        duty(domicile, "replicate")
        domicile.pass_time(hours=1)
    domicile.backends["eu-b"].fail_before.clear()
    duty(domicile, "purge")
    with region.catalog.begin() as connection:
        forgotten = purges.prune_replicas(connection, domicile.clock.now(), limit)

    assert forgotten == limit
