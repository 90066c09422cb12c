"""The command line: exit codes, operation, output and errors."""

import hashlib
import json
import signal
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import pytest
from rich.console import Console

from storage.bootstrap import open_store
from storage.cli import exit_codes, output, terminal
from storage.cli.commands import status
from storage.cli.exit_codes import Exit
from storage.cli.options import StdinOption
from storage.cli.reason_texts import reason_text
from storage.errors import DomicileError, InvalidRequest
from storage.model import BackendState, ProcessorState, RegionStatus
from storage.settings import Settings
from storage.testing import SERVICE
from storage.text import format_size
from tests.support.cli_harness import READ, CommandLine, start_command


class TestExitCodes:
    def test_every_error_has_one(self) -> None:
        """Every error class has a code, a new one too; 5 and 6 are those that can be retried."""
        kinds = list(_below(DomicileError))
        codes = {kind: exit_codes.code_of(kind) for kind in kinds}

        assert len(kinds) > 30
        for kind, code in codes.items():
            assert kind.retryable == (code in (Exit.UNAVAILABLE, Exit.UNKNOWN)), kind
            assert code > Exit.BUG

    def test_all_are_in_the_help(self, line: CommandLine) -> None:
        """The help explains each code."""
        help_text = " ".join(line("--help").stdout.split())

        assert set(exit_codes.MEANING) == set(Exit)
        for code, meaning in exit_codes.MEANING.items():
            assert f"{code.value}: {meaning}" in help_text


