"""What a real gateway says of what its bucket does."""

import pytest

from regions.fields import PostureCheck
from storage.model import PostureFinding
from tests.servers.ceph import Ceph
from tests.support.backends.kinds import BackendCase

pytestmark = pytest.mark.servers
EXPIRES = {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}


def wrong(case: BackendCase) -> dict[PostureCheck, PostureFinding]:
    """Return the findings that are not ok."""
    found = case.backend.posture(timeout=30)
    return {check: word for check, word in found.items() if word is not PostureFinding.OK}


def test_a_new_bucket_does_nothing(case: BackendCase) -> None:
    """Ceph answers the question for inventories with a listing of objects: that is unreadable."""
    assert wrong(case) == {PostureCheck.INVENTORY: PostureFinding.UNREADABLE}


def test_what_an_administrator_sets_is_found(ceph: Ceph) -> None:
    """A public access list, and a rule that expires objects."""
    made = ceph.bucket(versioned=True)
    case = BackendCase(made, versioned=True)
    made._bucket.ask(lambda s3: s3.put_bucket_acl(Bucket=made.name, ACL="public-read"))
    made._bucket.ask(
        lambda s3: s3.put_bucket_lifecycle_configuration(
            Bucket=made.name,
            LifecycleConfiguration={"Rules": [EXPIRES]},  # type: ignore[list-item]
        )
    )

    assert wrong(case) == {
        PostureCheck.PUBLIC_ACCESS: PostureFinding.BAD,
        PostureCheck.LIFECYCLE: PostureFinding.BAD,
        PostureCheck.INVENTORY: PostureFinding.UNREADABLE,
    }
    made.close()
