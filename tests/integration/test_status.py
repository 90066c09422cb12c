"""The status shows everything that is late, and nothing else."""

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO

import pytest

from storage import DataClass, Reason, Scope
from storage.cli.commands.status import late, show
from storage.client.tenant import Tenant
from storage.errors import BackendForbidden, CatalogUnavailable
from storage.model import NewRecord, PutResult, RegionStatus
from storage.policy import horizon_alarm, horizon_wanted
from storage.testing import Domicile
from tests.support.people import as_person, person, staff

PROMPT = DataClass.PROMPT
BACKENDS = ("eu-a", "eu-b")


def status(domicile: Domicile) -> RegionStatus:
    """Return the status of the home region."""
    return next(s for s in domicile.store.status().regions if s.region == "eu-central-1")


def erase_one_of_two(t: Tenant) -> None:
    """Put two records into one pack, and erase one, so that a compaction is due."""
    first, _ = list(t.put_many([NewRecord(PROMPT, b"one"), NewRecord(PROMPT, b"two")]))
    assert isinstance(first, PutResult)
    t.erase(Scope.record(first.id), reason=Reason.SUBJECT_REQUEST)


def fill(domicile: Domicile) -> None:
    """Fill all backends, also for writes that make room."""
    for name in BACKENDS:
        domicile.backends[name].full = True


def forbid_reading(domicile: Domicile) -> None:
    """Revoke a right that compaction needs."""
    for name in BACKENDS:
        domicile.backends[name].fail_before["get"] = lambda _: BackendForbidden("it")


def test_an_empty_backend_has_nothing_to_purge(domicile: Domicile) -> None:
    """The objects with which opening tests the rights are not counted."""
    assert [b.purging for b in status(domicile).backends] == [0, 0]


@pytest.mark.parametrize("trouble", [fill, forbid_reading])
def test_an_erasure_that_cannot_finish_is_overdue(
    domicile: Domicile, trouble: Callable[[Domicile], None]
) -> None:
    """For each reason that prevents the compaction: after the promised time, and not before."""
    erase_one_of_two(domicile.tenant())
    asked = domicile.clock.now()
    domicile.run_worker()  # the log has its line
    trouble(domicile)
    domicile.run_worker()
    domicile.pass_time(hours=90)
    domicile.run_worker()
    assert not late(status(domicile))

    domicile.pass_time(hours=7)
    domicile.run_worker()

    told = status(domicile)
    assert late(told)
    assert told.overdue_erasure is not None
    assert abs(told.overdue_erasure - asked) < timedelta(seconds=5)


def test_an_erasure_that_no_worker_plans_is_overdue(domicile: Domicile) -> None:
    """Within the hour: its rows, with the record keys, should be gone at once."""
    t = domicile.tenant()
    file = t.put_file(BytesIO(b"a file"))
    t.erase(Scope.record(file.id), reason=Reason.CUSTOMER_REQUEST)
    assert not late(status(domicile))

    domicile.pass_time(minutes=61)
    assert late(status(domicile))

    domicile.run_worker()
    assert not late(status(domicile))


def test_a_day_is_overdue_only_if_anything_is_left_of_it(domicile: Domicile) -> None:
    """Partitions are made ahead; an empty one is not overdue."""
    domicile.tenant().put(PROMPT, b"hello")
    domicile.pass_time(days=15)
    assert status(domicile).overdue_days == 0

    domicile.pass_time(days=16)

    assert status(domicile).overdue_days == 1
    domicile.run_worker()
    domicile.pass_time(hours=2)
    domicile.run_worker()
    assert status(domicile).overdue_days == 0


def test_the_status_shows_that_no_worker_makes_partitions(domicile: Domicile) -> None:
    """With days to spare before writes must make their own, until a worker has run."""
    topology, today = domicile.homes.served("eu-central-1").region.topology, domicile.clock.now()
    assert not status(domicile).horizon_alarm
    assert not horizon_alarm(topology, today.date(), horizon_wanted(topology, today.date()))

    horizon = status(domicile).partition_horizon
    assert horizon is not None
    domicile.pass_time(days=(horizon - today.date()).days - 32)

    assert status(domicile).horizon_alarm
    domicile.run_worker()
    assert not status(domicile).horizon_alarm


def test_a_log_that_cannot_go_on_is_shown(
    domicile: Domicile, capsys: pytest.CaptureFixture[str]
) -> None:
    """After an hour, while workers cannot seal, until a checkpoint has the lines."""
    domicile.run_worker()
    fill(domicile)
    domicile.pass_time(hours=2)
    assert status(domicile).log_waits_since is None  # no line waits
    asked = domicile.clock.now()
    staff(domicile.settings, asked, "kim")
    with as_person(domicile, "kim") as store:
        store.admin.roster.enter("eu-central-1", person("erin"))
    domicile.run_worker()
    domicile.pass_time(minutes=59)
    domicile.run_worker()
    assert status(domicile).log_waits_since is None
    domicile.pass_time(minutes=2)
    domicile.run_worker()
    told = status(domicile)
    show(told)

    assert told.log_waits_since is not None
    assert told.log_waits_since - asked < timedelta(seconds=5)
    assert "lines WAIT since 2026-03-0" in capsys.readouterr().out
    for name in BACKENDS:
        domicile.backends[name].full = False
    domicile.pass_time(hours=2)
    domicile.run_worker()
    assert status(domicile).log_waits_since is None


def test_a_log_that_no_worker_continues_is_shown(domicile: Domicile) -> None:
    """Its lines have no number yet."""
    domicile.run_worker()
    staff(domicile.settings, domicile.clock.now(), "kim")
    with as_person(domicile, "kim") as store:
        store.admin.roster.enter("eu-central-1", person("erin"))
    before = status(domicile).log_waits_since
    domicile.pass_time(minutes=61)

    assert before is None
    assert status(domicile).log_waits_since is not None


def test_people_without_an_approver_are_shown(
    domicile: Domicile, capsys: pytest.CaptureFixture[str]
) -> None:
    """As soon as somebody is in the roster whose grants nobody can sign."""
    own = domicile.settings.regions["eu-central-1"]
    assert own.approvers_file is not None
    pinned = own.approvers_file.read_text()
    staff(domicile.settings, domicile.clock.now(), "kim")
    before = status(domicile)
    own.approvers_file.write_text("[approvers]\n")
    domicile.open()
    after = status(domicile)
    own.approvers_file.write_text(pinned)
    show(after)

    assert (before.unpinned, after.unpinned) == (False, True)
    assert "no approver's key is pinned: people open nothing" in capsys.readouterr().out


def test_a_status_when_regions_fail_one_after_the_other(
    domicile: Domicile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error is raised only when no region answers."""

    def down() -> None:
        raise CatalogUnavailable

    monkeypatch.setattr(domicile.homes.served("eu-central-1").region.catalog, "begin", down)
    found = domicile.store.status()
    assert [region.region for region in found.regions] == ["us-east-1"]
    assert [*found.failed] == ["eu-central-1"]

    monkeypatch.setattr(domicile.homes.served("us-east-1").region.catalog, "begin", down)
    with pytest.raises(CatalogUnavailable):
        domicile.store.status()
