"""What all sides write to: PostgreSQL and buckets or directories, on a real disk, with fsync."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import boto3
import psycopg
from botocore.config import Config

import regions
from benchmarks.cost import Meter
from benchmarks.weed import REGION, Weed, weed
from storage import embedded
from storage.bootstrap import open_homes
from storage.client.homes import Homes
from storage.client.store import Store
from storage.clock import CatalogClock
from storage.crypto.kms import KmsKey
from storage.dependencies import Dependencies
from storage.initialize import init
from storage.model import Actor, ActorKind, Dpa, TenantSpec
from storage.region import Limits
from storage.settings import Settings, region_settings, topology_of

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

HOME = "eu-central-1"
COMPANIES = {"eu-a": "lindenhost", "eu-b": "meerspeicher"}
_REPLICAS = "replicas = 2\nrequired = 1\n"  # of the example
SIZE = 2048
TENANT = "acme"
CHAT = Actor("chat", ActorKind.CUSTOMER, employer="acme", location="EU")
_WORDS = [Random(n).randbytes(Random(n).randint(2, 6)).hex().encode() for n in range(2000)]
_PLAIN = """
CREATE TABLE plain (key text PRIMARY KEY, tenant text, at timestamptz, size int);
CREATE TABLE bytes (id uuid PRIMARY KEY, tenant text, at timestamptz, body bytea);
"""


@dataclass(frozen=True)
class Place:
    """A home directory with a topology. ``buckets``: by backend; none if they are directories."""

    home: Path
    topology: Path
    server: Weed
    buckets: dict[str, str]

    def settings(self) -> Settings:
        """Return the settings of a process."""
        keys = {"access_key": self.server.access_key, "secret_key": self.server.secret_key}
        return Settings(
            home=self.home,
            topology=self.topology,
            backends=dict.fromkeys(self.buckets, keys),  # type: ignore[arg-type]
        )


@dataclass(frozen=True)
class Bench:
    """An open store, and what is beside it. ``url``: a database for who does without us."""

    place: Place
    homes: Homes
    store: Store
    url: str
    meter: Meter
    clock: "LaterClock"

    def s3(self, connections: int = 1) -> "S3Client":
        """Return a client of the server."""
        return client_of(self.place.server, connections)

    @property
    def buckets(self) -> list[str]:
        """Return the buckets, primary first."""
        return list(self.place.buckets.values())


class LaterClock(CatalogClock):
    """The clock of the catalog, and as much later as it is told."""

    later = timedelta()

    def now(self) -> datetime:
        """Return the time in UTC, and what was added to it."""
        return super().now() + self.later

    def skew(self) -> timedelta:
        """Return how far the machine's clock is off, but for what was added."""
        return abs(timedelta(seconds=self._wall() - super().now().timestamp()))


@contextmanager
def new_directory(parent: Path) -> Iterator[Path]:
    """Make a directory for everything that a benchmark writes, and remove it."""
    made = Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
    made.chmod(0o755)  # as root, PostgreSQL runs as another user
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def opened(
    directory: Path,
    server: Weed,
    name: str,
    *,
    on_s3: bool = True,
    limits: Limits | None = None,
    companies: Mapping[str, str] = COMPANIES,
    replicas: int = 2,
    kms: KmsKey | None = None,
) -> Iterator[Bench]:
    """Open a store with one tenant in a new directory. ``kms``: what wraps its day keys."""
    place = made(directory / name, server, name, companies if on_s3 else {}, replicas)
    url, leave = embedded.start(place.home / "postgres")
    needs = Dependencies(clock=LaterClock, limits=limits or Limits())
    try:
        with (
            open_homes(wrapped_by(kms, place), dependencies=needs) as homes,
            Store(homes) as store,
        ):
            ensure(store, TENANT)
            with psycopg.connect(url) as link:
                link.execute(_PLAIN)
            region_clock = homes.served(HOME).region.clock
            assert isinstance(region_clock, LaterClock)
            yield Bench(place, homes, store, url, meter_of(place), region_clock)
    finally:
        leave()


def wrapped_by(kms: KmsKey | None, place: Place) -> Settings:
    """Return the settings of a process: with a KMS key, if there is one, those of a service."""
    settings = place.settings()
    if kms is None:
        return settings
    init(settings)
    with region_settings(settings, topology_of(settings)) as own:
        region = own[HOME].model_copy(update={"kms": kms})
        return settings.model_copy(update={"regions": {HOME: region}})


def meter_of(place: Place) -> Meter:
    """Return what counts the time of the processor of both servers."""
    postmaster = int((place.home / "postgres" / "postmaster.pid").read_text().split()[0])
    return Meter(postmaster, place.server.pid)


def ensure(store: Store, *tenants: str) -> None:
    """Make tenants with an agreement."""
    for tenant in tenants:
        store.admin.tenants.ensure(spec_of(tenant))


def spec_of(tenant: str) -> TenantSpec:
    """Return a tenant with an agreement."""
    return TenantSpec(tenant, "acme", HOME, "EU", agreements=[Dpa(signed=date(2026, 1, 5))])


def bodies_of(count: int, size: int = SIZE) -> list[bytes]:
    """Return bodies like text: words that repeat, so that compression has something to do."""
    chance = Random(7)
    return [b" ".join(chance.choices(_WORDS, k=size // 5))[:size] for _ in range(count)]


def client_of(server: Weed, connections: int) -> "S3Client":
    """Return a client of the server."""
    return boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name=REGION,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        config=Config(max_pool_connections=connections),
    )


def made(
    directory: Path, server: Weed, name: str, companies: Mapping[str, str], replicas: int
) -> Place:
    """Make the topology, whose region at home has a bucket of each company, or two directories."""
    directory.mkdir(parents=True)
    topology = Path(shutil.copytree(Path(regions.__file__).parent / "data", directory / "topology"))
    buckets = {backend: f"{name}-{backend}" for backend in companies}
    if buckets:
        file = topology / "regions" / f"{HOME}.toml"
        head = file.read_text().partition("[[backends]]")[0]
        assert _REPLICAS in head
        head = head.replace(_REPLICAS, f"replicas = {replicas}\nrequired = {replicas}\n")
        entries = (_entry(b, bucket, companies[b], server) for b, bucket in buckets.items())
        file.write_text(head + "".join(entries))
    s3 = client_of(server, 1)
    for bucket in buckets.values():
        s3.create_bucket(Bucket=bucket)
    s3.close()
    return Place(directory / "home", topology, server, buckets)


def _entry(backend: str, bucket: str, company: str, server: Weed) -> str:
    return f"""
[[backends]]
name = "{backend}"
kind = "s3"
sub_processor = "{company}"
bucket = "{bucket}"
aws_region = "{REGION}"
endpoint_url = "{server.url}"

[backends.posture_attested]
on = {datetime.now(UTC).date()}
document = "{"5e" * 32}"
checks = ["public_access"]
"""


@contextmanager
def on_directories(parent: Path, name: str) -> Iterator[Bench]:
    """Open a store whose backends are directories, in a new directory."""
    with (
        new_directory(parent) as directory,
        weed(directory / "weed") as server,
        opened(directory, server, name, on_s3=False) as bench,
    ):
        yield bench
