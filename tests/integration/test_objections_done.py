"""An objection is done when no byte of the tenant is at the company, also of what was erased."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from storage.catalog import tables as t
from storage.errors import BackendUnavailable, TermsChanged
from storage.model import DataClass, NewRecord, RecordId, Scope
from storage.policy import WAITING
from storage.testing import Domicile, Gate
from tests.integration.test_objections import BY, HOST, of_its_shard, only, there, work_on
from tests.support.actions import duty, erase, work
from tests.support.inspect.stored import home
from tests.support.topologies import three_backends

pytestmark = pytest.mark.one_region


@pytest.fixture
def wide(domicile: Domicile, tmp_path: Path) -> Domicile:
    """A Domicile whose EU has a third backend, eu-c. What is purged on eu-a fails."""
    topology = three_backends(tmp_path / "topology")
    domicile.settings = domicile.settings.model_copy(update={"topology": topology})
    domicile.open()
    domicile.backends["eu-a"].fail_before["purge"] = lambda _: BackendUnavailable("no purge")
    return domicile


def done(domicile: Domicile) -> tuple[bool, bool]:
    """Return whether the objection says that nothing is left, and since when."""
    found = only(domicile.tenant())
    return found.left == 0, found.gone is not None


def content(domicile: Domicile) -> list[str]:
    """Return the keys of packs and keys of files on eu-a. A day key opens nothing without rows."""
    return [key for key in there(domicile) if not key.startswith("day_key/")]


def check_is_done_when_gone(domicile: Domicile, theirs: Sequence[str] = ()) -> None:
    """The objection is done when what is purged there is gone, and not before.

    ``theirs``: keys of other tenants, which stay.
    """
    assert set(content(domicile)) > set(theirs)
    assert done(domicile) == (False, False)
    domicile.backends["eu-a"].fail_before.clear()
    work_on(domicile)
    assert content(domicile) == list(theirs)
    assert done(domicile) == (True, True)


def test_it_says_when_workers_look_again(wide: Domicile) -> None:
    """What was purged after a look is not confirmed until the next one."""
    wide.backends["eu-a"].fail_before.clear()
    tenant = wide.tenant()
    tenant.put_file([b"a file"])
    work_on(wide)
    tenant.object(HOST, **BY)
    duty(wide, "evacuate")
    duty(wide, "purge")

    found = only(tenant)
    assert (found.left, found.gone) == (0, None)
    assert found.look_at is not None
    assert timedelta() < found.look_at - wide.clock.now() < WAITING
    wide.pass_time(seconds=WAITING.total_seconds())
    duty(wide, "evacuate")
    assert done(wide) == (True, True)
    later = only(tenant).look_at
    assert later is not None
    assert later > found.look_at + timedelta(hours=23)


@pytest.mark.parametrize("erased_first", [True, False])
def test_what_was_erased_is_not_gone(wide: Domicile, *, erased_first: bool) -> None:
    """Its rows are deleted at once. Its pack and its keys are there until they are purged."""
    tenant = wide.tenant()
    tenant.put(DataClass.PROMPT, b"mine", subject="u")
    tenant.put_file([b"a file"], subject="u")
    if erased_first:
        erase(tenant)
        work(wide, hours=1)
    tenant.object(HOST, **BY)
    if not erased_first:
        erase(tenant)
    work_on(wide)

    check_is_done_when_gone(wide)


def test_what_has_expired_is_not_gone(wide: Domicile) -> None:
    """The rows of the day are dropped before its packs and keys are purged."""
    tenant = wide.tenant()
    tenant.put(DataClass.PROMPT, b"mine")
    wide.take_down("eu-b", "eu-c")  # so that nothing is moved before it expires
    tenant.object(HOST, **BY)
    for _ in range(9):
        work(wide, days=4)
    wide.bring_back("eu-b", "eu-c")
    work_on(wide)

    check_is_done_when_gone(wide)


def test_what_an_abandoned_write_left_is_not_gone(wide: Domicile) -> None:
    """It was sent before the objection, and is refused at its commit. Nor is it before that."""
    tenant = wide.tenant()
    wide.tenant(of_its_shard("acme-eu")).put(DataClass.PROMPT, b"theirs")  # makes the day key
    theirs = content(wide)
    wide.backends["eu-b"].gates["put"] = gate = Gate()
    sent = tenant.submit(NewRecord(DataClass.PROMPT, b"mine"))
    gate.reached.wait(10)
    tenant.object(HOST, **BY)
    duty(wide, "evacuate")
    assert done(wide) == (False, False)
    gate.open.set()
    with pytest.raises(TermsChanged):
        sent.result()
    work_on(wide)

    check_is_done_when_gone(wide, theirs)


def _in_one_pack(domicile: Domicile) -> RecordId:
    """Store records of two tenants in one pack. Return that of the tenant that objects."""
    tenant, other = domicile.tenant(), domicile.tenant("other-eu")
    for one in (tenant, other):
        one.put(DataClass.PROMPT, b"first")
    domicile.backends["eu-b"].gates["put"] = gate = Gate()
    first = other.submit(NewRecord(DataClass.PROMPT, b"first"))
    gate.reached.wait(10)
    both = [one.submit(NewRecord(DataClass.PROMPT, b"shared")) for one in (tenant, other)]
    gate.open.set()
    mine = [one.result().id for one in (first, *both)][1]
    shared = select(t.record.c.object_id, t.record.c.tenant).distinct()
    with home(domicile).catalog.begin() as connection:
        packs = [row[0] for row in connection.execute(shared)]
    assert len(packs) > len(set(packs))
    return mine


def test_what_was_erased_in_a_pack_of_others_is_not_gone(wide: Domicile) -> None:
    """Its bytes are there until the pack is compacted, at the end of the window."""
    tenant = wide.tenant()
    _in_one_pack(wide)
    wide.backends["eu-a"].fail_before.clear()
    erase(tenant, Scope.tenant())
    work(wide, hours=1)
    tenant.object(HOST, **BY)
    work_on(wide)
    assert done(wide) == (False, False)

    work(wide, hours=72)
    work_on(wide)

    assert done(wide) == (True, True)


def test_what_others_purge_later_does_not_count(wide: Domicile) -> None:
    """Once nothing of the tenant is left, it stays so, whatever happens to packs of others."""
    tenant, other = wide.tenant(), wide.tenant("other-eu")
    other.put(DataClass.PROMPT, b"theirs", subject="u")
    tenant.object(HOST, **BY)
    work_on(wide)
    assert done(wide) == (True, True)

    erase(other)
    work_on(wide)

    assert content(wide)
    assert done(wide) == (True, True)
