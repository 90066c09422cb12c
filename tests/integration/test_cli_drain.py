"""``subprocessor drain`` and ``subprocessor attest`` on the command line."""

import json
import os
from pathlib import Path

import pytest

from storage.cli.exit_codes import Exit
from storage.cli.opening import opened
from storage.model import DataClass
from tests.support.cli_harness import READ, CommandLine
from tests.support.topologies import three_backends
from tests.support.topology_files import EU, edit

DOCUMENT = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
HOST, STEWARD = "lindenhost", "quellwerk"


def put(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put a prompt and return its id, without a canary that may still land for minutes."""
    monkeypatch.setenv("DOMICILE_HOME", str(line.home))
    with opened() as store:
        return str(store.tenant("acme-eu").put(DataClass.PROMPT, b"hello").id)


def attest(line: CommandLine, topology: Path, part: str, **changes: str) -> tuple[int, str]:
    """Attest that the steward handed over a part. Return the exit code and the output."""
    given = {"name": STEWARD, "document": DOCUMENT} | changes
    found = line(
        *("subprocessor", "attest", given["name"], "--part", part, "--region", "eu-central-1"),
        *("--actor", "ops-7", "--document", given["document"]),
        environment={"DOMICILE_TOPOLOGY": str(topology)},
    )
    return found.exit_code, " ".join(found.output.split())


def test_a_host_is_drained_and_that_is_signed(
    line: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dry run changes nothing. Then nothing is left there, and a stranger can check it."""
    record = put(line, monkeypatch)
    topology = three_backends(tmp_path / "t", retires="eu-a")
    changed = {"DOMICILE_TOPOLOGY": str(topology)}
    line("init", environment=changed)

    planned = line("subprocessor", "drain", HOST, "--dry-run", "--rate", "2", environment=changed)
    assert planned.exit_code == Exit.DONE, planned.output
    words = " ".join(planned.output.split())
    assert "goes to eu-b, eu-c" in words
    assert "pack" in words
    assert not {"day_key", "pack"} - set(words.split())
    before = {name for _, _, names in os.walk(line.home / "backends/eu-a") for name in names}
    assert before > {".domicile"}

    done = line("subprocessor", "drain", HOST, "--json", environment=changed)
    assert done.exit_code == Exit.DONE, done.output
    token = json.loads(done.stdout)["receipts"]["eu-central-1"]
    again = line("subprocessor", "drain", HOST, "--json", environment=changed)
    assert json.loads(again.stdout)["receipts"]["eu-central-1"] == token

    left = {name for _, _, names in os.walk(line.home / "backends/eu-a") for name in names}
    assert left <= {".domicile"}
    read = line("get", "acme-eu", record, *READ, environment=changed)
    assert read.stdout == "hello"
    file, key = tmp_path / "token", tmp_path / "key"
    file.write_text(token)
    key.write_text(line("receipt", "key", "--region", "eu-central-1").stdout)
    verified = line.told("receipt", "verify", file, "--key", key)["drain"]
    assert (verified["sub_processor"], verified["region"]) == (HOST, "eu-central-1")
    assert [each["backend"] for each in verified["backends"]] == ["eu-a"]
    assert HOST in line("receipt", "verify", file, "--key", key).stdout
    file.write_text(token[:-8] + "AAAAAAAA")
    assert line("receipt", "verify", file, "--key", key).exit_code == Exit.DAMAGED


def test_what_a_steward_ran_must_be_attested(line: CommandLine, tmp_path: Path) -> None:
    """Each part, after the topology names another company. It stays on record."""
    topology = tmp_path / "t"
    three_backends(topology)
    edit(
        topology / EU, '[[backends]]\nname = "eu-c"', '[[backends]]\nname = "eu-c"\nretires = true'
    )
    changed = {"DOMICILE_TOPOLOGY": str(topology)}
    line("init", environment=changed)

    left = line("subprocessor", "drain", STEWARD, environment=changed)
    assert left.exit_code == Exit.UNAVAILABLE
    assert "runs the catalog, keys, backups of eu-central-1" in " ".join(left.output.split())
    code, said = attest(line, topology, "keys")
    assert code == Exit.INVALID
    assert "The topology says that quellwerk runs the keys" in said

    text = (topology / EU).read_text()
    for part in ("catalog", "keys", "backups"):
        old = f'{part} = {{ sub_processor = "{STEWARD}"'
        text = text.replace(old, f'{part} = {{ sub_processor = "meerspeicher"')
    (topology / EU).write_text(text)
    line("init", environment=changed)
    left = line("subprocessor", "drain", STEWARD, environment=changed)
    assert left.exit_code == Exit.UNAVAILABLE
    assert "runs or ran the catalog, keys, backups of eu-central-1" in " ".join(left.output.split())
    for part in ("catalog", "keys", "backups"):
        code, said = attest(line, topology, part)
        assert (code, said) == (0, f"quellwerk no longer runs the {part} of eu-central-1.")
    assert "as before" in attest(line, topology, "keys")[1]
    done = line("subprocessor", "drain", STEWARD, "--json", environment=changed)
    assert done.exit_code == Exit.DONE, done.output

    edit(
        topology / EU,
        'keys = { sub_processor = "meerspeicher"',
        'keys = { sub_processor = "quellwerk"',
    )
    line("init", environment=changed)
    back = line("subprocessor", "drain", STEWARD, environment=changed)
    assert back.exit_code == Exit.UNAVAILABLE
    assert "The topology says that quellwerk runs the keys" in " ".join(back.output.split())


@pytest.mark.parametrize(
    ("part", "changes", "says"),
    [
        ("keys", {"document": "abc"}, "not a SHA-256"),
        ("backend", {}, "is moved by a program"),
        ("keys", {"name": "lindenhost"}, "never ran the keys"),
        ("keys", {"name": "prairie-racks"}, "never had anything of eu-central-1"),
    ],
)
def test_a_wrong_attestation_is_refused(
    line: CommandLine, tmp_path: Path, part: str, changes: dict[str, str], says: str
) -> None:
    """Nothing is noted."""
    topology = three_backends(tmp_path / "t")
    line("init", environment={"DOMICILE_TOPOLOGY": str(topology)})

    code, said = attest(line, topology, part, **changes)

    assert code == Exit.INVALID
    assert says in said


def test_a_host_that_stays_is_not_drained(line: CommandLine, tmp_path: Path) -> None:
    """The topology must say that it leaves, which is reviewed with the file."""
    topology = three_backends(tmp_path / "t")
    changed = {"DOMICILE_TOPOLOGY": str(topology)}
    line("init", environment=changed)

    refused = line("subprocessor", "drain", HOST, environment=changed)

    assert refused.exit_code == Exit.REFUSED
    assert "Nothing in the topology says that eu-a leaves" in " ".join(refused.output.split())


def test_a_backend_is_not_said_to_be_of_another(
    line: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes are where they were, whatever the file says of the company."""
    put(line, monkeypatch)
    topology = three_backends(tmp_path / "t")
    changed = {"DOMICILE_TOPOLOGY": str(topology)}
    line("init", environment=changed)
    edit(topology / EU, 'sub_processor = "lindenhost"', 'sub_processor = "meerspeicher"')

    refused = [
        line(*command, environment=changed)
        for command in (("init",), ("subprocessor", "drain", HOST), ("doctor",))
    ]

    assert {one.exit_code for one in refused} == {Exit.CONFIGURATION}
    for one in refused:
        assert "eu-central-1 knows it as a backend of lindenhost" in " ".join(one.output.split())
