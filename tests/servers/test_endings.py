"""Ends on a real Ceph: a company is drained, a region retires, and a bucket is exchanged."""

import os
from collections.abc import Iterator
from contextlib import closing, suppress
from io import BytesIO
from os import urandom
from pathlib import Path

import pytest

from storage.backends import marker
from storage.catalog import exports
from storage.draining import drain
from storage.errors import BackendReplaced, Unavailable
from storage.evidence.drains import verify_drain
from storage.evidence.retirements import verify_region
from storage.model import DataClass, Scope
from storage.retirement import Remaining, retire
from storage.testing import SERVICE, Domicile, Server
from tests.servers.ceph import Ceph
from tests.servers.lifecycle import PLACES, Buckets, OnCeph, Outage, on_ceph, reopen, settled
from tests.support.actions import erase, get, work
from tests.support.inspect.stored import HOME, home

pytestmark = pytest.mark.servers
MIB = 1024 * 1024


@pytest.fixture
def opened(domicile_server: Server, ceph: Ceph, tmp_path: Path) -> Iterator[tuple[OnCeph, Buckets]]:
    """A Domicile, and its buckets."""
    with on_ceph(domicile_server, ceph, tmp_path) as made:
        yield made


def keys_in(buckets: Buckets, name: str) -> set[str]:
    """Return the keys of all versions in the bucket of a backend, with a client of our own."""
    with closing(buckets.ceph.opened(buckets.names[name], PLACES[name], timeout=30)) as bucket:
        answer = bucket.ask(lambda s3: s3.list_object_versions(Bucket=bucket.name))
        return {item["Key"] for item in answer.get("Versions", ())}


def drained(domicile: Domicile) -> str:
    """Drain the company of ``eu-a``."""
    served = domicile.homes.served(HOME)
    return drain(served.region, served.keys, "lindenhost", domicile.log, tell=lambda _: None)


def test_drain(opened: tuple[OnCeph, Buckets], ceph: Ceph) -> None:
    """A gateway that is killed in the middle keeps the receipt away; then the bucket is empty."""
    domicile, buckets = opened
    body = os.urandom(9 * MIB)
    tenant = domicile.tenant()
    record = tenant.put(DataClass.PROMPT, b"mine", subject="u").id
    file = tenant.put_file(BytesIO(body)).id
    settled(domicile)
    reopen(domicile, buckets.settings("eu-a", "eu-b", "eu-c", retires="eu-a"))
    outage = Outage(ceph, "killed")
    outage.at(domicile.backends["eu-a"], "purge", prefix="pack/")
    with pytest.raises(Unavailable):
        drained(domicile)
    assert outage.began
    outage.end()
    settled(domicile)

    receipt = verify_drain(drained(domicile), home(domicile).signing.public_key())

    assert [each.backend for each in receipt.backends] == ["eu-a"]
    assert keys_in(buckets, "eu-a") == {marker.NAME}
    tenant = domicile.store.tenant("acme-eu").bind(SERVICE)
    domicile.take_down("eu-a")
    assert (get(tenant, record), get(tenant, file)) == (b"mine", body)


def test_retire_a_region(opened: tuple[OnCeph, Buckets]) -> None:
    """From the last tenant to the statement; the buckets are empty."""
    domicile, buckets = opened
    tenant = domicile.tenant()
    tenant.put(DataClass.PROMPT, b"mine", subject="u")
    erase(tenant, Scope.tenant())
    for hours in (1, 73, 1):
        work(domicile, hours=hours)
    with home(domicile).catalog.begin() as connection:
        while page := exports.unexported(connection, 100):
            exports.mark(connection, page, urandom)
    domicile.store.admin.tenants.remove("acme-eu")
    key = home(domicile).signing.public_key()

    def ended() -> str | Remaining:
        return retire(domicile.settings, HOME, domicile.log, dependencies=domicile.dependencies)

    found: str | Remaining = ""
    for _ in range(4):  # an abandoned canary may still land for a while
        with suppress(Unavailable):
            found = ended()
            break
        domicile.pass_time(hours=1)

    assert isinstance(found, str), found
    assert verify_region(found, key).region == HOME
    assert [keys_in(buckets, name) for name in ("eu-a", "eu-b")] == [{marker.NAME}] * 2


def test_another_bucket_under_the_same_name(opened: tuple[OnCeph, Buckets]) -> None:
    """It is refused, and nothing is written there."""
    domicile, buckets = opened
    domicile.tenant().put(DataClass.PROMPT, b"mine")
    former = buckets.names.pop("eu-a")
    domicile.backends.clear()

    with pytest.raises(BackendReplaced):
        reopen(domicile, buckets.settings("eu-a", "eu-b", "eu-c"))

    assert keys_in(buckets, "eu-a") == set()
    assert buckets.names["eu-a"] != former
