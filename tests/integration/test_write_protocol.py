"""The write protocol, step by step: announce, send, renew, commit, reject, abandon."""

import hashlib
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from storage.catalog import objects
from storage.catalog import tables as t
from storage.catalog.kinds import ObjectKind, ObjectState
from storage.catalog.objects import Replica, StoredObject
from storage.errors import Abandoned
from storage.model import ReplicaState
from storage.objects import write
from storage.objects.transfer import Sent
from storage.objects.write import Contents, Write
from storage.region import OpenRegion
from storage.testing import Domicile
from tests.support.actions import duty
from tests.support.inspect.stored import home

pytestmark = pytest.mark.one_region

BACKENDS = ("eu-a", "eu-b")
DATA = b"sealed"
DIGEST = hashlib.sha256(DATA).digest()
SECOND = timedelta(seconds=1)


@pytest.fixture
def region(domicile: Domicile, monkeypatch: pytest.MonkeyPatch) -> OpenRegion:
    """The tenants' home region. A request to eu-b may take effect a minute after its end."""
    slow = domicile.backends["eu-b"].inner
    monkeypatch.setattr(slow, "longest_request", timedelta(minutes=1))
    return home(domicile)


def announced(region: OpenRegion, **options: object) -> Write:
    """Announce a pack for both backends, and commit."""
    contents = Contents(ObjectKind.PACK, day=region.clock.now().date() + 9 * 86400 * SECOND)
    with region.catalog.begin() as connection:
        return write.announce(region, connection, contents, BACKENDS, **options)  # type: ignore[arg-type]


def known(region: OpenRegion, new: Write) -> tuple[StoredObject, list[Replica]]:
    """Return the rows of an object and its replicas, by backend."""
    with region.catalog.begin() as connection:
        found = objects.find_object(connection, new.id)
        replicas = objects.replicas_of(connection, [new.id], list(ReplicaState))[new.id]
    assert found is not None
    return found, sorted(replicas, key=lambda replica: replica.backend)


def due(region: OpenRegion, new: Write) -> tuple[datetime | None, datetime | None]:
    """Return when an object is to be replicated, and when compacted."""
    o = t.object_.c
    with region.catalog.begin() as connection:
        query = select(o.replicate_at, o.compact_at).where(o.id == new.id)
        replicate_at, compact_at = connection.execute(query).one()
        return replicate_at, compact_at


def commit(region: OpenRegion, new: Write, sent: Sent, compact_at: datetime | None = None) -> bool:
    """Commit an object in a transaction of its own."""
    return region.catalog.run(
        lambda c: new.commit(c, sent, size=len(DATA), digest=DIGEST, compact_at=compact_at)
    )


def test_a_row_stands_for_each_write_before_a_byte_is_sent(region: OpenRegion) -> None:
    """Each replica has a key of its own, and a time after which its write cannot land."""
    before = region.clock.now()
    new = announced(region, lasts=30)
    found, replicas = known(region, new)

    assert (found.state, found.backends, found.size) == (ObjectState.WRITING, BACKENDS, None)
    assert found.family == found.id
    assert [replica.backend for replica in replicas] == list(BACKENDS)
    assert len({replica.key for replica in replicas}) == len({r.id for r in replicas}) == 2
    assert new.until - before >= 30 * SECOND
    for replica in replicas:
        assert replica.state is ReplicaState.WRITING
        assert replica.land_by == region.lands_by(replica.backend, new.until) >= new.until
        assert region.backends[replica.backend].list_key(replica.key) == []


def test_a_write_may_begin_with_some_of_its_backends(region: OpenRegion) -> None:
    """The object belongs on all of them; the replicate worker adds the others."""
    new = announced(region, send_to=["eu-b"])
    found, replicas = known(region, new)

    assert found.backends == BACKENDS
    assert [replica.backend for replica in replicas] == ["eu-b"]
    assert commit(region, new, new.send(DATA))
    replicate_at, compact_at = due(region, new)
    assert replicate_at is not None
    assert replicate_at <= region.clock.now()
    assert compact_at is None


def test_without_options_a_write_lasts_one_put_and_goes_to_all(region: OpenRegion) -> None:
    """One PUT of one object to one backend."""
    before = region.clock.now()
    new = announced(region)

    assert [replica.backend for replica in new.replicas] == list(BACKENDS)
    assert new.lasts == region.limits.attempt
    assert new.until >= before + region.limits.attempt * SECOND


def test_a_committed_write_is_stored_everywhere(region: OpenRegion) -> None:
    """Size, digest and schedule are recorded, and nothing is left to be replicated."""
    new, later = announced(region), region.clock.now() + 60 * SECOND
    sent = new.send(DATA)

    assert commit(region, new, sent, compact_at=later)
    found, replicas = known(region, new)
    assert (found.state, found.size, found.digest) == (ObjectState.STORED, len(DATA), DIGEST)
    assert {replica.state for replica in replicas} == {ReplicaState.STORED}
    assert due(region, new) == (None, later)
    for replica in replicas:
        assert region.backends[replica.backend].get(replica.key) == DATA


