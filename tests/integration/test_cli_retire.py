"""``backend retire`` on the command line."""

import json
import os
from pathlib import Path

import pytest

from storage.cli.exit_codes import Exit
from storage.cli.opening import opened
from storage.model import DataClass
from tests.support.cli_harness import READ, CommandLine
from tests.support.topologies import three_backends


def retire(line: CommandLine, topology: Path, *more: str, name: str = "eu-a") -> tuple[int, str]:
    """Run the command with a topology. Return its exit code and its output."""
    found = line("backend", "retire", name, *more, environment={"DOMICILE_TOPOLOGY": str(topology)})
    return found.exit_code, found.output


def put(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put a prompt. Return its id.

    Without a canary, of which nobody knows for some minutes whether it may still land.
    """
    monkeypatch.setenv("DOMICILE_HOME", str(line.home))
    with opened() as store:
        return str(store.tenant("acme-eu").put(DataClass.PROMPT, b"hello").id)


def test_a_backend_is_emptied_and_signed(
    line: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statement is verified offline like a receipt, and the record is read elsewhere."""
    record = put(line, monkeypatch)
    topology = three_backends(tmp_path / "t", retires="eu-a")
    changed = {"DOMICILE_TOPOLOGY": str(topology)}
    line("init", environment=changed)

    result = line("backend", "retire", "eu-a", "--json", environment=changed)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["replicas"] >= 2

    token, key = tmp_path / "token", tmp_path / "key"
    token.write_text(told["statement"])
    key.write_text(line("receipt", "key", "--region", "eu-central-1").stdout)
    verified = line.told("receipt", "verify", token, "--key", key)
    assert verified["statement"]["backend"] == "eu-a"
    text = line("receipt", "verify", token, "--key", key).stdout
    assert "lindenhost" in text
    read = line("get", "acme-eu", record, *READ, environment=changed)
    assert read.stdout == "hello"
    left = {name for _, _, names in os.walk(line.home / "backends/eu-a") for name in names}
    assert left <= {".domicile"}
    assert retire(line, topology)[0] == 0  # again: it prints the same statement

    token.write_text(told["statement"][:-8] + "AAAAAAAA")
    assert line("receipt", "verify", token, "--key", key).exit_code == Exit.DAMAGED

    status = line("status", environment=changed)
    assert "eu-a is empty" in status.output
    doctor = line("doctor", environment=changed)
    assert doctor.exit_code == 0
    assert "Takes no writes" in doctor.output


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("eu-a", Exit.REFUSED, "Nothing in the topology says that eu-a leaves"),
        ("eu-d", Exit.INVALID, "Unknown backend"),
    ],
)
def test_what_is_refused(
    line: CommandLine, tmp_path: Path, name: str, code: Exit, says: str
) -> None:
    """One that does not leave, and one that does not exist."""
    topology = three_backends(tmp_path / "t")
    line("init", environment={"DOMICILE_TOPOLOGY": str(topology)})

    found, output = retire(line, topology, name=name)

    assert found == code
    assert says in " ".join(output.split())


def test_too_few_backends_are_refused_with_the_topology(line: CommandLine, tmp_path: Path) -> None:
    """The other backends must suffice for every replica: that is reviewed with the file."""
    topology = three_backends(tmp_path / "t", retires="eu-a")
    file = topology / "regions/eu-central-1.toml"
    file.write_text(file.read_text().replace('name = "eu-b"', 'name = "eu-b"\nretires = true'))

    code, output = retire(line, topology)

    assert code == Exit.CONFIGURATION
    assert "backends that do not retire" in " ".join(output.split())


def test_a_backend_that_the_topology_lacks_is_no_unknown_one(
    line: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its region does not open, and the error says why. ``posture`` does not say all is well."""
    monkeypatch.setenv("DOMICILE_TOPOLOGY", str(three_backends(tmp_path / "t")))
    line("init")
    put(line, monkeypatch)
    monkeypatch.delenv("DOMICILE_TOPOLOGY")

    code, error = line.error("backend", "retire", "eu-c")
    shown = line("backend", "posture")

    assert (code, error["code"]) == (Exit.CONFIGURATION, "BackendUndeclared")
    assert "eu-c" in error["message"]
    assert shown.exit_code == Exit.CONFIGURATION
    assert "eu-c" in shown.output
    assert "No backend has a posture" not in shown.output
