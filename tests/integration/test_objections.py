"""Objections of tenants: nothing new goes to the company, and what is there is moved."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from storage.catalog import tables as t
from storage.client.tenant import Tenant
from storage.errors import (
    HandOverRefused,
    InvalidRequest,
    ObjectionRefused,
    TermsChanged,
)
from storage.model import DataClass, Objection, RecordId
from storage.objects.keyring import shard_of
from storage.testing import SERVICE, Domicile
from tests.support.actions import erase, get, work
from tests.support.holds import open_held, place_hold
from tests.support.inspect.stored import OF_THE_REGION, home
from tests.support.processors.copies import MODERATION, copies_left
from tests.support.topologies import three_backends

pytestmark = pytest.mark.one_region

r = t.replica.c

BY = {"by": "officer-7", "ticket": "CASE-1"}
HOST = "lindenhost"  # runs eu-a; meerspeicher runs eu-b


def put_small(tenant: Tenant) -> object:
    """Put a record that shares its pack."""
    return tenant.put(DataClass.PROMPT, b"mine")


def put_large(tenant: Tenant) -> object:
    """Put a record that is a pack of its own."""
    return tenant.put(DataClass.COMPLETION, bytes(300_000))


def put_file(tenant: Tenant) -> object:
    """Put a file, which has a key of its own."""
    return tenant.put_file([b"a file"])


@pytest.fixture
def wide(domicile: Domicile, tmp_path: Path) -> Domicile:
    """A Domicile whose EU has a third backend, eu-c."""
    topology = three_backends(tmp_path / "topology")
    domicile.settings = domicile.settings.model_copy(update={"topology": topology})
    domicile.open()
    return domicile


def there(domicile: Domicile, name: str = "eu-a") -> list[str]:
    """Return the keys of packs, held objects and key objects that are on a backend."""
    found = [trace.key for trace in domicile.backends[name].inner.scan()]
    return [key for key in found if not key.startswith((*OF_THE_REGION, "canary/"))]


def of_its_shard(tenant: str) -> str:
    """Return another tenant that shares day keys with one."""
    return next(
        name for name in (f"other-{n}" for n in range(1000)) if shard_of(name) == shard_of(tenant)
    )


def work_on(domicile: Domicile) -> None:
    """Work for some hours, until no abandoned write can take effect any more."""
    for _ in range(4):
        work(domicile, hours=1)


def only(tenant: Tenant) -> Objection:
    """Return the one objection of a tenant."""
    (found,) = tenant.objections()
    return found


def reason(tenant: Tenant, record: RecordId, backend: str = "eu-a") -> str:
    """Return why a backend holds a record or not."""
    return {v.backend: v.reason.value for v in tenant.explain(record).verdicts}[backend]


def rows(domicile: Domicile) -> int:
    """Return how many rows there are about objections."""
    count = select(func.count())
    with home(domicile).catalog.begin() as connection:
        return sum(
            connection.execute(count.select_from(table)).scalar_one()
            for table in (t.objection, t.objection_in_force)
        )


def test_what_is_stored_is_moved(wide: Domicile) -> None:
    """Packs, day keys, files and their keys are on two other backends, and are readable."""
    tenant = wide.tenant()
    records = [tenant.put(DataClass.PROMPT, b"mine %d" % n).id for n in range(3)]
    file = tenant.put_file([b"a file"]).id
    kinds = {key.split("/")[0] for key in there(wide)}
    assert kinds == {"pack", "day_key", "file_key"}

    effect = tenant.object(HOST, **BY)
    before = only(tenant)
    work_on(wide)

    assert (effect.places, effect.fewer_replicas) == (("eu-b", "eu-c"), False)
    assert (before.left > 0, before.gone) == (True, None)
    assert there(wide) == []
    assert {key.split("/")[0] for key in there(wide, "eu-c")} == kinds
    after = only(tenant)
    assert (after.left, after.overdue) == (0, False)
    assert after.gone is not None
    wide.take_down("eu-b")
    assert [get(tenant, record) for record in records] == [b"mine 0", b"mine 1", b"mine 2"]
    assert get(tenant, file) == b"a file"
    assert reason(tenant, records[0]) == "objected"


def test_nothing_new_goes_there(wide: Domicile) -> None:
    """Neither records nor keys, nor what a compaction or a repair writes; explain says why."""
    tenant = wide.tenant()
    tenant.object(HOST, **BY)

    record = tenant.put(DataClass.PROMPT, b"mine", subject="u").id
    tenant.put(DataClass.PROMPT, b"yours", subject="v")
    tenant.put_file([b"a file"])
    tenant.put(DataClass.PROMPT, bytes(300_000))

    assert there(wide) == []
    assert reason(tenant, record) == "objected"
    wide.take_down("eu-b")
    tenant.put(DataClass.PROMPT, b"later")
    wide.bring_back("eu-b")
    erase(tenant)
    for _ in range(3):
        work(wide, hours=30)
    assert there(wide) == []
    assert there(wide, "eu-b")


def test_others_keep_their_places(wide: Domicile) -> None:
    """What they share with the tenant is moved as a whole; what they write goes where it went."""
    tenant, other = wide.tenant(), wide.tenant("other-eu")
    shared = [one.put(DataClass.PROMPT, b"shared").id for one in (tenant, other)]
    tenant.object(HOST, **BY)
    tenant.put(DataClass.PROMPT, b"mine")
    work_on(wide)

    record = other.put(DataClass.PROMPT, b"theirs").id
    mine = tenant.put(DataClass.PROMPT, b"mine too").id

    assert reason(other, record) == "allowed"
    assert {replica.backend for replica in other.explain(record).replicas} == {"eu-a", "eu-b"}
    assert {replica.backend for replica in tenant.explain(mine).replicas} == {"eu-b", "eu-c"}
    assert [get(tenant, shared[0]), get(other, shared[1])] == [b"shared", b"shared"]
    assert other.objections() == []


def test_a_day_key_that_others_share_is_moved(wide: Domicile) -> None:
    """The tenant's record keys are wrapped with it, so the company may not have it either."""
    tenant, other = wide.tenant(), wide.tenant(of_its_shard("acme-eu"))
    record = other.put(DataClass.PROMPT, b"theirs").id
    mine = tenant.put(DataClass.PROMPT, b"mine").id
    tenant.object(HOST, **BY)
    work_on(wide)
    assert [key for key in there(wide) if key.startswith("day_key/")] == []

    for _ in range(2):
        work(wide, days=8)  # a scrub does not bring it back

    assert [key for key in there(wide) if key.startswith("day_key/")] == []
    assert (get(other, record), get(tenant, mine)) == (b"theirs", b"mine")


