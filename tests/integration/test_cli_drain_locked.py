"""A drain says until when a bucket keeps what somebody else has locked there."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.backends.s3.bucket import Bucket
from storage.cli.exit_codes import Exit
from storage.cli.opening import opened
from storage.clock import steady
from storage.model import DataClass
from storage.testing.s3 import CREDENTIALS, S3Server
from tests.support.cli_harness import CommandLine
from tests.support.topologies import three_backends
from tests.support.topology_files import EU, edit

STEWARD = "quellwerk"  # runs eu-c, too
END = datetime(2099, 12, 24, 6, tzinfo=UTC)
ENTRY = """
[[backends]]
name = "eu-c"
kind = "s3"
sub_processor = "quellwerk"
aws_region = "eu-central-1"
bucket = "acme-eu"
endpoint_url = "{url}"
object_lock = true
"""


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    """Yield a bucket with object lock, as its administrator sees it."""
    with S3Server() as server:
        server.make_bucket("acme-eu", "eu-central-1", versioned=True, locks=True)
        opened_bucket = Bucket(
            "eu-c",
            "acme-eu",
            "eu-central-1",
            endpoint_url=server.url,
            credentials=CREDENTIALS,
            timeout=5,
            clock=steady,
        )
        yield opened_bucket
        opened_bucket.close()


def topology(folder: Path, bucket: Bucket, more: str = "") -> dict[str, str | None]:
    """Return the settings of a topology whose first backend is the bucket; ``more`` is in it."""
    made = three_backends(folder)
    entry = ENTRY.format(url=bucket._endpoint_url) + more
    edit(made / EU, '\n[[backends]]\nname = "eu-c"', '\n[[backends]]\nname = "eu-d"')
    edit(made / EU, '[[backends]]\nname = "eu-a"', f'{entry}\n[[backends]]\nname = "eu-a"')
    keys = {f"DOMICILE_BACKENDS__EU_C__{name}_KEY": "a" for name in ("ACCESS", "SECRET")}
    return {"DOMICILE_TOPOLOGY": str(made), **keys}


def lock_all(bucket: Bucket) -> None:
    """Lock all that is in the bucket, as its administrator might."""

    def work(s3: object) -> None:
        listed = s3.list_object_versions(Bucket=bucket.name)  # type: ignore[attr-defined]
        for entry in listed["Versions"]:
            s3.put_object_retention(  # type: ignore[attr-defined]
                Bucket=bucket.name,
                Key=entry["Key"],
                VersionId=entry["VersionId"],
                Retention={"Mode": "COMPLIANCE", "RetainUntilDate": END},
            )

    bucket.ask(work)


def test_a_drain_says_until_when_a_bucket_keeps_what_is_there(
    line: CommandLine, tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays open. Text and JSON have the day."""
    given = topology(tmp_path / "t", bucket)
    for name, value in (given | {"DOMICILE_HOME": str(line.home)}).items():
        monkeypatch.setenv(name, str(value))
    assert line("init", environment=given).exit_code == Exit.DONE
    with opened() as store:
        store.tenant("acme-eu").put(DataClass.PROMPT, b"hello")
    lock_all(bucket)
    given = topology(tmp_path / "t2", bucket, "retires = true\n")
    assert line("init", environment=given).exit_code == Exit.DONE

    drained = line("subprocessor", "drain", STEWARD, environment=given)
    assert drained.exit_code == Exit.UNAVAILABLE
    assert "eu-c still has replicas that an object lock keeps (locked until 2099-12-24)" in (
        " ".join(drained.output.split())
    )
    shown = line("subprocessor", "drain", STEWARD, "--dry-run", environment=given)
    assert "kept by object lock locked until 2099-12-24" in " ".join(shown.output.split())
    shown = line("subprocessor", "drain", STEWARD, "--dry-run", "--json", environment=given)
    (place,) = (p for p in json.loads(shown.stdout)["plans"][0]["places"] if p["locked"])
    assert place["locked"]["until"].startswith("2099-12-24T06:00")
    assert (place["backend"], place["locked"]["held"]) == ("eu-c", False)
