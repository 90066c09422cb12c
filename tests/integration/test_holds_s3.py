"""Legal holds with S3 object lock: the bucket refuses deletion too."""

import pytest
from sqlalchemy import select

from storage.catalog import tables as t
from storage.errors import BackendForbidden, PurgeIncomplete
from storage.model import DataClass
from storage.testing import Domicile
from storage.testing.harness import Kind
from tests.support.actions import work
from tests.support.holds import SOON, open_held, place_hold, release_holds, relocated
from tests.support.inspect.stored import home, object_states

pytestmark = pytest.mark.one_region


@pytest.fixture
def domicile_backends() -> Kind:
    """S3, with versions and object lock."""
    return "s3"


def keys(domicile: Domicile) -> list[tuple[str, str]]:
    """Return backend and key of all objects with relocated records."""
    o, r = t.object_.c, t.replica.c
    query = (
        select(r.backend, r.key)
        .join(t.object_, o.id == r.object_id)
        .where(o.kind.in_(("held", "hold_key")), r.state == "stored")
    )
    with home(domicile).catalog.begin() as connection:
        return [(x[0], x[1]) for x in connection.execute(query)]


def test_the_bucket_itself_keeps_what_is_held(domicile: Domicile) -> None:
    """Held object and key are locked on each backend. After the release the lock goes first."""
    tenant = domicile.tenant(retention=SOON)
    mine = tenant.put(DataClass.PROMPT, b"mine", subject="u").id
    domicile.backends["eu-b"].full = True
    placed = place_hold(domicile)
    for hours in (13, 1):
        work(domicile, hours=hours)
    domicile.backends["eu-b"].full = False  # what it lacked is copied, and locked too
    for hours in (1, 1):
        work(domicile, hours=hours)
    assert relocated(domicile) == {mine.unique}
    assert open_held(domicile, placed, mine) == b"mine"
    kept = keys(domicile)
    assert len(kept) == 4
    for backend, key in kept:
        with pytest.raises(PurgeIncomplete):
            domicile.backends[backend].inner.purge(key)

    release_holds(domicile, placed)
    stuck = domicile.backends["eu-a"]
    stuck.fail_before["release"] = lambda _: BackendForbidden("eu-a")
    for hours in (1, 1):
        work(domicile, hours=hours)
    left = {b for b, key in kept if domicile.backends[b].inner.list_key(key)}
    assert left == {"eu-a"}
    stuck.fail_before.clear()
    for hours in (1, 1):
        work(domicile, hours=hours)
    assert object_states(home(domicile), "held").get("stored", 0) == 0
    for backend, key in kept:
        assert domicile.backends[backend].inner.list_key(key) == []
