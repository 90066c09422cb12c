"""The command line says what a bucket does, and lets an operator accept one for ledger entries."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.backends.s3.bucket import Bucket
from storage.cli.exit_codes import Exit
from storage.clock import steady
from storage.testing.s3 import CREDENTIALS, Answer, S3Server
from tests.support.cli_harness import CommandLine
from tests.support.topology_files import EU, SHIPPED

ENTRY = """
[[backends]]
name = "eu-c"
kind = "s3"
sub_processor = "lindenhost"
aws_region = "eu-central-1"
bucket = "acme-eu"
endpoint_url = "{url}"
"""
ATTESTED = """
[backends.posture_attested]
on = 2026-01-01
document = "{document}"
checks = ["{check}"]
"""


@pytest.fixture
def s3() -> Iterator[S3Server]:
    """Yield a server with a bucket."""
    with S3Server() as server:
        server.make_bucket("acme-eu", "eu-central-1", versioned=True)
        yield server


def environment(home: Path, s3: S3Server, more: str = "") -> dict[str, str | None]:
    """Return the settings of a topology that has the bucket too."""
    data = home / "topology"
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(SHIPPED, data)
    (data / EU).write_text((data / EU).read_text() + ENTRY.format(url=s3.url) + more)
    keys = {f"DOMICILE_BACKENDS__EU_C__{name}_KEY": "a" for name in ("ACCESS", "SECRET")}
    return {"DOMICILE_TOPOLOGY": str(data), **keys}


def publish(s3: S3Server) -> None:
    """Let anyone read the bucket, as an administrator might."""
    bucket = Bucket(
        "eu-c",
        "acme-eu",
        "eu-central-1",
        endpoint_url=s3.url,
        credentials=CREDENTIALS,
        timeout=5,
        clock=steady,
    )
    bucket.ask(lambda client: client.put_bucket_acl(Bucket="acme-eu", ACL="public-read"))
    bucket.close()


def test_a_public_bucket_is_shown_everywhere(
    line: CommandLine, tmp_path: Path, s3: S3Server
) -> None:
    """By ``backend posture``, ``status``, ``doctor`` and the reasons of a placement."""
    given = environment(tmp_path, s3)
    assert "all ok" in line("backend", "posture", environment=given).stdout
    publish(s3)

    shown = line("backend", "posture", environment=given)
    assert shown.exit_code == 0
    assert all(word in shown.stdout for word in ("eu-c", "public_access bad", "no"))
    status = line("status", environment=given).stdout
    assert "public_access bad; NOTHING NEW GOES THERE" in " ".join(status.split())
    assert "URGENT" not in status  # two others are open
    doctor = line("doctor", environment=given)
    assert doctor.exit_code != 0
    assert "its bucket does what it must not" in " ".join(doctor.stdout.split())
    record = line.put("hello")
    explained = line("explain", "acme-eu", record, environment=given).stdout
    assert "its bucket does what it must not" in " ".join(explained.split())


def test_an_acceptance_that_is_left_is_shown(
    line: CommandLine, tmp_path: Path, s3: S3Server
) -> None:
    """Though the bucket is right: it would have an effect when the bucket is wrong again."""
    given = environment(tmp_path, s3)
    accept = ("backend", "accept", "eu-c", "--actor", "ops-1")
    assert line(*accept, "--reason", "erasures must go on", environment=given).exit_code == 0
    shown = " ".join(line("status", environment=given).stdout.split())
    assert "eu-c is ok; still accepted for ledger entries" in shown
    line(*accept, "--end", environment=given)
    assert "still accepted" not in line("status", environment=given).stdout


def test_what_cannot_be_read_needs_a_document(
    line: CommandLine, tmp_path: Path, s3: S3Server
) -> None:
    """With one, the bucket is open, and the finding says that it is attested."""
    s3.instead = lambda r: Answer.error(501, "NotImplemented") if "inventory" in r.query else None
    closed = line("backend", "posture", environment=environment(tmp_path, s3)).stdout
    assert "inventory unreadable" in closed
    assert "yes" not in closed

    for check, takes in (("inventory", True), ("replication", False)):
        given = environment(tmp_path, s3, ATTESTED.format(document="5e" * 32, check=check))
        shown = line("backend", "posture", environment=given).stdout
        assert ("yes" in shown) is takes
        assert ("inventory attested" in shown) is takes

    later = ATTESTED.replace("2026-01-01", "2999-01-01").format(
        document="5e" * 32, check="inventory"
    )
    shown = line("backend", "posture", environment=environment(tmp_path, s3, later)).output
    assert "inventory unreadable" in shown
    assert "attestation of eu-c begins on 2999-01-01" in " ".join(shown.split())


def test_an_operator_accepts_a_place(line: CommandLine) -> None:
    """With a reason, by a name, and until it is ended."""
    code, error = line.error("backend", "accept", "eu-a", "--actor", "ops-1")
    assert code == Exit.INVALID
    assert "--reason" in error["advice"]
    assert line.error("backend", "accept", "eu-x", "--actor", "o", "--reason", "r")[0] == code

    accept = ("backend", "accept", "eu-a", "--actor", "ops-1")
    assert line.told(*accept, "--reason", "erasures must go on")["changed"]
    assert not line.told(*accept, "--reason", "again")["changed"]
    *_, stands = line.told("backend", "posture")["acceptances"]
    assert line.told(*accept[:-1], "ops-2", "--end")["changed"]
    assert not line.told(*accept, "--end")["changed"]
    *_, over = line.told("backend", "posture")["acceptances"]

    assert (stands["backend"], stands["actor"], stands["ended"]) == ("eu-a", "ops-1", None)
    assert stands["reason"] == "erasures must go on"
    assert (over["since"], over["ended_by"]) == (stands["since"], "ops-2")
    assert over["ended"] > over["since"]


def test_who_accepted_a_place_and_why_is_shown(line: CommandLine) -> None:
    """Also for a directory, which has no posture."""
    accept = ("backend", "accept", "us-a", "--actor", "ops-7")
    line(*accept, "--reason", "erasures must go on")
    stands = line("backend", "posture").output
    line(*accept, "--end")
    over = line("backend", "posture").output

    for shown in (stands, over):
        assert "No backend has a posture" in shown
        assert all(word in " ".join(shown.split()) for word in ("us-a", "ops-7", "must go on"))
    assert stands.count("in force") == over.count("in force") + 1


@pytest.mark.parametrize(
    ("actor", "reason"),
    [
        ("", "why"),
        ("ops\udcff", "why"),
        ("ops-1\n", "why"),
        ("ops-1", "why\udcff"),
        ("ops-1", "x" * 999),
    ],
)
def test_who_accepts_a_place_has_a_name(line: CommandLine, actor: str, reason: str) -> None:
    """It stays on record, so it is checked like that of a hold. So is who ends it."""
    told = ("backend", "accept", "eu-a", "--actor", actor)
    status, error = line.error(*told, "--reason", reason)
    assert (status, error["code"]) == (Exit.INVALID, "InvalidRequest")
    if reason == "why":
        status, error = line.error(*told, "--end")
        assert (status, error["code"]) == (Exit.INVALID, "InvalidRequest")
