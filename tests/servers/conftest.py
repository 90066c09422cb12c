"""A real Ceph with a gateway for each of two regions, on loopback, for all tests of this folder.

Needs Debian's packages radosgw, ceph-mon and ceph-osd, and openssl. Nothing is installed here, and
nothing is skipped: without them the tests fail.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from pydantic import SecretStr

from storage.backends.s3 import S3Credentials
from storage.backends.s3.backend import S3Backend
from storage.backends.s3.bucket import Bucket
from storage.ports import Backend
from tests.support.backends.kinds import NAME, BackendCase

HERE = Path(__file__).parent
REGIONS = ("eu-central-1", "us-east-1")
_PORT, _BASH = 7480, "/bin/bash"
_NEEDED = ("radosgw", "ceph-mon", "ceph-osd", "radosgw-admin", "openssl")
_NUMBERS = count()


@dataclass(frozen=True)
class Ceph:
    """A cluster that runs. ``home``: its directory."""

    home: Path
    endpoints: dict[str, str]
    credentials: S3Credentials

    def control(self, what: str, region: str) -> None:
        """Kill, stop, continue or start the gateway of a region."""
        script = str(HERE / "ceph-ctl.sh")
        subprocess.run([_BASH, script, str(self.home), what, f"rgw-{region}"], check=True)

    def bucket(self, *, versioned: bool, locks: bool = False, timeout: float = 30) -> S3Backend:
        """Make a bucket in the first region, and open it as a backend."""
        region, name = REGIONS[0], f"bucket-{next(_NUMBERS)}"
        client = boto3.client(
            "s3",
            region_name=region,
            endpoint_url=self.endpoints[region],
            aws_access_key_id=self.credentials.access_key.get_secret_value(),
            aws_secret_access_key=self.credentials.secret_key.get_secret_value(),
            config=Config(request_checksum_calculation="when_required"),
        )
        client.create_bucket(
            Bucket=name,
            CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
            ObjectLockEnabledForBucket=locks,
        )
        if versioned and not locks:
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        client.close()
        return S3Backend(self.opened(name, timeout))

    def opened(self, name: str, timeout: float) -> Bucket:
        """Open a bucket of the first region."""
        return Bucket(
            name,
            name,
            REGIONS[0],
            endpoint_url=self.endpoints[REGIONS[0]],
            credentials=self.credentials,
            timeout=timeout,
            clock=time.monotonic,
        )


@pytest.fixture(scope="session")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ceph]:
    """Start the cluster, and end it after the last test."""
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if missing:
        pytest.fail(
            f"{', '.join(missing)} not found. Run: apt-get install --no-install-recommends "
            "radosgw ceph-mon ceph-osd openssl"
        )
    home = tmp_path_factory.mktemp("ceph")
    command = [_BASH, str(HERE / "ceph-up.sh"), str(home), str(_PORT), *REGIONS]
    try:
        subprocess.run(command, check=True, timeout=120, stdout=subprocess.DEVNULL)
        lines = (home / "env").read_text().splitlines()
        told = dict(line.split("=", 1) for line in lines)
        yield Ceph(
            home,
            {region: told[f"ENDPOINT_{n}"] for n, region in enumerate(REGIONS)},
            S3Credentials(
                access_key=SecretStr(told["ACCESS_KEY"]), secret_key=SecretStr(told["SECRET_KEY"])
            ),
        )
    finally:
        subprocess.run([_BASH, str(HERE / "ceph-down.sh"), str(home), "--purge"], check=False)


def plain(ceph: Ceph) -> BackendCase:
    """A bucket without versions."""
    return BackendCase(ceph.bucket(versioned=False), versioned=False)


def versioned(ceph: Ceph) -> BackendCase:
    """A bucket with versions."""
    return BackendCase(ceph.bucket(versioned=True), versioned=True)


def locked(ceph: Ceph) -> BackendCase:
    """A bucket with object lock."""
    return BackendCase(ceph.bucket(versioned=True, locks=True), versioned=True)


@pytest.fixture(params=[plain, versioned, locked], ids=NAME)
def case(request: pytest.FixtureRequest, ceph: Ceph) -> Iterator[BackendCase]:
    """An empty bucket of each kind."""
    made: BackendCase = request.param(ceph)
    yield made
    made.backend.close()


@pytest.fixture
def backend(case: BackendCase) -> Backend:
    """An empty bucket of each kind."""
    return case.backend
