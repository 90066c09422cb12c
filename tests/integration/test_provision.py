"""A declared region is made ready: its buckets, its checks, its first record."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest

from storage.backends import marker
from storage.bootstrap import open_store
from storage.catalog import stages
from storage.errors import (
    BackendInUse,
    BackendMisplaced,
    DomicileError,
    InvalidRequest,
    RegionNotRoutable,
)
from storage.model import DataClass, Dpa, Purpose, TenantSpec
from storage.policy import Stage
from storage.testing import SERVICE
from storage.testing.s3 import CREDENTIALS, Answer, Request, S3Server
from tests.support.catalogs.databases import MEANS, Throwaway, opened
from tests.support.declared import NEW, WHOLE, Declared, declare

BACKENDS = """
[[backends]]
name = "west-a"
kind = "s3"
sub_processor = "lindenhost"
bucket = "west-a"
aws_region = "eu-central-1"
endpoint_url = "URL"

[[backends]]
name = "west-b"
kind = "directory"
sub_processor = "meerspeicher"
path = "west-b"
"""


@pytest.fixture
def server() -> Iterator[S3Server]:
    """Return a server without buckets."""
    with S3Server() as made:
        yield made
        made._names += [name for name in made._buckets.buckets if name not in made._names]


@pytest.fixture
def declared(alone: Throwaway, server: S3Server, tmp_path: Path) -> Iterator[Declared]:
    """Declare a region whose first backend is a bucket that does not exist."""
    backends = BACKENDS.replace("URL", server.url)
    with declare(alone, tmp_path, backends, {"west-a": CREDENTIALS}) as made:
        yield made


def bucket_of(server: S3Server):  # type: ignore[no-untyped-def]  # noqa: ANN201 - moto has no types
    """Return what the server has as the bucket."""
    return server._buckets.buckets["west-a"]


def test_from_nothing_to_the_first_record(declared: Declared, server: S3Server) -> None:
    """The bucket is in its place, versioned, closed to the public, with a harmless lifecycle."""
    steps = declared.provision()

    assert {step.backend for step in steps} == {None, "west-a", "west-b"}
    assert declared.stages() == WHOLE
    bucket = bucket_of(server)
    assert (bucket.region_name, bucket.versioning_status) == ("eu-central-1", "Enabled")
    assert bucket.public_access_block.block_public_policy in (True, "true")
    assert [rule.expiration_days for rule in bucket.rules] == [None]
    assert list(bucket.keys) == [marker.NAME]
    with open_store(declared.settings, require=[NEW], dependencies=MEANS) as store:
        dpa = Dpa(signed=date(2026, 1, 5))
        store.admin.tenants.ensure(TenantSpec("t", "acme", NEW, "EU", agreements=[dpa]))
        t = store.tenant("t").bind(SERVICE)
        put = t.put(DataClass.PROMPT, b"mine")
        assert t.get(put.id, purpose=Purpose.SERVE).body == b"mine"


def test_again_and_twice_at_once_end_the_same(declared: Declared, server: S3Server) -> None:
    """No stage is noted twice."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: declared.provision(), range(2)))
    declared.provision()

    assert declared.stages() == WHOLE


@pytest.mark.parametrize("request_number", range(1, 40, 3))
def test_interrupted_at_any_request_and_run_again(
    declared: Declared, server: S3Server, request_number: int
) -> None:
    """The server loses the connection for good after some request: the second run completes."""
    seen = 0

    def cut(request: Request) -> Answer | None:
        nonlocal seen
        seen += 1
        if seen >= request_number:
            raise ConnectionError
        return None

    server.instead = cut
    with suppress(DomicileError):
        declared.provision()
    server.instead = lambda _: None

    declared.provision()

    assert declared.stages() == WHOLE


def test_a_bucket_with_the_data_of_another_is_untouched(
    declared: Declared, server: S3Server
) -> None:
    """Not even its settings change."""
    server.make_bucket("west-a", "eu-central-1")
    server.store("west-a", "theirs", b"data")

    with pytest.raises(BackendInUse, match="west-a"):
        declared.provision()

    assert bucket_of(server).versioning_status is None
    assert bucket_of(server).public_access_block is None
    assert [key.name for key in bucket_of(server).keys.values()] == ["theirs"]
    assert declared.stages() == [Stage.PROPOSED]


def test_a_directory_with_the_files_of_another_is_refused(
    declared: Declared, server: S3Server
) -> None:
    """As a bucket."""
    theirs = declared.settings.home / "west-b" / "pack"
    theirs.mkdir(parents=True)
    (theirs / "x").write_bytes(b"data")

    with pytest.raises(BackendMisplaced, match="west-b: its directory has files of another"):
        declared.provision()

    assert declared.stages() == [Stage.PROPOSED]


def test_a_bucket_elsewhere_is_refused(declared: Declared, server: S3Server) -> None:
    """An empty bucket of that name in another region is not the one that was declared."""
    server.make_bucket("west-a", "us-east-1")

    with pytest.raises(BackendMisplaced, match="west-a"):
        declared.provision()

    assert declared.stages() == [Stage.PROPOSED]


def test_a_bucket_that_replicates_is_not_opened(declared: Declared, server: S3Server) -> None:
    """It stays provisioned, until somebody corrects it. Nothing of a canary was sent."""
    server.make_bucket("west-a", "eu-central-1", versioned=True)
    rule = {"Status": "Enabled", "Destination": {"Bucket": "arn:aws:s3:::elsewhere"}}
    bucket_of(server).replication = {"Role": "r", "Rule": [rule | {"ID": "x", "Priority": 1}]}

    with pytest.raises(RegionNotRoutable, match="west-a: posture_bad"):
        declared.provision()
    assert declared.stages() == WHOLE[:2]
    puts = [r for r in server.requests if r.method == "PUT" and r.path.count("/") > 1]
    assert not puts

    bucket_of(server).replication = None
    declared.provision()
    assert declared.stages() == WHOLE


def test_a_region_that_no_revision_declares_needs_none(
    declared: Declared, server: S3Server, tmp_path: Path
) -> None:
    """``init`` is all that it needs."""
    (tmp_path / "topology" / "versions").rename(tmp_path / "elsewhere")

    with pytest.raises(InvalidRequest, match="init is enough"):
        declared.provision()


def test_a_retired_region_is_not_made_again(declared: Declared, server: S3Server) -> None:
    """Its evidence has ended."""
    declared.provision()
    with opened(NEW, declared.url) as connection:
        stages.add(connection, Stage.RETIRING, stages.declared(connection))

    with pytest.raises(InvalidRequest, match="retiring"):
        declared.provision()