class TestOperation:
    def test_status_has_every_number(self, line: CommandLine) -> None:
        """Status shows every number by region and backend."""
        told = line.told("status")
        text = line("status").stdout

        assert [r["region"] for r in told["regions"]] == ["eu-central-1", "us-east-1"]
        assert set(told["regions"][0]) == {
            "region",
            "records",
            "files",
            "bytes",
            "open_erasures",
            "overdue_erasure",
            "overdue_days",
            "backends",
            "partition_horizon",
            "horizon_alarm",
            "clocks_disagree",
            "overdue",
            "holds",
            "unconfirmed_holds",
            "overdue_confirmations",
            "overdue_reviews",
            "deferred_erasures",
            "ended_agreements",
            "stored_without_agreement",
            "overdue_exits",
            "leaving",
            "objections_moving",
            "forged_checkpoints",
            "log_waits_since",
            "unpinned",
            "objections_overdue",
            "processors",
            "unread",
            "postures",
            "blocked",
        }
        assert told["regions"][0]["overdue"] is False
        assert "nothing is overdue" in text

    def test_overdue_deletions_stand_out(
        self, line: CommandLine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The output says since when, and that partitions are missing."""
        since = datetime(2026, 3, 1, 12, tzinfo=UTC)
        region = RegionStatus(
            "eu-central-1",
            1_000_000,
            1,
            2048,
            3,
            None,
            2,
            (BackendState("eu-a", 1, 2048, 4, 5, since),),
            date(2026, 3, 4),
            True,
            clocks_disagree=True,
        )

        status.show(region)
        shown = capsys.readouterr().out

        assert status.late(region)
        assert "OVERDUE since 2026-03-01 12:00 UTC" in shown
        assert "too few days ahead" in shown
        assert "DISAGREE: workers here delete nothing" in shown
        assert "1,000,000 or more" in shown

    def test_a_worker_ends_on_sigterm(self, line: CommandLine) -> None:
        """It finishes its piece of work and ends with 0."""
        process = start_command(line, "worker", "--pause", "60", "--json")
        assert process.stderr is not None
        while b"worker_started" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)

        assert process.returncode == 0
        assert json.loads(out) == {"stopped": True}
        assert b"worker_stopped" in err

    def test_a_worker_reports_its_work(self, line: CommandLine) -> None:
        """JSON has the pieces of work by duty."""
        line("worker", "--once")

        told = line.told("worker", "--once")

        assert set(told["pieces"]) >= {"plan", "expire", "purge", "sweep", "complete"}
        assert "due now" in line("worker", "--dry-run").stdout


class TestProcessors:
    def test_a_copy_from_hand_over_to_attestation(self, line: CommandLine, tmp_path: Path) -> None:
        """It is listed until the digest of a document attests its deletion."""
        put = line.put("to be reviewed")
        with open_store(Settings(home=line.home)) as store:
            copy = str(store.tenant("acme-eu").bind(SERVICE).hand_over(put, "handverlesen").copy)
        listed = line.told("processor", "copies", "--processor", "handverlesen")
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
        assert {c["copies"] for c in counted if c["processor"] == "handverlesen"} == {1}
        assert (told["state"], told["how"]) == ("confirmed", "attested")
        assert told["digest"] == hashlib.sha256(b"we have deleted it").hexdigest()
        assert "the first one stands" in again.stderr
        assert line.told("processor", "copies")["copies"] == []

    @pytest.mark.parametrize(
        ("copy", "actor", "code"),
        [
            (str(UUID(int=1)), "officer-7", Exit.NOT_THERE),
            ("nothing", "officer-7", Exit.INVALID),
            (str(UUID(int=1)), "Hypatia of Alexandria", Exit.INVALID),
        ],
    )
    def test_invalid_attestations_are_refused(
        self, line: CommandLine, tmp_path: Path, copy: str, actor: str, code: Exit
    ) -> None:
        """An absent copy, and what is no id."""
        said = tmp_path / "letter.pdf"
        said.write_bytes(b"we have deleted it")
        found, _ = line.error(
            "processor", "attest", copy, "--actor", actor, "--document", str(said)
        )

        assert found == code

    def test_a_processor_gets_the_key_of_its_requests(self, line: CommandLine) -> None:
        """It differs from the key of receipts."""
        told = line.told("processor", "key", "--region", "eu-central-1")

        assert told["pem"].startswith("-----BEGIN PUBLIC KEY-----")
        (key,) = line.told("receipt", "key", "--region", "eu-central-1")["keys"]
        assert told["kid"] != key["kid"]

    def test_terms_are_shown(self, line: CommandLine) -> None:
        """The list has the connector and the terms of every processor."""
        told = line.told("processor", "list")["processors"]
        shown = line("processor", "list").stdout
        status = line("status").stdout

        assert [(p["processor"], p["connector"], p["lead_hours"], p["max_days"]) for p in told] == [
            ("klarblick", "http", 24, 14),
            ("handverlesen", "manual", 72, 30),
            ("vier-augen", "manual", 72, 30),
            ("clearwater-screening", "http", 24, 14),
            ("second-look", "manual", 72, 30),
        ]
        for name in ("klarblick", "second-look"):
            assert name in shown
            assert name in status

    def test_overdue_copies_stand_out(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The output says since which deadline."""
        since = datetime(2026, 3, 1, 12, tzinfo=UTC)
        late = ProcessorState("klarblick", 3, 2, 1, since)
        region = RegionStatus(
            "eu-central-1",
            0,
            0,
            0,
            1,
            None,
            0,
            (),
            date(2026, 5, 1),
            False,
            clocks_disagree=False,
            processors=(late,),
        )

        status.show(region)

        assert status.late(region)
        assert "OVERDUE since 2026-03-01 12:00 UTC" in (capsys.readouterr().out)


class TestOutput:
    def test_a_pipe_gets_plain_text(self, line: CommandLine) -> None:
        """A process writes no colors and no trailing spaces into a pipe."""
        out, err = start_command(line, "status").communicate()

        assert b"eu-central-1" in out
        assert b"\x1b" not in out + err
        assert not [row for row in out.split(b"\n") if row.endswith(b" ")]

    def test_a_closed_pipe_is_no_error(self, line: CommandLine) -> None:
        """``domicile list | head`` ends quietly."""
        process = start_command(line, "status")
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, err = process.communicate()

        assert process.returncode == Exit.NO_READER
        assert err == b""

    def test_a_narrow_terminal_gets_a_list(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A table that does not fit becomes a list, so that ids stay whole."""
        heads, rows = ("record", "size"), [("r" * 40, "2.1 KiB")]
        wide, narrow = Console(width=50), Console(width=44)

        monkeypatch.setattr(output, "console_for", lambda: wide)
        output.print_table(heads, rows)
        table = capsys.readouterr().out
        monkeypatch.setattr(output, "console_for", lambda: narrow)
        output.print_table(heads, rows)
        listed = capsys.readouterr().out

        assert table.splitlines() == [f"{'record':40}  size", f"{'r' * 40}  2.1 KiB"]
        assert listed.splitlines() == ["r" * 40, "  size: 2.1 KiB"]

    def test_reason_codes_have_texts(self) -> None:
        """Composed codes have a text too."""
        assert reason_text("other_region") == "outside the tenant's home region"
        assert reason_text("dpa_missing") == "a DPA is required and was never signed"
        assert reason_text("backups_sub_processor_ended") == (
            "the backups' sub-processor's agreement has ended"
        )
        assert reason_text("something_new") == "something new"

    def test_sizes(self) -> None:
        """Sizes are in binary units."""
        assert [format_size(n) for n in (0, 1023, 1536, 5 * 1024**3)] == [
            "0 B",
            "1023 B",
            "1.5 KiB",
            "5.0 GiB",
        ]


class TestErrors:
    @pytest.mark.parametrize(
        "args",
        [
            ["hunter2"],
            ["put", "acme-eu", "--class", "hunter2"],
            ["put", "a", "b", "hunter2"],
            ["list", "acme-eu", "--limit", "hunter2"],
            ["get", "acme-eu"],
            ["tenant", "hunter2"],
            ["erase", "acme-eu", "--reason", "hunter2"],
            ["list"],
        ],
    )
    def test_usage_is_corrected_without_repeating_it(
        self, line: CommandLine, args: list[str]
    ) -> None:
        """A misplaced word may be a name, or content."""
        text, (code, error) = line(*args), line.error(*args)

        assert text.exit_code == code == Exit.INVALID
        assert text.stderr.startswith("Error: ")
        assert "Traceback" not in text.output
        assert "hunter2" not in text.output + json.dumps(error)
        assert error["advice"]

    def test_allowed_values_are_listed(self, line: CommandLine) -> None:
        """The choices of an enum, and the bounds of a number."""
        _, purpose = line.error("get", "acme-eu", "x", "--purpose", "fun", "--actor", "chat")
        _, limit = line.error("list", "acme-eu", "--limit", "0")

        assert "Choose one of: serve, fine_tune" in purpose["advice"]
        assert "greater than or equal to 1" in limit["advice"]

    def test_a_bug_is_one_line_and_its_traceback_is_in_the_log(
        self, line: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The log says where it happened, and shows no value."""

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
        self, line: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It has its own exit code."""
        put = line.put("kept")
        monkeypatch.setattr(terminal, "can_ask", lambda: True)
        given = ["erase", "acme-eu", "--all", "--reason", "contract_end"]

        result = line(*given, stdin="n\n")

        assert result.exit_code == Exit.DECLINED
        assert "all records of acme-eu" in result.stderr
        assert line("get", "acme-eu", put, *READ).stdout == "kept"

    def test_stdin_can_be_taken_once(self) -> None:
        """A second value from stdin is refused."""
        stdin = StdinOption()
        stdin.take()

        with pytest.raises(InvalidRequest):
            stdin.read("-")
        assert stdin.read("value") == "value"
        assert stdin.read(None) is None


def _below(kind: type[DomicileError]) -> Iterator[type[DomicileError]]:
    """Yield all error classes of the library, without those of the command line."""
    for below in kind.__subclasses__():
        if below.__module__.startswith("storage.errors"):
            yield below
            yield from _below(below)
