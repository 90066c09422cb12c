"""A real Ceph with a gateway for each of three regions, on loopback."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from pydantic import SecretStr

from storage.backends.s3 import S3Credentials
from storage.backends.s3.backend import S3Backend
from storage.backends.s3.bucket import Bucket
from storage.errors import BackendError
from tests.support.inspect.stored import wait_until

HERE = Path(__file__).parent
Region = Literal["eu-central-1", "eu-west-1", "eu-north-1"]
REGIONS: tuple[Region, ...] = get_args(Region)
_BASH = "/bin/bash"
_NEEDED = ("radosgw", "ceph-mon", "ceph-osd", "radosgw-admin", "openssl")
_CLOSE_WAIT = "08"  # in /proc/net/tcp: the client has gone, and the server has not closed yet


@dataclass(frozen=True)
class Ceph:
    """A cluster that runs. ``home``: its directory."""

    home: Path
    endpoints: dict[str, str]
    credentials: S3Credentials
    _numbers: Iterator[int] = field(default_factory=count)

    def kill(self, region: Region) -> None:
        """End the gateway of a region with SIGKILL."""
        self._control("kill", region)

    def stop(self, region: Region) -> None:
        """Let the gateway of a region stand still, with all its connections."""
        self._control("stop", region)

    def bring_back(self, region: Region) -> None:
        """Start or continue the gateway of a region. Return when it has ended all old requests."""
        for what in ("cont", "start"):
            with suppress(subprocess.CalledProcessError):
                self._control(what, region)
        with closing(S3Backend(self.opened("nobody", region, timeout=30))) as backend:
            wait_until(lambda: _answers(backend))
        port = urlsplit(self.endpoints[region]).port
        wait_until(lambda: port not in _given_up())

    def make_bucket(
        self, region: Region = REGIONS[0], *, versioned: bool = True, locks: bool = False
    ) -> str:
        """Make a bucket; return its name."""
        name = f"bucket-{next(self._numbers)}"
        client = boto3.client(
            "s3",
            region_name=region,
            endpoint_url=self.endpoints[region],
            aws_access_key_id=self.credentials.access_key.get_secret_value(),
            aws_secret_access_key=self.credentials.secret_key.get_secret_value(),
            config=Config(request_checksum_calculation="when_required"),
        )
        with closing(client):
            client.create_bucket(
                Bucket=name,
                CreateBucketConfiguration={"LocationConstraint": region},
                ObjectLockEnabledForBucket=locks,
            )
            if versioned and not locks:
                client.put_bucket_versioning(
                    Bucket=name, VersioningConfiguration={"Status": "Enabled"}
                )
        return name

    def bucket(self, *, versioned: bool, locks: bool = False, timeout: float = 30) -> S3Backend:
        """Make a bucket in the first region, and open it as a backend."""
        name = self.make_bucket(versioned=versioned, locks=locks)
        return S3Backend(self.opened(name, REGIONS[0], timeout))

    def opened(
        self, name: str, region: Region, timeout: float, *, endpoint: Region | None = None
    ) -> Bucket:
        """Open a bucket. ``endpoint``: the region whose gateway is asked instead."""
        return Bucket(
            name,
            name,
            region,
            endpoint_url=self.endpoints[endpoint or region],
            credentials=self.credentials,
            timeout=timeout,
            clock=time.monotonic,
        )

    def _control(self, what: str, region: Region) -> None:
        script = [_BASH, str(HERE / "ceph-ctl.sh"), str(self.home), what, f"rgw-{region}"]
        subprocess.run(script, check=True, stderr=subprocess.DEVNULL)


@contextmanager
def running(home: Path) -> Iterator[Ceph]:
    """Start a cluster, and end it."""
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if missing:
        pytest.fail(
            f"{', '.join(missing)} not found. Run: apt-get install --no-install-recommends "
            "radosgw ceph-mon ceph-osd openssl"
        )
    command = [_BASH, str(HERE / "ceph-up.sh"), str(home), str(_free_port()), *REGIONS]
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


def _free_port() -> int:
    """Return the first port of a hundred of which those that the cluster needs are free."""
    needed = [*range(len(REGIONS)), *range(50, 50 + len(REGIONS)), 90]
    for first in range(7480, 9980, 100):
        with suppress(OSError):
            for port in needed:
                socket.create_server(("127.0.0.1", first + port)).close()
            return first
    pytest.fail("No ports are free.")


def _answers(backend: S3Backend) -> bool:
    try:
        backend.list_key("nothing")
    except BackendError as error:
        return error.code == "BackendMisplaced"  # there is no such bucket
    return True


def _given_up() -> set[int]:
    """Return the local ports of connections whose client has gone."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return {int(f[1].rpartition(":")[2], 16) for f in fields if f[3] == _CLOSE_WAIT}
