"""The life of data on a real Ceph, while one gateway is killed, or stands still, in the middle.

What was acknowledged is read, nothing is called gone that is there, and all is done after the
return.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
import structlog

from storage.client.tenant import BoundTenant
from storage.errors import (
    BackendError,
    Expired,
    NotFound,
    PurgeIncomplete,
    TooFewReplicas,
    Unavailable,
)
from storage.evidence.departures import verify_statement
from storage.evidence.receipts import verify
from storage.model import DataClass, ErasureState, Purpose
from storage.ports import ItemKind
from storage.testing import SERVICE, Domicile, FaultyBackend, Server
from storage.workers.retire import retire
from tests.servers.ceph import Ceph
from tests.servers.lifecycle import Buckets, Fault, OnCeph, Outage, on_ceph, reopen, settled
from tests.support.actions import GONE, erase, get, work
from tests.support.holds import (
    SOON,
    open_held,
    place_hold,
    release_holds,
    relocated,
    stored_keys,
)
from tests.support.inspect.stored import home
from tests.support.scrubs import keys_of, scrubbed, traces_of

pytestmark = pytest.mark.servers
MIB = 1024 * 1024


@pytest.fixture
def opened(domicile_server: Server, ceph: Ceph, tmp_path: Path) -> Iterator[tuple[OnCeph, Buckets]]:
    """A Domicile, and its buckets."""
    with on_ceph(domicile_server, ceph, tmp_path) as made:
        yield made


@pytest.fixture
def domicile(opened: tuple[OnCeph, Buckets]) -> Domicile:
    """A Domicile with buckets that have versions and locks."""
    return opened[0]


@pytest.fixture(params=["killed", "stopped"])
def outage(request: pytest.FixtureRequest, ceph: Ceph, domicile: Domicile) -> Iterator[Outage]:
    """The gateway of ``eu-a`` is killed, or stands still, when the test says."""
    how: Fault = request.param
    made = Outage(ceph, how)
    yield made
    made.end()


@pytest.fixture
def ours(domicile: Domicile) -> FaultyBackend:
    """The backend whose gateway fails."""
    return domicile.backends["eu-a"]


@pytest.fixture
def tenant(domicile: Domicile) -> BoundTenant:
    """A tenant whose prompts expire soon, and who has a day key."""
    tenant = domicile.tenant(retention=SOON)
    tenant.put(DataClass.PROMPT, b"the day key is made", subject="other")
    return tenant


def without(domicile: Domicile, tenant: BoundTenant, record: object, other: str = "eu-b") -> bytes:
    """Read a record while another backend is away."""
    domicile.take_down(other)
    try:
        with tenant.open(record, purpose=Purpose.SERVE) as file:  # type: ignore[arg-type]
            return b"".join(file.chunks())
    finally:
        domicile.bring_back(other)


def test_put(domicile: Domicile, tenant: BoundTenant, ours: FaultyBackend, outage: Outage) -> None:
    """It is acknowledged with one replica; the other is made later, and no attempt stays."""
    outage.at(ours, "put", prefix="pack/")
    record = tenant.put(DataClass.PROMPT, b"mine").id
    assert outage.began
    assert get(tenant, record) == b"mine"
    outage.end()
    settled(domicile)

    assert without(domicile, tenant, record) == b"mine"


def test_put_without_a_gateway(domicile: Domicile, tenant: BoundTenant, outage: Outage) -> None:
    """It is refused, and the same put succeeds after the return. Nothing of the first stays."""
    record = tenant.new_id(DataClass.PROMPT)
    outage.where = ("eu-a", "eu-b")
    outage.begin()
    with pytest.raises(TooFewReplicas):
        tenant.put(DataClass.PROMPT, b"mine", id=record)
    with pytest.raises(NotFound):
        get(tenant, record)
    outage.end()
    assert tenant.put(DataClass.PROMPT, b"mine", id=record).id == record
    settled(domicile)

    assert [without(domicile, tenant, record, other) for other in ("eu-a", "eu-b")] == [b"mine"] * 2
    assert len([key for key in stored_keys(domicile) if key.startswith("pack/")]) == 4


def test_multipart(
    domicile: Domicile, tenant: BoundTenant, ours: FaultyBackend, outage: Outage
) -> None:
    """The parts that were sent go, and the file is copied whole."""
    body = os.urandom(20 * MIB)
    outage.at(ours, "upload.write", prefix="pack/", nth=12)
    record = tenant.put_file(BytesIO(body)).id
    assert outage.began
    assert get(tenant, record) == body
    outage.end()
    if outage.how == "killed":  # one that stood still carries out the abort at last
        assert ItemKind.UPLOAD in {item.kind for item in ours.inner.scan("pack/")}
    settled(domicile)

    assert ItemKind.UPLOAD not in {item.kind for item in ours.inner.scan()}
    assert without(domicile, tenant, record) == body


def test_range(
    domicile: Domicile, tenant: BoundTenant, ours: FaultyBackend, outage: Outage
) -> None:
    """Each range comes from where the file can be read."""
    body = os.urandom(20 * MIB)
    record = tenant.put_file(BytesIO(body)).id
    outage.at(ours, "get", prefix="pack/", nth=2)
    with tenant.open(record, purpose=Purpose.SERVE) as file:
        for start, stop in ((0, 1), (MIB - 9, 9 * MIB + 9), (19 * MIB, 99 * MIB)):
            assert file.read_range(start, stop) == body[start:stop]
    assert outage.began
    outage.end()

    assert without(domicile, tenant, record) == body


@pytest.mark.parametrize("call", ["purge", "list_key"])
def test_erase(
    domicile: Domicile, tenant: BoundTenant, ours: FaultyBackend, outage: Outage, call: str
) -> None:
    """It is unreadable at once, and there is no receipt before the gateway has shown it gone."""
    record = tenant.put(DataClass.PROMPT, b"mine", subject="u").id
    file = tenant.put_file(BytesIO(os.urandom(9 * MIB)), subject="u").id
    outage.at(ours, call, prefix="pack/")
    erasure = erase(tenant)
    for one in (record, file):
        with pytest.raises(GONE):
            get(tenant, one)
    work(domicile, hours=1)
    assert outage.began
    waiting = domicile.store.erasure(erasure.id)
    assert (waiting.state, waiting.receipt) == (ErasureState.PURGING, None)
    assert {left.backend for left in waiting.outstanding} == {"eu-a"}
    outage.end()
    settled(domicile)

    done = domicile.store.erasure(erasure.id)
    receipt = verify(done.receipt or "", home(domicile).signing.public_key())
    assert {(leaf.backend, leaf.how) for leaf in receipt.leaves} == {
        ("eu-a", "seen"),
        ("eu-b", "seen"),
    }
    assert all("upload" in leaf.looked_for for leaf in receipt.leaves)
    assert len([key for key in stored_keys(domicile) if key.startswith("pack/")]) == 2


def test_expire(
    domicile: Domicile, tenant: BoundTenant, ours: FaultyBackend, outage: Outage
) -> None:
    """Nothing of the day is readable, what is left is shown, and goes after the return."""
    record = tenant.put(DataClass.PROMPT, b"mine").id
    outage.at(ours, "purge", prefix="pack/")
    work(domicile, hours=13)
    assert outage.began
    with pytest.raises((*GONE, Expired)):
        get(tenant, record)
    work(domicile, hours=2)
    shown = {state.backend: state for state in domicile.store.status().regions[0].backends}
    assert shown["eu-a"].oldest_overdue is not None
    assert shown["eu-b"].oldest_overdue is None
    outage.end()
    settled(domicile)

    assert stored_keys(domicile) == set()


def held_keys(domicile: Domicile) -> list[tuple[str, str]]:
    """Return backend and key of each replica that a hold keeps."""
    kinds = ("held", "hold_key")
    return [(b, key) for b in ("eu-a", "eu-b") for k in kinds for key in keys_of(domicile, b, k)]


def test_hold(domicile: Domicile, tenant: BoundTenant, ours: FaultyBackend, outage: Outage) -> None:
    """What is held is moved and locked on both: each gateway itself refuses to delete it."""
    record = tenant.put(DataClass.PROMPT, b"mine", subject="u").id
    placed = place_hold(domicile)
    outage.at(ours, "preserve", nth=2)  # the key is locked, the object not yet
    for hours in (13, 1):
        work(domicile, hours=hours)
    assert outage.began
    assert open_held(domicile, placed, record) == b"mine"
    outage.end()
    settled(domicile)

    assert relocated(domicile) == {record.unique}
    kept = held_keys(domicile)
    assert len(kept) == 4
    for backend, key in kept:
        with pytest.raises(PurgeIncomplete):
            domicile.backends[backend].inner.purge(key)
    assert open_held(domicile, placed, record) == b"mine"


def test_release(
    domicile: Domicile, tenant: BoundTenant, ours: FaultyBackend, outage: Outage
) -> None:
    """The lock goes first, then the bytes, on each backend when it answers."""
    tenant.put(DataClass.PROMPT, b"mine", subject="u")
    placed = place_hold(domicile)
    for hours in (13, 1):
        work(domicile, hours=hours)
    kept = held_keys(domicile)
    assert len(kept) == 4
    outage.at(ours, "release")
    release_holds(domicile, placed)
    for hours in (1, 1):
        work(domicile, hours=hours)
    assert outage.began
    assert held_keys(domicile) == []
    outage.end()
    assert {b for b, key in kept if domicile.backends[b].inner.list_key(key)} == {"eu-a"}
    settled(domicile)

    assert stored_keys(domicile) == set()


@pytest.mark.parametrize("call", ["scan", "get"])
def test_scrub(
    domicile: Domicile, tenant: BoundTenant, ours: FaultyBackend, outage: Outage, call: str
) -> None:
    """An outage is no finding. The next scrub finds what is missing, and only that."""
    records = [tenant.put(DataClass.PROMPT, b"%d" % n).id for n in range(3)]
    settled(domicile)
    lost = keys_of(domicile)[0]
    ours.inner.purge(lost)
    outage.at(ours, call)
    with suppress(BackendError):
        scrubbed(domicile, share=1.0)
    assert outage.began
    outage.end()
    found = scrubbed(domicile, share=1.0)
    settled(domicile)

    assert found == {"missing/replacing": 1}
    assert traces_of(domicile, keys_of(domicile)[-1]) != []
    assert [without(domicile, tenant, record) for record in records] == [b"0", b"1", b"2"]


@pytest.mark.parametrize("which", ["leaves", "takes"])
def test_retire(
    domicile: Domicile,
    tenant: BoundTenant,
    opened: tuple[OnCeph, Buckets],
    outage: Outage,
    which: str,
) -> None:
    """What is there is elsewhere before it is purged, and the statement comes last."""
    body = os.urandom(9 * MIB)
    record = tenant.put(DataClass.PROMPT, b"mine").id
    file = tenant.put_file(BytesIO(body)).id
    settled(domicile)
    reopen(domicile, opened[1].settings("eu-a", "eu-b", "eu-c", retires="eu-a"))
    tenant = domicile.store.tenant("acme-eu").bind(SERVICE)
    if which == "leaves":
        outage.at(domicile.backends["eu-a"], "purge", prefix="pack/")
    else:
        outage.where = ("eu-c",)
        outage.at(domicile.backends["eu-c"], "upload.finish", prefix="pack/")

    def empty() -> str:
        served = domicile.homes.served("eu-central-1")
        log = structlog.get_logger()
        return str(retire(served.region, served.keys, "eu-a", log, tell=lambda _: None).token)

    with pytest.raises(Unavailable):
        empty()
    assert outage.began
    assert (get(tenant, record), get(tenant, file)) == (b"mine", body)
    outage.end()
    settled(domicile)
    statement = verify_statement(empty(), home(domicile).signing.public_key())

    assert (statement.backend, statement.sub_processor) == ("eu-a", "lindenhost")
    assert list(domicile.backends["eu-a"].inner.scan()) == []
    assert without(domicile, tenant, record) == b"mine"
    assert without(domicile, tenant, file) == body