def test_its_new_records_need_no_key_that_is_there(wide: Domicile) -> None:
    """Not even one that another tenant of its shard makes there afterwards."""
    tenant, other = wide.tenant(), wide.tenant(of_its_shard("acme-eu"))
    tenant.object(HOST, **BY)
    other.put(DataClass.PROMPT, b"theirs")
    tenant.put(DataClass.PROMPT, b"mine")

    of = select(t.record.c.key_id).where(t.record.c.tenant == "acme-eu")
    with home(wide).catalog.begin() as connection:
        key = connection.execute(of).scalar_one()
        on = set(connection.scalars(select(r.backend).where(r.object_id == key)))
    assert on == {"eu-b", "eu-c"}
    assert [key for key in there(wide) if key.startswith("day_key/")]


def test_with_one_other_place_there_are_fewer_replicas(domicile: Domicile) -> None:
    """The answer says so, and what is at the company is purged all the same."""
    tenant = domicile.tenant()
    record = tenant.put(DataClass.PROMPT, b"mine").id

    effect = tenant.object(HOST, **BY)
    work_on(domicile)

    assert (effect.places, effect.fewer_replicas) == (("eu-b",), True)
    assert there(domicile) == []
    assert get(tenant, record) == b"mine"
    assert get(tenant, tenant.put(DataClass.PROMPT, b"more").id) == b"more"


@pytest.mark.parametrize(
    ("company", "why"),
    [("quellwerk", "steward"), ("meerspeicher", "too_few_left"), ("nobody", "unknown_company")],
)
def test_a_refused_objection_changes_nothing(domicile: Domicile, company: str, why: str) -> None:
    """Not the terms either: a write under way goes on."""
    tenant = domicile.tenant()
    tenant.object(HOST, **BY)
    before = rows(domicile), _version(domicile)

    with pytest.raises(ObjectionRefused) as caught:
        tenant.object(company, **BY)

    assert caught.value.reasons == (why,)
    assert caught.value.advice
    assert (rows(domicile), _version(domicile)) == before


def _version(domicile: Domicile) -> int:
    with home(domicile).catalog.begin() as connection:
        return int(connection.execute(select(t.tenant.c.version)).scalar_one())


@pytest.mark.parametrize("has_key", [False, True])
@pytest.mark.parametrize("write", [put_small, put_large, put_file], ids=lambda f: f.__name__)
def test_a_process_that_has_not_heard_of_it_sends_nothing_there(
    wide: Domicile, write: Callable[[Tenant], object], *, has_key: bool
) -> None:
    """It keeps the terms for seconds. Its write is refused before a byte is sent, then repeated."""
    tenant = wide.tenant()
    with wide.open_another() as store:
        stale = store.tenant("acme-eu")
        stale.new_id(DataClass.PROMPT)
        if has_key:
            put_small(stale)
        tenant.object(HOST, **BY)
        before = there(wide)

        with pytest.raises(TermsChanged):
            write(stale)
        assert there(wide) == before
        write(stale)
        assert there(wide) == before


