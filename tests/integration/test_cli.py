"""The command line, as a person and as a script meet it."""

import base64
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib import metadata
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from storage.bootstrap import open_store
from storage.cli import common, exits, files, output, packages, status
from storage.cli.commands import app
from storage.cli.exits import Exit
from storage.cli.words import reason
from storage.errors import DomicileError, InvalidRequest
from storage.model import BackendState, ProcessorState, RegionStatus
from storage.settings import Settings

ROOT = Path(__file__).resolve().parents[2]

HOLD = """
import sys
from pathlib import Path
from storage import embedded
leave = embedded.start(Path(sys.argv[1]))[1]
print("up", flush=True)
sys.stdin.read()
leave()
"""


@dataclass(frozen=True)
class Line:
    """A command line with a Domicile of its own."""

    home: Path

    @property
    def environment(self) -> dict[str, str | None]:
        """What its settings are, whatever those of the machine may be."""
        others = dict.fromkeys(name for name in os.environ if name.startswith("DOMICILE_"))
        return {**others, "DOMICILE_HOME": str(self.home)}

    def __call__(
        self, *args: str | Path, stdin: str | bytes | None = None,
        environment: Mapping[str, str | None] | None = None,
    ) -> Result:  # fmt: skip
        """Run a command in this process."""
        given = self.environment | dict(environment or {})
        return CliRunner(env=given).invoke(app, [str(arg) for arg in args], input=stdin)

    def told(self, *args: str | Path, stdin: str | bytes | None = None) -> Any:  # noqa: ANN401
        """What a command that succeeds says with --json."""
        result = self(*args, "--json", stdin=stdin)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def error(self, *args: str | Path, stdin: str | None = None) -> tuple[int, dict[str, Any]]:
        """How a command fails: the exit code, and the error with --json."""
        result = self(*args, "--json", stdin=stdin)
        return result.exit_code, json.loads(result.stdout)["error"]

    def put(self, body: str, *args: str) -> str:
        """The id of a new prompt."""
        told = self.told("put", "acme-eu", "--class", "prompt", *args, stdin=body)
        return str(told["id"])


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    """A Domicile that is set up, on a server that stays up between commands."""
    # not under pytest's own folder: PostgreSQL runs as another user when we are root
    home = Path(tempfile.mkdtemp(prefix="dom-cli-"))
    with _server(home):
        made = Line(home)
        assert made("init").exit_code == 0
        _ensure(made, "acme-eu", "eu-central-1", "EU")
        yield made
    shutil.rmtree(home, ignore_errors=True)


def _server(home: Path) -> "Held":
    return Held(home / "postgres")


