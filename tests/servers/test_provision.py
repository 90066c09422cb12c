"""A region on a real Ceph: from nothing to routable."""

from contextlib import closing
from pathlib import Path

import pytest

from regions.fields import PostureCheck
from storage.errors import BackendInUse, RegionNotRoutable
from tests.servers.ceph import REGIONS, Ceph
from tests.support.catalogs.databases import Throwaway, alone
from tests.support.declared import WHOLE, declare

__all__ = ["alone"]

pytestmark = pytest.mark.servers
BACKEND = """
[[backends]]
name = "west-{letter}"
kind = "s3"
sub_processor = "{company}"
bucket = "{bucket}"
aws_region = "{region}"
endpoint_url = "{url}"
object_lock = {lock}
"""
ATTESTED = """
[backends.posture_attested]
on = 2026-01-01
document = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
checks = ["inventory"]
"""


def backends(ceph: Ceph, first: str, second: str, *, attested: bool = True) -> str:
    """Return two backends on two gateways, in TOML. The second bucket has object lock."""
    given = zip("ab", (first, second), REGIONS, ("lindenhost", "meerspeicher"), strict=False)
    return "".join(
        BACKEND.format(
            letter=letter,
            bucket=bucket,
            region=region,
            company=company,
            url=ceph.endpoints[region],
            lock="true" if letter == "b" else "false",
        )
        + (ATTESTED if attested else "")
        for letter, bucket, region, company in given
    )


def test_from_nothing_to_routable(ceph: Ceph, alone: Throwaway, tmp_path: Path) -> None:
    """Ceph can set all of it. A second time changes nothing."""
    given = backends(ceph, "new-a", "new-b")
    credentials = dict.fromkeys(("west-a", "west-b"), ceph.credentials)
    with declare(alone, tmp_path, given, credentials) as region:
        unset = {check for step in region.provision() for check in step.unset}
        assert unset <= {PostureCheck.PUBLIC_ACCESS, PostureCheck.LIFECYCLE}
        region.provision()
        assert region.stages() == WHOLE
    with closing(ceph.opened("new-b", REGIONS[1], timeout=30)) as bucket:
        assert bucket.has_locks()


def test_what_ceph_does_not_tell_must_be_attested(
    ceph: Ceph, alone: Throwaway, tmp_path: Path
) -> None:
    """The region stays provisioned: nobody knows whether names are written elsewhere."""
    given = backends(ceph, "unsaid-a", "unsaid-b", attested=False)
    credentials = dict.fromkeys(("west-a", "west-b"), ceph.credentials)
    with (
        declare(alone, tmp_path, given, credentials) as region,
        pytest.raises(RegionNotRoutable, match="posture_unreadable"),
    ):
        region.provision()


def test_a_bucket_with_the_data_of_another_is_untouched(
    ceph: Ceph, alone: Throwaway, tmp_path: Path
) -> None:
    """Its object is there afterwards, and it has no versions."""
    name = ceph.make_bucket(versioned=False)
    with closing(ceph.opened(name, REGIONS[0], timeout=30)) as bucket:
        bucket.ask(lambda s3: s3.put_object(Bucket=name, Key="theirs", Body=b"data"))
        given = backends(ceph, name, "other-b")
        credentials = dict.fromkeys(("west-a", "west-b"), ceph.credentials)
        with declare(alone, tmp_path, given, credentials) as region:
            with pytest.raises(BackendInUse, match="west-a"):
                region.provision()
            assert region.stages() == WHOLE[:1]

        answer = bucket.ask(lambda s3: s3.get_bucket_versioning(Bucket=name))
        assert "Status" not in set(answer)
        found = bucket.ask(lambda s3: s3.list_objects_v2(Bucket=name))
        assert [item["Key"] for item in found["Contents"]] == ["theirs"]