def test_a_failed_replica_is_purged_and_made_again(domicile: Domicile, region: OpenRegion) -> None:
    """The object is stored with the other one."""
    domicile.take_down("eu-b")
    new = announced(region)

    assert commit(region, new, new.send(DATA))
    _, replicas = known(region, new)
    assert [r.state for r in replicas] == [ReplicaState.STORED, ReplicaState.PURGING]
    assert due(region, new)[0] is not None


def test_a_streamed_object_outlives_its_first_deadline(
    domicile: Domicile, region: OpenRegion
) -> None:
    """Each renewal moves its own deadline, that of its row, and when its writes can land."""
    new = announced(region, lasts=30)
    with new.upload() as upload:
        for piece in (b"sea", b"led"):
            domicile.pass_time(seconds=20)
            new.renew()
            assert new.until > region.clock.now() + 29 * SECOND
            upload.write(piece)
            duty(domicile, "reap")
        sent = new.finish(upload)
    _, replicas = known(region, new)

    assert {r.land_by for r in replicas} == {
        max(region.lands_by(name, new.until) for name in BACKENDS)
    }
    assert commit(region, new, sent)
    assert {r.state for r in known(region, new)[1]} == {ReplicaState.STORED}


def test_a_write_is_renewed_when_a_third_of_its_time_has_passed(
    domicile: Domicile, region: OpenRegion
) -> None:
    """Not before each piece: a renewal is a transaction."""
    new = announced(region, lasts=30)
    first = new.until
    domicile.pass_time(seconds=9)
    new.renew()
    assert new.until == first

    domicile.pass_time(seconds=2)
    new.renew()
    assert new.until > first


def test_a_write_is_renewed_before_that_if_a_long_step_follows(region: OpenRegion) -> None:
    """The last step of a file has the full time, however short the upload was."""
    new = announced(region, lasts=30)
    first = new.until

    new.renew(force=True)

    assert new.until > first


def test_a_writer_that_comes_after_the_reaper_sends_and_commits_nothing(
    domicile: Domicile, region: OpenRegion
) -> None:
    """Its replicas may have been seen absent for the last time."""
    new = announced(region, lasts=30)
    sent = new.send(DATA)
    domicile.pass_time(seconds=60)
    duty(domicile, "reap")
    late = new.until

    with pytest.raises(Abandoned):
        new.renew()
    assert new.until == late
    assert not commit(region, new, sent)
    found, replicas = known(region, new)
    assert (found.state, found.size) == (ObjectState.PURGING, None)
    assert {r.state for r in replicas} == {ReplicaState.PURGING}
    assert new.send(DATA).stored == []


def test_an_abandoned_write_is_purged(region: OpenRegion) -> None:
    """Whether its bytes were sent or not; and it cannot be committed any more."""
    new = announced(region)
    sent = new.send(DATA)
    new.abandon()
    new.abandon()
    found, replicas = known(region, new)

    assert found.state is ObjectState.PURGING
    assert {r.state for r in replicas} == {ReplicaState.PURGING}
    assert not commit(region, new, sent)


def test_a_committed_write_is_not_abandoned(region: OpenRegion) -> None:
    """Its writer may not know that the commit succeeded."""
    new = announced(region)
    assert commit(region, new, new.send(DATA))
    new.abandon()

    assert known(region, new)[0].state is ObjectState.STORED


def test_a_rejected_write_is_purged(domicile: Domicile, region: OpenRegion) -> None:
    """With what became of each replica, so that a landed one need not be waited for."""
    domicile.take_down("eu-b")
    new = announced(region)
    sent = new.send(DATA)
    region.catalog.run(lambda c: new.reject(c, sent))
    found, (landed, failed) = known(region, new)

    assert found.state is ObjectState.PURGING
    assert (landed.state, failed.state) == (ReplicaState.PURGING, ReplicaState.PURGING)
    assert landed.land_by <= region.clock.now() < failed.land_by


def test_one_more_replica_of_a_stored_object(region: OpenRegion) -> None:
    """It has a key of its own under the object's name, and the object stays as it is."""
    new = announced(region, send_to=["eu-a"])
    assert commit(region, new, new.send(DATA))
    stored, _ = known(region, new)
    with region.catalog.begin() as connection:
        more = write.announce_replica(region, connection, stored, "eu-b", 60.0)
    sent = more.send(DATA)
    with region.catalog.begin() as connection:
        objects.record_results(connection, sent.stored, sent.failed, region.clock.now())
    again, (first, second) = known(region, new)

    assert again == stored
    assert more.until >= region.clock.now() + 59 * SECOND
    assert (first.backend, second.backend) == BACKENDS
    assert second.state is ReplicaState.STORED
    assert second.key.rpartition("-")[0] == first.key.rpartition("-")[0]
    assert region.backends["eu-b"].get(second.key) == DATA