class Held:
    """Another process that uses the server, so that the commands do not stop it."""

    def __init__(self, data: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", HOLD, data],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def __enter__(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"up\n"

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def _ensure(line: Line, tenant: str, home: str, residency: str, *more: str) -> None:
    terms = ["--account", "acme", "--home", home, "--residency", residency, "--dpa", "2026-01-05"]
    assert line("tenant", "ensure", tenant, *terms, *more).exit_code == 0


def _process(line: Line, *args: str, **how: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401
    environment = os.environ | line.environment
    return subprocess.Popen(
        [sys.executable, "-m", "storage.cli", *args], cwd=ROOT,
        env={name: value for name, value in environment.items() if value is not None},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how,
    )  # fmt: skip


class TestExitCodes:
    def test_every_error_has_one(self) -> None:
        """A class that is added to the tree gets one too, and says 5 or 6 if it can be retried."""
        kinds = list(_below(DomicileError))
        codes = {kind: exits.code_of(kind) for kind in kinds}

        assert len(kinds) > 30
        for kind, code in codes.items():
            assert kind.retryable == (code in (Exit.UNAVAILABLE, Exit.UNKNOWN)), kind
            assert code > Exit.BUG

    def test_all_are_in_the_help(self, line: Line) -> None:
        """Whoever reads the help knows what each means."""
        help_text = " ".join(line("--help").stdout.split())

        assert set(exits.MEANING) == set(Exit)
        for code, meaning in exits.MEANING.items():
            assert f"{code.value}: {meaning}" in help_text


class TestSettingUp:
    def test_init_can_be_repeated(self, line: Line) -> None:
        """Nothing that exists is replaced."""
        key = line.home / "keys" / "eu-central-1.toml"
        before = key.read_bytes()

        told = line.told("init")

        assert told["regions"] == ["eu-central-1", "us-east-1"]
        assert told["embedded"]
        assert key.read_bytes() == before

    def test_regions_are_listed(self, line: Line) -> None:
        """With their backends, and whether this process serves them."""
        told = line.told("region", "list")
        text = line("region", "list").stdout

        assert [r["region"] for r in told["regions"]] == ["eu-central-1", "us-east-1"]
        assert [b["backend"] for b in told["regions"][0]["backends"]] == ["eu-a", "eu-b"]
        assert all(r["served"] for r in told["regions"])
        assert "eu-a (lindenhost), eu-b (meerspeicher)" in text

    def test_the_policy_is_explained_from_the_configuration(self, line: Line) -> None:
        """Every term names what sets it, they add up, and the verdict is the exit code."""
        told = line.told("policy", "explain", "--region", "eu-central-1")
        shown = line("policy", "explain")
        slow = line("policy", "explain", "--pause", str(24 * 3600))

        expiry, erasure, *copies = told["regions"]["eu-central-1"]
        compaction = {"what": "a pack with survivors is rewritten", "at_most": 72 * 3600,
                      "set_by": "bounds.compaction_hours = 72"}  # fmt: skip
        assert compaction in erasure["steps"]
        assert [bound["begins"] for bound in copies] == [
            "copies at klarblick are asked back", "copies at vier-augen are asked back",
        ]  # fmt: skip
        for bound in (expiry, erasure, *copies):
            assert bound["at_most"] == sum(step["at_most"] for step in bound["steps"])
            assert bound["fits"]
        assert expiry["limit"] == 24 * 3600
        assert "30 days; readable until 24 to 48 h before their end" in shown.stdout
        assert "7 days later" in shown.stdout
        assert told["receipts"]["EU"]["days"] == 1461
        assert told["holds"]["EU"]["days"] == 1096
        assert "CCPA" in shown.stdout
        assert (shown.exit_code, slow.exit_code) == (Exit.DONE, Exit.CONFIGURATION)
        assert "THAT CANNOT BE KEPT" in slow.stdout

    def test_what_the_settings_get_wrong_is_said(self, line: Line) -> None:
        """A misspelt setting is an error of the configuration, and shows no value."""
        result = line("status", environment={"DOMICILE_HOMER": "hunter2"})

        assert result.exit_code == Exit.CONFIGURATION
        assert "DOMICILE_HOMER is no setting" in result.stderr
        assert "hunter2" not in result.output

    def test_a_setting_that_is_no_json_is_said(self, line: Line) -> None:
        """The same, where the library that reads settings fails."""
        result = line("region", "list", environment={"DOMICILE_REGIONS": "hunter2"})

        assert result.exit_code == Exit.CONFIGURATION
        assert "hunter2" not in result.output

    def test_a_topology_that_contradicts_itself_is_said(self, line: Line, tmp_path: Path) -> None:
        """File, key and reason."""
        (tmp_path / "sub_processors.toml").write_text("sub_processors = 1")

        result = line("status", environment={"DOMICILE_TOPOLOGY": str(tmp_path)})

        assert result.exit_code == Exit.CONFIGURATION
        assert "sub_processors.toml" in result.stderr

    def test_a_home_that_cannot_be_used_is_no_bug(self, line: Line) -> None:
        """The advice says where to look."""
        result = line("init", environment={"DOMICILE_HOME": "/dev/null/home"})

        assert result.exit_code == Exit.CONFIGURATION
        assert "DOMICILE_HOME" in result.stderr


class TestTenants:
    def test_terms_are_kept_and_listed(self, line: Line) -> None:
        """What ensure is told, list tells."""
        more = ["--retention", "prompt=7", "--dedicated", "--dpa-until", "2030-01-01"]
        _ensure(line, "beta-us", "us-east-1", "US", *more)

        told = line.told("tenant", "list", "--region", "us-east-1")

        assert told["next"] is None
        assert told["tenants"] == [
            {
                "id": "beta-us", "account": "acme", "home": "us-east-1", "residency": "US",
                "service": "api", "retention": {"prompt": 7}, "dedicated": True,
                "agreements": [{"kind": "dpa", "signed": "2026-01-05", "until": "2030-01-01"}],
            }
        ]  # fmt: skip
        assert "dpa 2026-01-05 until 2030-01-01" in line("tenant", "list").stdout

    def test_a_page_says_where_the_next_begins(self, line: Line) -> None:
        """As long as there may be more."""
        first = line.told("tenant", "list", "--limit", "1")
        second = line.told("tenant", "list", "--limit", "1", "--after", first["next"])

        assert first["tenants"][0]["id"] == first["next"] == "acme-eu"
        assert second["tenants"][0]["id"] > "acme-eu"

    @pytest.mark.parametrize(
        ("terms", "code"),
        [
            (["--residency", "CH"], Exit.REFUSED),
            (["--residency", "EU", "--service", "chat"], Exit.REFUSED),
            (["--residency", "EU", "--dpa", "yesterday"], Exit.INVALID),
            (["--residency", "EU", "--dpa-until", "2027-01-01"], Exit.INVALID),
            (["--residency", "EU", "--retention", "prompt"], Exit.INVALID),
            (["--residency", "EU", "--retention", "prompt=99"], Exit.INVALID),
        ],
    )
    def test_bad_terms_are_refused(self, line: Line, terms: list[str], code: Exit) -> None:
        """Each with a reason, and advice."""
        given = ["tenant", "ensure", "other", "--account", "acme", "--home", "eu-central-1"]

        ended, error = line.error(*given, *terms)

        assert ended == code
        assert error["message"]
        assert error["advice"] or error["message"].startswith("--dpa-until")


class TestRecords:
    def test_what_is_put_is_got(self, line: Line) -> None:
        """Bytes come back as they were, also those that are no text."""
        body = bytes(range(256))
        put = line("put", "acme-eu", "--class", "prompt", stdin=body)
        got = line("get", "acme-eu", put.stdout.strip(), "--purpose", "serve")

        assert put.exit_code == got.exit_code == 0
        assert "Stored. Its bytes are gone by" in put.stderr
        assert got.stdout_bytes == body

    def test_json_has_metadata_and_body(self, line: Line) -> None:
        """All that is known of a record, in one document."""
        put = line.put("hello", "--metadata", '{"model": "m-1"}')
        told = line.told("get", "acme-eu", put, "--purpose", "serve")

        assert told["metadata"] == {"model": "m-1"}
        assert base64.b64decode(told["body"]) == b"hello"
        assert told["record"]["id"] == put
        assert told["record"]["size"] == 5
        assert told["record"]["written"].endswith("Z")

    def test_the_same_key_is_the_same_record(self, line: Line) -> None:
        """So a script can try again. Other content under that key is a conflict."""
        first, second = line.put("once", "--key", "k-1"), line.put("once", "--key", "k-1")
        given = ["put", "acme-eu", "--class", "prompt", "--key", "k-1"]
        code, error = line.error(*given, stdin="twice")

        assert first == second
        assert (code, error["code"]) == (Exit.INVALID, "IdConflict")

    def test_names_may_come_from_stdin(self, line: Line, tmp_path: Path) -> None:
        """What is an argument stays in a shell's history."""
        body = tmp_path / "body"
        body.write_text("about somebody")
        given: list[str | Path] = ["put", "acme-eu", body, "--class", "prompt", "--subject", "-"]
        put = line.told(*given, stdin="user-stdin\n")
        found = line.told("list", "acme-eu", "--subject", "-", stdin="user-stdin\n")
        both, _ = line.error("list", "acme-eu", "--subject", "-", "--group", "-", stdin="x\ny\n")
        nothing, _ = line.error("list", "acme-eu", "--subject", "-", stdin="")

        assert [record["id"] for record in found["records"]] == [put["id"]]
        assert both == nothing == Exit.INVALID

    def test_a_list_is_filtered_and_paged(self, line: Line) -> None:
        """By class and group; a full page says where the next begins."""
        first = line.put("one", "--group", "paged")
        given = ["--class", "completion", "--derived-from", first]
        second = line.told("put", "acme-eu", *given, stdin="two")["id"]

        both = line.told("list", "acme-eu", "--group", "paged")
        completions = line.told("list", "acme-eu", "--group", "paged", "--class", "completion")
        page = line.told("list", "acme-eu", "--group", "paged", "--limit", "1")
        rest = line.told("list", "acme-eu", "--group", "paged", "--after", page["next"])

        assert [r["id"] for r in both["records"]] == [first, second]
        assert [r["id"] for r in completions["records"]] == [second]
        assert page["next"] == first
        assert [r["id"] for r in rest["records"]] == [second]
        assert rest["next"] is None
        assert first in line("list", "acme-eu", "--group", "paged").stdout

    def test_zero_retention_stores_nothing_and_says_so(self, line: Line) -> None:
        """It is no error."""
        _ensure(line, "zero-eu", "eu-central-1", "EU", "--retention", "prompt=0")

        told = line.told("put", "zero-eu", "--class", "prompt", stdin="gone")
        text = line("put", "zero-eu", "--class", "prompt", stdin="gone")

        assert told["stored"] is False
        assert "Nothing was stored" in text.stderr

    def test_explain_says_why_in_plain_words(self, line: Line) -> None:
        """Every backend of every region, with the reason."""
        put = line.put("why")

        text = line("explain", "acme-eu", put).stdout
        told = line.told("explain", "acme-eu", put)

        assert "outside the residency that the tenant asked for" in text
        assert [(v["backend"], v["allowed"]) for v in told["verdicts"]] == [
            ("eu-a", True), ("eu-b", True), ("us-a", False), ("us-b", False),
        ]  # fmt: skip
        assert {r["state"] for r in told["replicas"]} == {"stored"}

    @pytest.mark.parametrize(
        ("args", "code", "name"),
        [
            (["get", "nobody", "x", "--purpose", "serve"], Exit.REFUSED, "UnknownTenant"),
            (["get", "acme-eu", "x", "--purpose", "serve"], Exit.INVALID, "MalformedId"),
            (["explain", "acme-eu", "x"], Exit.INVALID, "MalformedId"),
            (["put", "acme-eu", "--class", "prompt", "/nowhere"], Exit.INVALID, "InvalidRequest"),
            (["put", "acme-eu", "--class", "prompt", "/"], Exit.INVALID, "InvalidRequest"),
            (["put", "acme-eu", "--class", "prompt", "--metadata", "[]"], 2, "InvalidRequest"),
            (["put", "acme-eu", "--class", "prompt", "--filename", "x"], 2, "InvalidRequest"),
            (["put", "acme-eu", "--class", "fine_tuning_file", "--group", "g"], 2,
             "InvalidRequest"),
            (["put", "acme-eu", "--class", "prompt", "--id", "x", "--key", "y"], 2,
             "InvalidRequest"),
            (["tenant", "list", "--region", "mars-1"], Exit.REFUSED, "WrongRegion"),
            (["receipt", "key", "--region", "mars-1"], Exit.REFUSED, "WrongRegion"),
            (["receipt", "key", "--region", "us-east-1", "--version", "9"], 2, "InvalidRequest"),
            (["erasure", "show", "x"], Exit.NOT_THERE, "NotFound"),
            (["erasure", "list", "--after", "x"], Exit.INVALID, "InvalidRequest"),
            (["worker", "--once", "--dry-run"], Exit.INVALID, "InvalidRequest"),
        ],
    )  # fmt: skip
    def test_refusals(self, line: Line, args: list[str], code: int, name: str) -> None:
        """Each with its exit code, and the same five things in JSON."""
        ended, error = line.error(*args, stdin="body")

        assert (ended, error["code"]) == (code, name)
        assert set(error) == {"code", "message", "advice", "reasons", "retryable", "outcome"}
        assert error["outcome"] == "not_stored"
        assert error["retryable"] is False

    def test_a_purpose_that_is_not_open_is_refused(self, line: Line) -> None:
        """With the reason code, in JSON."""
        put = line.put("private")

        code, error = line.error("get", "acme-eu", put, "--purpose", "train")

        assert (code, error["reasons"]) == (Exit.REFUSED, ["purpose_not_open"])


class TestFiles:
    def test_a_file_comes_back_whole_and_private(self, line: Line, tmp_path: Path) -> None:
        """Its name is metadata; the copy is readable for its owner alone."""
        source, target = tmp_path / "train.jsonl", tmp_path / "back"
        source.write_bytes(os.urandom(3 * 1024 * 1024 + 7))
        put = line("put", "acme-eu", source, "--class", "fine_tuning_file").stdout.strip()
        get: list[str | Path] = [
            "get",
            "acme-eu",
            put,
            "--purpose",
            "fine_tune",
            "--output",
            target,
        ]

        told = line.told(*get)

        assert target.read_bytes() == source.read_bytes()
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        assert told["metadata"] == {"filename": "train.jsonl"}
        assert told["body"] is None

    def test_nothing_is_overwritten_unless_forced(self, line: Line, tmp_path: Path) -> None:
        """And a read that fails leaves what was there."""
        put, target = line.put("new"), tmp_path / "target"
        target.write_text("old")
        get: list[str | Path] = ["get", "acme-eu", put, "--purpose", "serve", "--output", target]

        code, _ = line.error(*get)
        refused = line("get", "acme-eu", put, "--purpose", "legal", "-o", target, "--force")
        kept = target.read_text()
        forced = line(*get, "--force")

        assert (code, refused.exit_code) == (Exit.INVALID, Exit.REFUSED)
        assert kept == "old"
        assert forced.exit_code == 0
        assert target.read_text() == "new"
        assert os.listdir(tmp_path) == ["target"]  # noqa: PTH208

    def test_half_a_file_is_never_left(self, tmp_path: Path) -> None:
        """Also not under another name."""

        def broken() -> Iterator[bytes]:
            yield b"half"
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            files.write_new(tmp_path / "target", broken(), force=False)

        assert not list(tmp_path.iterdir())

    def test_a_file_that_appears_meanwhile_stays(self, tmp_path: Path) -> None:
        """Between the first look and the end, somebody else may have made it."""
        target = tmp_path / "target"
        files.check_new(target, force=False)

        def slow() -> Iterator[bytes]:
            target.write_text("theirs")
            yield b"ours"

        with pytest.raises(InvalidRequest):
            files.write_new(target, slow(), force=False)

        assert target.read_text() == "theirs"


class TestErasing:
    def test_a_dry_run_says_what_and_does_nothing(self, line: Line) -> None:
        """Scope, readable records, and what cascades."""
        put = line.put("kept", "--subject", "dry")
        given = ["erase", "acme-eu", "--subject", "dry", "--reason", "subject_request"]

        told = line.told(*given, "--dry-run")
        text = line(*given, "--dry-run").stdout

        assert told["records"] == {"at_least": 1, "exact": True}
        assert told["scope"] == "subject"
        assert {"parent": "prompt", "child": "completion"} in told["cascades"]
        assert "Nothing was done" in text
        assert line("get", "acme-eu", put, "--purpose", "serve").stdout == "kept"

    def test_nobody_is_erased_without_being_asked(self, line: Line) -> None:
        """Where there is no terminal, --yes is asked for."""
        code, error = line.error("erase", "acme-eu", "--all", "--reason", "contract_end")

        assert code == Exit.INVALID
        assert "--yes" in error["advice"]

    def test_an_erased_subject_is_gone_and_a_receipt_proves_it(
        self, line: Line, tmp_path: Path
    ) -> None:
        """The whole way: erase, worker, receipt, and its verification offline."""
        put = line.put("mine", "--subject", "gone")
        given = ["erase", "acme-eu", "--subject", "-", "--reason", "subject_request", "--yes"]
        erasure = line(*given, stdin="gone\n").stdout.strip()
        early, _ = line.error("erasure", "show", erasure, "--receipt")
        code, error = line.error("get", "acme-eu", put, "--purpose", "serve")
        due = line.told("worker", "--dry-run")["due"]["eu-central-1"]["plan"]
        worked = line("worker", "--once")
        shown = line.told("erasure", "show", erasure)["erasure"]
        listed = line.told("erasure", "list", "--limit", "1")["erasures"]
        receipt, key = tmp_path / "receipt", tmp_path / "key.pem"
        receipt.write_text(line("erasure", "show", erasure, "--receipt").stdout)
        key.write_text(line("receipt", "key", "--region", "eu-central-1").stdout)
        verified = line.told("receipt", "verify", receipt, "--key", key)
        text = line("receipt", "verify", receipt, "--key", key).stdout

        assert (early, code, error["code"]) == (Exit.NOT_THERE, Exit.NOT_THERE, "Erased")
        assert due == 1
        assert worked.exit_code == 0
        assert "plan 1" in worked.stdout
        assert (shown["state"], shown["deleted"], shown["left"]) == ("complete", 1, [])
        assert [e["id"] for e in listed] == [erasure]
        assert verified["valid"]
        assert verified["receipt"]["erasure"] == erasure
        assert "The receipt is genuine." in text
        assert "lindenhost" in text

    def test_a_receipt_that_was_changed_is_not_genuine(self, line: Line, tmp_path: Path) -> None:
        """Nor is one that is none, or signed with another key."""
        key = tmp_path / "key.pem"
        key.write_text(line("receipt", "key", "--region", "eu-central-1").stdout)

        for text in ("", "x.y.z", "e30.e30.AAAA", "\x00", "ä"):
            code, error = line.error("receipt", "verify", "-", "--key", key, stdin=text)
            assert (code, error["code"]) == (Exit.DAMAGED, "ReceiptInvalid")
        code, error = line.error("receipt", "verify", "-", "--key", tmp_path / "none", stdin="")

        assert (code, error["code"]) == (Exit.INVALID, "InvalidRequest")

    def test_a_record_and_a_tenant(self, line: Line) -> None:
        """The other scopes; of a record what derives from it is not counted."""
        _ensure(line, "short-eu", "eu-central-1", "EU")
        put = line.told("put", "short-eu", "--class", "prompt", stdin="1")["id"]
        line.told("put", "short-eu", "--class", "prompt", stdin="2")
        why = ["--reason", "contract_end"]

        record = line.told("erase", "short-eu", "--record", put, *why, "--dry-run")
        one = line.told("erase", "short-eu", "--record", put, *why, "--yes")["erasure"]
        left = line.told("list", "short-eu")["records"]
        all_ = line.told("erase", "short-eu", "--all", *why, "--yes")["erasure"]

        assert record["records"] == {"at_least": 1, "exact": False}
        assert (one["scope"], all_["scope"]) == ("record", "tenant")
        assert len(left) == 1
        assert line.told("list", "short-eu")["records"] == []

    def test_an_account(self, line: Line) -> None:
        """All of its tenants, wherever this process serves them."""
        for tenant, home in (("x-eu", "eu-central-1"), ("x-us", "us-east-1")):
            terms = ["--account", "xco", "--home", home, "--residency", tenant[2:].upper()]
            line("tenant", "ensure", tenant, *terms, "--dpa", "2026-01-05")
            line.told("put", tenant, "--class", "prompt", stdin="x")
        given = ["erase", "--account", "xco", "--reason", "contract_end"]

        dry = line.told(*given, "--dry-run")
        done = line.told(*given, "--yes")

        assert (dry["tenants"], dry["records"]["at_least"]) == (["x-eu", "x-us"], 2)
        assert [e["tenant"] for e in done["erasures"]] == ["x-eu", "x-us"]
        assert done["not_reached"] == []
        assert line.told("list", "x-us")["records"] == []

    @pytest.mark.parametrize(
        "given",
        [
            [], ["acme-eu"], ["acme-eu", "--all", "--subject", "x"], ["--all"],
            ["acme-eu", "--account", "a"], ["--subject", "x"],
        ],
    )  # fmt: skip
    def test_one_scope_of_one_tenant(self, line: Line, given: list[str]) -> None:
        """Anything else is refused before anything is opened."""
        code, _ = line.error("erase", *given, "--reason", "contract_end", "--yes")

        assert code == Exit.INVALID


class TestOperation:
    def test_status_has_every_number(self, line: Line) -> None:
        """By region and backend."""
        told = line.told("status")
        text = line("status").stdout

        assert [r["region"] for r in told["regions"]] == ["eu-central-1", "us-east-1"]
        assert set(told["regions"][0]) == {
            "region", "records", "files", "bytes", "open_erasures", "overdue_erasure",
            "overdue_days", "backends", "partition_horizon", "horizon_alarm", "clocks_apart",
            "overdue", "holds", "overdue_reviews", "deferred_erasures", "processors",
        }  # fmt: skip
        assert told["regions"][0]["overdue"] is False
        assert "nothing is overdue" in text

    def test_what_is_overdue_cannot_be_overlooked(
        self, line: Line, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Since when, and that no partitions are made."""
        since = datetime(2026, 3, 1, 12, tzinfo=UTC)
        region = RegionStatus(
            "eu-central-1", 1_000_000, 1, 2048, 3, None, 2,
            (BackendState("eu-a", 1, 2048, 4, 5, since),), date(2026, 3, 4), True,
            clocks_apart=True,
        )  # fmt: skip

        status.show(region)
        shown = capsys.readouterr().out

        assert status.late(region)
        assert "OVERDUE: something should have been gone since 2026-03-01 12:00 UTC" in shown
        assert "too few days ahead" in shown
        assert "DISAGREE: workers here destroy nothing" in shown
        assert "1,000,000 or more" in shown

    def test_a_worker_ends_its_piece_and_then_itself(self, line: Line) -> None:
        """SIGTERM is no failure."""
        process = _process(line, "worker", "--pause", "60", "--json")
        assert process.stderr is not None
        while b"worker_started" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)

        assert process.returncode == 0
        assert json.loads(out) == {"stopped": True}
        assert b"worker_stopped" in err

    def test_a_worker_says_when_nothing_was_due(self, line: Line) -> None:
        """Pieces by duty, in JSON."""
        line("worker", "--once")

        told = line.told("worker", "--once")

        assert set(told["pieces"]) >= {"plan", "expire", "purge", "complete"}
        assert "due now" in line("worker", "--dry-run").stdout


class TestProcessors:
    def test_a_copy_from_hand_over_to_attestation(self, line: Line, tmp_path: Path) -> None:
        """Listed, attested by the digest of a document, and not listed any more."""
        put = line.put("to be reviewed")
        with open_store(Settings(home=line.home)) as store:
            copy = str(store.tenant("acme-eu").hand_over(put, "vier-augen").copy)
        listed = line.told("processor", "copies", "--processor", "vier-augen")
        shown = line("processor", "copies").stdout
        counted = line.told("processor", "list")["processors"]
        said = tmp_path / "letter.pdf"
        said.write_bytes(b"we have deleted it")
        attest = ("processor", "attest", copy, "--actor", "officer-7", "--document")
        told = line.told(*attest, said)["copy"]
        said.write_bytes(b"another letter")
        again = line(*attest, said)

        assert [c["id"] for c in listed["copies"]] == [copy]
        assert copy in shown
        assert {c["copies"] for c in counted if c["processor"] == "vier-augen"} == {1}
        assert (told["state"], told["how"]) == ("confirmed", "attested")
        assert told["digest"] == hashlib.sha256(b"we have deleted it").hexdigest()
        assert "the first one stands" in again.stderr
        assert line.told("processor", "copies")["copies"] == []

    @pytest.mark.parametrize(
        ("copy", "actor", "code"),
        [
            (str(UUID(int=1)), "officer-7", Exit.NOT_THERE),
            ("nothing", "officer-7", Exit.NOT_THERE),
            (str(UUID(int=1)), "Hypatia of Alexandria", Exit.INVALID),
        ],
    )
    def test_what_cannot_be_attested(
        self, line: Line, tmp_path: Path, copy: str, actor: str, code: Exit
    ) -> None:
        """A copy that is not there, and somebody's name in the place of an id."""
        said = tmp_path / "letter.pdf"
        said.write_bytes(b"we have deleted it")
        found, _ = line.error(
            "processor", "attest", copy, "--actor", actor, "--document", str(said)
        )

        assert found == code

    def test_a_processor_gets_the_key_of_its_requests(self, line: Line) -> None:
        """Not that of receipts."""
        told = line.told("processor", "key", "--region", "eu-central-1")

        assert told["pem"].startswith("-----BEGIN PUBLIC KEY-----")
        (key,) = line.told("receipt", "key", "--region", "eu-central-1")["keys"]
        assert told["kid"] != key["kid"]

    def test_terms_are_shown(self, line: Line) -> None:
        """Who, where, by which connector, on what terms."""
        told = line.told("processor", "list")["processors"]
        shown = line("processor", "list").stdout
        status = line("status").stdout

        assert [(p["processor"], p["connector"], p["lead_hours"], p["max_days"]) for p in told] == [
            ("klarblick", "http", 24, 14), ("vier-augen", "manual", 72, 30),
            ("clearwater-screening", "http", 24, 14), ("second-look", "manual", 72, 30),
        ]  # fmt: skip
        for name in ("klarblick", "second-look"):
            assert name in shown
            assert name in status

    def test_overdue_copies_cannot_be_overlooked(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Since which deadline."""
        since = datetime(2026, 3, 1, 12, tzinfo=UTC)
        late = ProcessorState("klarblick", 3, 2, 1, since)
        region = RegionStatus(
            "eu-central-1", 0, 0, 0, 1, None, 0, (), date(2026, 5, 1), False,
            clocks_apart=False, processors=(late,),
        )  # fmt: skip

        status.show(region)

        assert status.late(region)
        assert "OVERDUE: something should have been gone since 2026-03-01 12:00 UTC" in (
            capsys.readouterr().out
        )


class TestDoctor:
    def test_all_is_well(self, line: Line) -> None:
        """Every area is looked at, and nothing fails."""
        told = line.told("doctor")

        assert told["ok"]
        assert {f["check"] for f in told["findings"]} == {
            "versions", "packages", "settings", "keys", "catalog", "backends",
        }  # fmt: skip
        assert {f["what"] for f in told["findings"] if f["check"] == "packages"} >= {
            "storage", "regions", "migrations",
        }  # fmt: skip

    def test_a_key_file_for_all_to_read_fails(self, line: Line) -> None:
        """The advice says what to type; the other region is still looked at."""
        key = line.home / "keys" / "eu-central-1.toml"
        key.chmod(0o644)
        try:
            result = line("doctor")
        finally:
            key.chmod(0o600)

        assert result.exit_code == Exit.CONFIGURATION
        assert f"chmod 600 {key}" in result.stdout
        assert "us-b" in result.stdout
        assert "1 check failed" in result.stderr

    def test_backends_that_are_not_there(self, line: Line) -> None:
        """One may be away, as long as enough others take writes."""
        one, other = line.home / "backends" / "eu-a", line.home / "backends" / "eu-b"
        away = line.home / "away"
        one.rename(away)
        first = line("doctor", "--json")
        other.rename(line.home / "away-too")
        second = line("doctor", "--json")
        (line.home / "away-too").rename(other)
        away.rename(one)

        states = [f["state"] for f in json.loads(first.stdout)["findings"] if f["what"] == "eu-a"]
        assert (first.exit_code, states) == (0, ["warn"])
        assert second.exit_code == Exit.CONFIGURATION

    def test_a_catalog_that_does_not_answer(self, line: Line) -> None:
        """With what the driver says, but not the password."""
        environment = {
            "DOMICILE_REGIONS__EU_CENTRAL_1__CATALOG_URL": "postgresql://u:hunter2@127.0.0.1:1/d",
            "DOMICILE_REGIONS__EU_CENTRAL_1__KEYS_FILE": str(
                line.home / "keys" / "eu-central-1.toml"
            ),
        }
        result = line("doctor", environment=environment)
        down = line("status", environment=environment)

        assert (result.exit_code, down.exit_code) == (Exit.CONFIGURATION, Exit.UNAVAILABLE)
        assert "refused" in result.stdout
        assert "hunter2" not in result.output + down.output

    def test_nothing_is_set_up_yet(self, line: Line) -> None:
        """The embedded default is tried elsewhere, and leaves nothing behind."""
        home = line.home / "new"

        result = line("doctor", environment={"DOMICILE_HOME": str(home)})

        assert result.exit_code == 0
        assert "Nothing is set up yet" in result.stdout
        assert not home.exists()


class TestPackages:
    def test_versions_are_compared(self) -> None:
        """As far as our own bounds go."""
        assert packages.fits("2.1.9", ">=2.1,<2.2")
        assert packages.fits("50", ">=50")
        assert not packages.fits("2.2.0", ">=2.1,<2.2")
        assert not packages.fits("0.9", ">=1.20,<2")

    @pytest.mark.parametrize("name", packages.NAMES)
    def test_ours_are_ours(self, name: str) -> None:
        """In this source tree, however it is installed."""
        found = [f for f in packages.findings() if (f.check, f.what) == ("packages", name)]

        assert [f.state for f in found] == ["ok"]

    def test_a_foreign_one_is_named(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """PyPI has a ``regions`` about astronomy."""
        foreign = tmp_path / "regions" / "__init__.py"
        monkeypatch.setattr(packages, "_origin", lambda _: foreign)

        found = packages.package("regions", None)

        assert found.state == "fail"
        assert str(foreign.parent) in found.says

    def test_an_overwritten_file_is_seen(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The path is ours; what is in the file is not."""
        site = _installed(tmp_path)
        ours = metadata.Distribution.at(site / "domicile-0.1.0.dist-info")
        monkeypatch.setattr(packages, "_origin", lambda _: site / "regions" / "__init__.py")

        before = packages.package("regions", ours)
        (site / "regions" / "__init__.py").write_text("theirs")
        after = packages.package("regions", ours)

        assert (before.state, after.state) == ("ok", "fail")
        assert "1 of its files" in after.says


class TestOutput:
    def test_nothing_colours_a_pipe(self, line: Line) -> None:
        """Nor is a line filled up with spaces; and the command runs as a process."""
        out, err = _process(line, "status").communicate()

        assert b"eu-central-1" in out
        assert b"\x1b" not in out + err
        assert not [row for row in out.split(b"\n") if row.endswith(b" ")]

    def test_a_reader_who_goes_is_no_error(self, line: Line) -> None:
        """``domicile list | head`` ends quietly."""
        process = _process(line, "status")
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, err = process.communicate()

        assert process.returncode == Exit.NO_READER
        assert err == b""

    def test_a_narrow_terminal_gets_a_list(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """An id is not broken as long as it fits."""
        heads, rows = ("record", "size"), [("r" * 40, "2.1 KiB")]
        wide, narrow = Console(width=50), Console(width=44)

        monkeypatch.setattr(output, "people", lambda: wide)
        output.table(heads, rows)
        table = capsys.readouterr().out
        monkeypatch.setattr(output, "people", lambda: narrow)
        output.table(heads, rows)
        listed = capsys.readouterr().out

        assert table.splitlines() == [f"{'record':40}  size", f"{'r' * 40}  2.1 KiB"]
        assert listed.splitlines() == ["r" * 40, "  size: 2.1 KiB"]

    def test_reasons_are_said_in_words(self) -> None:
        """Also those that are made of two."""
        assert reason("other_region") == "not the tenant's home region"
        assert reason("dpa_missing") == "a DPA is required and was never signed"
        assert reason("backups_sub_processor_ended") == (
            "the backups is run by a sub-processor whose agreement has ended"
        )
        assert reason("something_new") == "something new"

    def test_sizes(self) -> None:
        """In the units that their names say."""
        assert [output.size(n) for n in (0, 1023, 1536, 5 * 1024**3)] == [
            "0 B", "1023 B", "1.5 KiB", "5.0 GiB",
        ]  # fmt: skip


class TestErrors:
    @pytest.mark.parametrize(
        "args",
        [
            ["hunter2"], ["put", "acme-eu", "--class", "hunter2"], ["put", "a", "b", "hunter2"],
            ["list", "acme-eu", "--limit", "hunter2"], ["get", "acme-eu"], ["tenant", "hunter2"],
            ["erase", "acme-eu", "--reason", "hunter2"], ["list"],
        ],
    )  # fmt: skip
    def test_usage_is_corrected_without_repeating_it(self, line: Line, args: list[str]) -> None:
        """What was typed in the wrong place may be a name, or content."""
        text, (code, error) = line(*args), line.error(*args)

        assert text.exit_code == code == Exit.INVALID
        assert text.stderr.startswith("Error: ")
        assert "Traceback" not in text.output
        assert "hunter2" not in text.output + json.dumps(error)
        assert error["advice"]

    def test_choices_are_told(self, line: Line) -> None:
        """Also the bounds of a number."""
        _, purpose = line.error("get", "acme-eu", "x", "--purpose", "fun")
        _, limit = line.error("list", "acme-eu", "--limit", "0")

        assert "It is one of: serve, fine_tune" in purpose["advice"]
        assert "greater than or equal to 1" in limit["advice"]

    def test_a_bug_is_one_line_and_its_traceback_is_in_the_log(
        self, line: Line, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The log says where, and not what."""

        def broken(**_: object) -> None:
            raise ValueError("hunter2")

        monkeypatch.setattr(status, "opened", broken)
        result, (code, error) = line("status"), line.error("status")
        logged, said = result.stderr.split("\n", 1)

        assert result.exit_code == code == Exit.BUG
        assert said.startswith("Error: Domicile has a bug")
        assert "Please report it" in said
        assert json.loads(logged)["exception"][0]["type"] == "builtins.ValueError"
        assert (error["code"], error["outcome"]) == ("UnexpectedError", "unknown")
        assert "hunter2" not in result.output

    def test_a_refusal_to_confirm_does_nothing(
        self, line: Line, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It has an exit code of its own."""
        put = line.put("kept")
        monkeypatch.setattr("storage.cli.erasing.at_terminal", lambda: True)
        given = ["erase", "acme-eu", "--all", "--reason", "contract_end"]

        result = line(*given, stdin="n\n")

        assert result.exit_code == Exit.DECLINED
        assert "everything of acme-eu" in result.stderr
        assert line("get", "acme-eu", put, "--purpose", "serve").stdout == "kept"

    def test_stdin_can_be_taken_once(self) -> None:
        """Two values cannot both come from it."""
        given = common.Given()
        given.take()

        with pytest.raises(InvalidRequest):
            given.text("-")
        assert given.text("value") == "value"
        assert given.text(None) is None


def _below(kind: type[DomicileError]) -> Iterator[type[DomicileError]]:
    """All classes of the tree, those of the command line's own excepted."""
    for below in kind.__subclasses__():
        if below.__module__ == DomicileError.__module__:
            yield below
            yield from _below(below)


def _installed(site: Path) -> Path:
    """A place where pip has installed a distribution with one file in ``regions``."""
    (site / "regions").mkdir()
    (site / "regions" / "__init__.py").write_text("ours")
    digest = packages._digest(site / "regions" / "__init__.py", "sha256")
    info = site / "domicile-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: domicile\nVersion: 0.1.0\n")
    (info / "RECORD").write_text(f"regions/__init__.py,sha256={digest},4\n")
    return site