def test_after_a_withdrawal_the_company_gets_new_data(wide: Domicile) -> None:
    """What was moved stays where it is. Both stand in the history."""
    tenant = wide.tenant()
    tenant.put(DataClass.PROMPT, b"mine")
    tenant.object(HOST, **BY)
    work_on(wide)

    tenant.withdraw(HOST, by="officer-8", ticket="CASE-2")
    assert there(wide) == []
    record = tenant.put(DataClass.PROMPT, b"new").id

    assert reason(tenant, record) == "allowed"
    found = only(tenant)
    assert (found.by, found.ticket) == ("officer-7", "CASE-1")
    assert (found.withdrawn_by, found.withdrawn_ticket) == ("officer-8", "CASE-2")
    assert found.withdrawn is not None
    with pytest.raises(ObjectionRefused) as caught:
        tenant.withdraw(HOST, **BY)
    assert caught.value.reasons == ("not_objected",)

    tenant.object(HOST, **BY)
    work_on(wide)
    assert there(wide) == []
    assert get(tenant, record) == b"new"
    assert [one.withdrawn is None for one in tenant.objections()] == [False, True]


def test_a_repetition_changes_nothing(wide: Domicile) -> None:
    """It gives the same answer, and no second entry."""
    tenant = wide.tenant()
    first = tenant.object(HOST, **BY)
    wide.pass_time(days=3)

    assert tenant.object(HOST, by="officer-9", ticket="CASE-9") == first
    assert only(tenant).by == "officer-7"


def test_it_is_overdue_while_the_company_cannot_be_emptied(wide: Domicile) -> None:
    """Until a backend that is down answers again, whatever time passes."""
    tenant = wide.tenant()
    tenant.put(DataClass.PROMPT, b"mine")
    wide.take_down("eu-a")
    tenant.object(HOST, **BY)
    work_on(wide)

    late = only(tenant)
    assert (late.left, late.overdue, late.gone) == (2, True, None)
    (status,) = (one for one in wide.store.status().regions if one.region == "eu-central-1")
    assert (status.objections_moving, status.objections_overdue) == (1, 1)

    wide.bring_back("eu-a")
    work_on(wide)
    assert only(tenant).left == 0
    (status,) = (one for one in wide.store.status().regions if one.region == "eu-central-1")
    assert (status.objections_moving, status.objections_overdue) == (0, 0)


def test_nothing_is_purged_before_it_is_elsewhere(wide: Domicile) -> None:
    """While no other backend answers, the replica stays and is read."""
    tenant = wide.tenant()
    record = tenant.put(DataClass.PROMPT, b"mine").id
    before = there(wide)
    wide.take_down("eu-b", "eu-c")

    tenant.object(HOST, **BY)
    work(wide, hours=1)

    assert there(wide) == before
    assert get(tenant, record) == b"mine"


def test_held_records_are_moved_too(wide: Domicile) -> None:
    """A hold keeps them, but not at the company. What is held later does not go there."""
    tenant = wide.tenant()
    record = tenant.put(DataClass.PROMPT, b"mine", subject="u").id
    placed = place_hold(wide)
    for _ in range(10):
        work(wide, days=4)
    assert [key for key in there(wide) if key.startswith("held/")]

    tenant.object(HOST, **BY)
    work_on(wide)
    sent = list[str]()
    wide.backends["eu-a"].fail_before |= {"put": sent.append, "upload": sent.append}
    later = tenant.put(DataClass.PROMPT, b"mine too", subject="u").id
    again = place_hold(wide)
    for _ in range(10):
        work(wide, days=4)

    assert [key for key in sent if key.startswith(("held/", "hold_key/"))] == []
    assert there(wide) == []
    assert open_held(wide, placed, record) == b"mine"
    assert open_held(wide, again, later) == b"mine too"


def test_copies_at_a_processor_are_asked_back(domicile: Domicile) -> None:
    """And no other copy is handed over there."""
    tenant = domicile.tenant()
    record = tenant.put(DataClass.PROMPT, b"mine").id
    tenant.hand_over(record, MODERATION)

    tenant.object(MODERATION, **BY)
    assert only(tenant).left == 1
    with pytest.raises(HandOverRefused) as caught:
        tenant.hand_over(record, MODERATION)
    work_on(domicile)

    assert caught.value.reasons == ("objected",)
    assert copies_left(domicile) == []
    assert only(tenant).gone is not None


def test_a_vacated_backend_does_not_send_it_there(wide: Domicile, tmp_path: Path) -> None:
    """The replicas of another backend that retires go to the third one."""
    tenant = wide.tenant()
    tenant.object("meerspeicher", **BY)
    record = tenant.put(DataClass.PROMPT, b"mine").id
    topology = three_backends(tmp_path / "2", retires="eu-a")
    wide.settings = wide.settings.model_copy(update={"topology": topology})
    wide.open()

    work_on(wide)

    assert there(wide) == there(wide, "eu-b") == []
    assert get(wide.store.tenant("acme-eu").bind(SERVICE), record) == b"mine"


@pytest.mark.parametrize("company", ["", "lind enhost\n", 7])
@pytest.mark.parametrize("ticket", ["", "x" * 201, None])
def test_arguments_that_are_not_of_their_kind(
    domicile: Domicile, company: object, ticket: object
) -> None:
    """They are refused before anything is read."""
    tenant = domicile.tenant()
    with pytest.raises(InvalidRequest):
        tenant.object(HOST, by="officer-7", ticket=ticket)  # type: ignore[arg-type]
    with pytest.raises((InvalidRequest, ObjectionRefused)):
        tenant.object(company, **BY)  # type: ignore[arg-type]
