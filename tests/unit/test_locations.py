"""Loading a topology: where a backend stands is checked, and not believed."""

import shutil
import tomllib
from pathlib import Path

import pytest
from botocore.session import get_session

from regions.backends import S3Spec
from regions.load import load_topology
from tests.support.topology_files import EU, SHIPPED, edit, problem

DOCUMENT = "0f" * 32


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A copy of the shipped topology, to be broken."""
    return shutil.copytree(SHIPPED, tmp_path / "data")


def bucket(data: Path, region: str, endpoint: str | None = None, **more: str) -> None:
    """Make the first backend of the EU a bucket."""
    lines = {"kind": "s3", "bucket": "b", "aws_region": region, **more}
    if endpoint is not None:
        lines["endpoint_url"] = endpoint
    text = "\n".join(f'{key} = "{value}"' for key, value in lines.items())
    edit(data / EU, 'kind = "directory"', text)
    edit(data / EU, 'path = "backends/eu-a"', "")


def located(data: Path) -> str:
    """Load, and return how it is known where the first backend of the EU stands."""
    return load_topology(data).regions["eu-central-1"].backends[0].located


@pytest.mark.parametrize(
    ("region", "where"),
    [("us-east-1", "US"), ("eu-west-2", "GB"), ("eu-central-2", "CH"), ("us-gov-west-1", "US")],
)
def test_a_region_of_aws_elsewhere_is_refused(data: Path, region: str, where: str) -> None:
    """A name that begins with "eu" is not in the EU for that."""
    bucket(data, region)

    found = problem(data)

    assert found.key == "backends.eu-a.aws_region"
    assert found.reason == f"{region} is in {where}, not in EU"


@pytest.mark.parametrize("region", ["EU", "eu-central-9", "", "eu-central-1 ", "EU-CENTRAL-1"])
def test_a_region_that_is_not_known_is_refused(data: Path, region: str) -> None:
    """What the table does not name is nowhere."""
    bucket(data, region)

    assert problem(data).key == "backends.eu-a.aws_region"


def test_every_region_of_aws_has_a_jurisdiction() -> None:
    """An adopter is told where a region is, and not that it is unknown."""
    session = get_session()
    names = {
        name
        for partition in session.get_available_partitions()
        for name in session.get_available_regions("s3", partition)
    }
    table = tomllib.loads((SHIPPED / "locations.toml").read_text())

    assert len(names) > 40
    assert names <= table["aws"].keys()


REGIONAL = [
    "s3.{}.amazonaws.com",
    "S3.{}.AMAZONAWS.COM.",
    "s3-{}.amazonaws.com",
    "s3-fips.{}.amazonaws.com",
    "s3.dualstack.{}.amazonaws.com",
    "s3-fips.dualstack.{}.amazonaws.com",
    "bucket.s3.{}.amazonaws.com",
    "my.bucket.s3-{}.amazonaws.com",
    "ap-123456789012.s3-accesspoint.{}.amazonaws.com",
    "ap-123456789012.s3-accesspoint-fips.dualstack.{}.amazonaws.com",
    "bucket.vpce-1a2b3c4d-5e6f.s3.{}.vpce.amazonaws.com",
    "s3.{}.amazonaws.com.cn",
]


@pytest.mark.parametrize("form", REGIONAL)
def test_an_endpoint_of_aws_agrees_with_the_region(data: Path, form: str) -> None:
    """Each form of a regional endpoint is read, and another region than that declared refused."""
    other = shutil.copytree(data, data.parent / "other")
    bucket(data, "eu-central-1", f"https://{form.format('eu-central-1')}")
    bucket(other, "eu-central-1", f"https://{form.format('us-east-1')}")

    assert located(data) == "checked"
    found = problem(other)
    assert found.key == "backends.eu-a.endpoint_url"
    assert found.reason == "is in us-east-1, but aws_region is eu-central-1"


@pytest.mark.parametrize(
    "host",
    [
        "s3.amazonaws.com",
        "amazonaws.com",
        "s3-external-1.amazonaws.com",
        "s3-accelerate.amazonaws.com",
        "bucket.s3-accelerate.amazonaws.com",
        "bucket.s3-accelerate.dualstack.amazonaws.com",
        "mrap.accesspoint.s3-global.amazonaws.com",
        "ap.op-0123.s3-outposts.eu-central-1.amazonaws.com",
        "bucket.s3-website.eu-central-1.amazonaws.com",
        "s3.eu-central-1.evil.amazonaws.com",
        "eu-central-1.s3.amazonaws.com",
        "s3.eu-central-1.us-east-1.amazonaws.com",
        "ec2-192-0-2-1.eu-central-1.compute.amazonaws.com",
    ],
)
@pytest.mark.parametrize("document", [{}, {"location_document": DOCUMENT}])
def test_an_endpoint_of_aws_that_hides_its_region_is_refused(
    data: Path, host: str, document: dict[str, str]
) -> None:
    """No document makes up for it: the same bucket has an endpoint that says where it is."""
    bucket(data, "eu-central-1", f"https://{host}", **document)

    found = problem(data)

    assert found.key == "backends.eu-a.endpoint_url"
    assert "does not say its region" in found.reason


@pytest.mark.parametrize(
    "host",
    [
        "s3.lindenhost.example",
        "s3.eu-central-1.amazonaws.com.evil.example",
        "amazonaws.com.evil.example",
        "s3.eu-central-1.notamazonaws.com",
        "192.0.2.1",
        "localhost.evil.example",
    ],
)
def test_another_endpoint_needs_a_document(data: Path, host: str) -> None:
    """The name of a host says nothing; a document does, and its hash says which."""
    without = shutil.copytree(data, data.parent / "without")
    bucket(data, "us-east-1", f"https://{host}", location_document=DOCUMENT)
    bucket(without, "eu-central-1", f"https://{host}")

    assert located(data) == "attested"
    found = problem(without)
    assert found.key == "backends.eu-a.location_document"
    assert host in found.reason


@pytest.mark.parametrize("digest", ["", "0F" * 32, "0f" * 31, "0f" * 33, "contract.pdf"])
def test_a_document_is_a_digest(data: Path, digest: str) -> None:
    """Anything but a SHA-256 in lower-case hexadecimal identifies no document."""
    bucket(data, "eu-central-1", "https://s3.lindenhost.example", location_document=digest)

    assert problem(data).key == "backends.eu-a.location_document"


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9000", "https://[::1]", "http://localhost"])
def test_a_loopback_endpoint_is_local(data: Path, endpoint: str) -> None:
    """Development needs no document, and nobody can take it for checked."""
    bucket(data, "us-east-1", endpoint)

    assert located(data) == "local"


@pytest.mark.parametrize(
    "endpoint", [None, "https://s3.eu-central-1.amazonaws.com", "http://[::1]"]
)
def test_a_document_that_is_not_needed_is_a_mistake(data: Path, endpoint: str | None) -> None:
    """It would suggest that somebody vouches for what is checked, or for this machine."""
    bucket(data, "eu-central-1", endpoint, location_document=DOCUMENT)

    assert problem(data).key == "backends.eu-a.location_document"


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "s3.lindenhost.example",
        "http://s3.eu-central-1.amazonaws.com",
        "https://s3.eu-central-1.amazonaws.com@evil.example",
        "https://evil.example\\\\@s3.eu-central-1.amazonaws.com",
        "https://s3\u3002eu-central-1\u3002amazonaws\u3002com",
        "https://s3.eu-central-1.amazonaws.com:port",
        "https://s3.eu-central-1.amazonaws.com?x",
    ],
)
def test_a_url_that_two_readers_may_read_differently_is_refused(data: Path, endpoint: str) -> None:
    """What is checked here is what the client connects to."""
    bucket(data, "eu-central-1", endpoint, location_document=DOCUMENT)

    assert problem(data).key == "backends.eu-a.endpoint_url"


def test_directories_are_local() -> None:
    """The shipped example says of itself that nobody vouches for where it is."""
    regions = load_topology().regions.values()

    assert {spec.located for region in regions for spec in region.backends} == {"local"}


def test_a_topology_may_bring_its_own_locations(data: Path) -> None:
    """It replaces the shipped table; without one the shipped table holds."""
    bucket(data, "eu-central-9")
    (data / "locations.toml").write_text('[aws]\neu-central-9 = "EU"\n')
    assert located(data) == "checked"

    (data / "locations.toml").unlink()
    assert problem(data).reason == "eu-central-9 is not in locations.toml"


def test_a_jurisdiction_that_is_not_known_never_matches(data: Path) -> None:
    """A table may name more jurisdictions than the topology: their regions are elsewhere."""
    bucket(data, "eu-central-1")
    (data / "locations.toml").write_text('[aws]\neu-central-1 = "DE"\n')

    assert problem(data).reason == "eu-central-1 is in DE, not in EU"


def test_a_bucket_at_aws_is_checked() -> None:
    """Without an endpoint the client connects to that of the region."""
    spec = S3Spec(name="a", sub_processor="x", bucket="b", aws_region="eu-central-1")

    assert spec.located == "checked"
