"""The command line: tenants, records, files and erasures."""

import base64
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from storage.cli import files
from storage.cli.exit_codes import Exit
from storage.errors import InvalidRequest
from tests.support.cli_harness import READ, CommandLine, ensure_tenant


class TestRecords:
    def test_a_record_is_read_as_it_was_stored(self, line: CommandLine) -> None:
        """Bytes that are not text included."""
        body = bytes(range(256))
        put = line("put", "acme-eu", "--class", "prompt", stdin=body)
        got = line("get", "acme-eu", put.stdout.strip(), *READ)

        assert put.exit_code == got.exit_code == 0
        assert "Stored. It will be deleted by" in put.stderr
        assert got.stdout_bytes == body

    def test_json_has_metadata_and_body(self, line: CommandLine) -> None:
        """One document has the record, its metadata and its body."""
        put = line.put("hello", "--metadata", '{"model": "m-1"}')
        told = line.told("get", "acme-eu", put, *READ)

        assert told["metadata"] == {"model": "m-1"}
        assert base64.b64decode(told["body"]) == b"hello"
        assert told["record"]["id"] == put
        assert told["record"]["size"] == 5
        assert told["record"]["written"].endswith("Z")

    def test_the_same_key_is_the_same_record(self, line: CommandLine) -> None:
        """A script can repeat a put. Other content under its key is a conflict."""
        first, second = line.put("once", "--key", "k-1"), line.put("once", "--key", "k-1")
        given = ["put", "acme-eu", "--class", "prompt", "--key", "k-1"]
        code, error = line.error(*given, stdin="twice")

        assert first == second
        assert (code, error["code"]) == (Exit.INVALID, "IdConflict")

    def test_names_may_come_from_stdin(self, line: CommandLine, tmp_path: Path) -> None:
        """An argument would stay in the shell's history."""
        body = tmp_path / "body"
        body.write_text("about somebody")
        given: list[str | Path] = ["put", "acme-eu", body, "--class", "prompt", "--subject", "-"]
        put = line.told(*given, stdin="user-stdin\n")
        found = line.told("list", "acme-eu", "--subject", "-", stdin="user-stdin\n")
        both, _ = line.error("list", "acme-eu", "--subject", "-", "--group", "-", stdin="x\ny\n")
        nothing, _ = line.error("list", "acme-eu", "--subject", "-", stdin="")

        assert [record["id"] for record in found["records"]] == [put["id"]]
        assert both == nothing == Exit.INVALID

    def test_a_list_is_filtered_and_paged(self, line: CommandLine) -> None:
        """By class and group; a full page names the next."""
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

    def test_what_is_kept_of_a_user_is_exported(self, line: CommandLine, tmp_path: Path) -> None:
        """Into a file for the owner alone, which is not replaced unasked."""
        put = line.put("of the user", "--subject", "exported")
        out = tmp_path / "of-user.zip"
        given = ["export", "acme-eu", "--subject", "-", *READ, "--output", str(out)]
        done = line(*given, stdin="exported\n")
        again, error = line.error(*given, stdin="exported\n")
        tuning = [*given[:-1], str(tmp_path / "x"), "--purpose", "fine_tune"]
        other, _ = line.error(*tuning, stdin="exported\n")

        assert done.exit_code == 0
        assert done.stderr.startswith("Written: ")
        with ZipFile(out) as found:
            (told,) = map(json.loads, found.read("records.jsonl").splitlines())
        assert (told["id"], told["text"]) == (put, "of the user")
        assert stat.S_IMODE(out.stat().st_mode) == 0o600
        assert again == other == Exit.INVALID
        assert "exists" in error["message"]
        assert list(tmp_path.iterdir()) == [out]

    def test_zero_retention_stores_nothing(self, line: CommandLine) -> None:
        """The command succeeds and reports it."""
        ensure_tenant(line, "zero-eu", "eu-central-1", "EU", "--retention", "prompt=0")

        told = line.told("put", "zero-eu", "--class", "prompt", stdin="gone")
        text = line("put", "zero-eu", "--class", "prompt", stdin="gone")

        assert told["stored"] is False
        assert "Nothing was stored" in text.stderr

    def test_explain_gives_reasons(self, line: CommandLine) -> None:
        """Every backend of every region has a reason in words."""
        put = line.put("why")

        text = line("explain", "acme-eu", put).stdout
        told = line.told("explain", "acme-eu", put)

        assert "outside the residency that the tenant asked for" in text
        assert [(v["backend"], v["allowed"]) for v in told["verdicts"]] == [
            ("eu-a", True),
            ("eu-b", True),
            ("us-a", False),
            ("us-b", False),
        ]
        assert {v["located"] for v in told["verdicts"]} == {"local"}
        assert {r["state"] for r in told["replicas"]} == {"stored"}

    @pytest.mark.parametrize(
        ("args", "code", "name"),
        [
            (
                ["get", "nobody", "x", *READ],
                Exit.REFUSED,
                "UnknownTenant",
            ),
            (
                ["get", "acme-eu", "x", *READ],
                Exit.INVALID,
                "MalformedId",
            ),
            (["explain", "acme-eu", "x"], Exit.INVALID, "MalformedId"),
            (["put", "acme-eu", "--class", "prompt", "/nowhere"], Exit.INVALID, "InvalidRequest"),
            (["put", "acme-eu", "--class", "prompt", "/"], Exit.INVALID, "InvalidRequest"),
            (["put", "acme-eu", "--class", "prompt", "--metadata", "[]"], 2, "InvalidRequest"),
            (["put", "acme-eu", "--class", "prompt", "--filename", "x"], 2, "InvalidRequest"),
            (
                ["put", "acme-eu", "--class", "fine_tuning_file", "--group", "g"],
                2,
                "InvalidRequest",
            ),
            (
                ["put", "acme-eu", "--class", "prompt", "--id", "x", "--key", "y"],
                2,
                "InvalidRequest",
            ),
            (["tenant", "list", "--region", "mars-1"], Exit.REFUSED, "WrongRegion"),
            (["receipt", "key", "--region", "mars-1"], Exit.REFUSED, "WrongRegion"),
            (["receipt", "key", "--region", "us-east-1", "--version", "9"], 2, "InvalidRequest"),
            (["erasure", "show", "x"], Exit.INVALID, "InvalidRequest"),
            (["erasure", "list", "--after", "x"], Exit.INVALID, "InvalidRequest"),
            (["worker", "--once", "--dry-run"], Exit.INVALID, "InvalidRequest"),
        ],
    )
    def test_refusals(self, line: CommandLine, args: list[str], code: int, name: str) -> None:
        """Each has its exit code, and the same fields in JSON."""
        ended, error = line.error(*args, stdin="body")

        assert (ended, error["code"]) == (code, name)
        assert set(error) == {
            "code",
            "message",
            "advice",
            "page",
            "reasons",
            "retryable",
            "outcome",
        }
        assert error["outcome"] == "not_stored"
        assert error["retryable"] is False

    def test_a_purpose_without_permission_is_refused(self, line: CommandLine) -> None:
        """JSON has the reason code, a terminal its text on a line of its own."""
        put = line.put("private")

        train = ("get", "acme-eu", put, "--purpose", "train", "--actor", "chat")
        code, error = line.error(*train)
        shown = line(*train).stderr.splitlines()

        assert (code, error["reasons"]) == (Exit.REFUSED, ["purpose_not_allowed"])
        assert shown[0] == f"Error: {error['message']}"
        assert shown[1] == "- records of this class are not opened for that purpose"


class TestFiles:
    def test_a_file_comes_back_whole_and_private(self, line: CommandLine, tmp_path: Path) -> None:
        """Its name is metadata; only the owner can read the new file."""
        source, target = tmp_path / "train.jsonl", tmp_path / "back"
        source.write_bytes(os.urandom(3 * 1024 * 1024 + 7))
        put = line("put", "acme-eu", source, "--class", "fine_tuning_file").stdout.strip()
        get: list[str | Path] = [
            "get",
            "acme-eu",
            put,
            "--purpose",
            "serve",
            "--actor",
            "chat",
            "--output",
            target,
        ]

        told = line.told(*get)

        assert target.read_bytes() == source.read_bytes()
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        assert told["metadata"] == {"filename": "train.jsonl"}
        assert told["body"] is None

    def test_nothing_is_overwritten_unless_forced(self, line: CommandLine, tmp_path: Path) -> None:
        """A failed read leaves the existing file."""
        put, target = line.put("new"), tmp_path / "target"
        target.write_text("old")
        get: list[str | Path] = [
            "get",
            "acme-eu",
            put,
            "--purpose",
            "serve",
            "--actor",
            "chat",
            "--output",
            target,
        ]

        code, _ = line.error(*get)
        refused = line(
            "get", "acme-eu", put, "--purpose", "legal", "--actor", "chat", "-o", target, "--force"
        )
        kept = target.read_text()
        forced = line(*get, "--force")

        assert (code, refused.exit_code) == (Exit.INVALID, Exit.REFUSED)
        assert kept == "old"
        assert forced.exit_code == 0
        assert target.read_text() == "new"
        assert os.listdir(tmp_path) == ["target"]  # noqa: PTH208

    def test_half_a_file_is_never_left(self, tmp_path: Path) -> None:
        """Not under another name either."""

        def broken() -> Iterator[bytes]:
            yield b"half"
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            files.write_new(tmp_path / "target", broken(), force=False)

        assert not list(tmp_path.iterdir())

    def test_a_file_created_meanwhile_stays(self, tmp_path: Path) -> None:
        """Another process may create it between the check and the write."""
        target = tmp_path / "target"
        files.check_new(target, force=False)

        def slow() -> Iterator[bytes]:
            target.write_text("theirs")
            yield b"ours"

        with pytest.raises(InvalidRequest):
            files.write_new(target, slow(), force=False)

        assert target.read_text() == "theirs"


class TestErasing:
    def test_a_dry_run_changes_nothing(self, line: CommandLine) -> None:
        """It shows the scope, the readable records and the cascades."""
        put = line.put("kept", "--subject", "dry")
        given = ["erase", "acme-eu", "--subject", "dry", "--reason", "subject_request"]

        told = line.told(*given, "--dry-run")
        text = line(*given, "--dry-run").stdout

        assert told["records"] == {"at_least": 1, "exact": True}
        assert told["scope"] == "subject"
        assert {"parent": "prompt", "child": "completion"} in told["cascades"]
        assert "Nothing was changed" in text
        assert line("get", "acme-eu", put, *READ).stdout == "kept"

    def test_an_erasure_asks_for_confirmation(self, line: CommandLine) -> None:
        """Without a terminal it needs --yes."""
        code, error = line.error("erase", "acme-eu", "--all", "--reason", "contract_end")

        assert code == Exit.INVALID
        assert "--yes" in error["advice"]

    def test_an_erased_subject_is_gone_and_a_receipt_proves_it(
        self, line: CommandLine, tmp_path: Path
    ) -> None:
        """From the erasure by a worker to a receipt that is verified offline."""
        put = line.put("mine", "--subject", "gone")
        given = ["erase", "acme-eu", "--subject", "-", "--reason", "subject_request", "--yes"]
        erasure = line(*given, stdin="gone\n").stdout.strip()
        early, _ = line.error("erasure", "show", erasure, "--receipt")
        code, error = line.error("get", "acme-eu", put, *READ)
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
        assert (shown["state"], shown["deleted"], shown["outstanding"]) == ("complete", 1, [])
        assert [e["id"] for e in listed] == [erasure]
        assert verified["valid"]
        assert verified["receipt"]["erasure"] == erasure
        assert "The receipt is genuine." in text
        assert "lindenhost" in text

    def test_a_receipt_that_was_changed_is_not_genuine(
        self, line: CommandLine, tmp_path: Path
    ) -> None:
        """Garbage and a missing key file are refused too; what is no receipt is called that."""
        key = tmp_path / "key.pem"
        key.write_text(line("receipt", "key", "--region", "eu-central-1").stdout)

        for text in ("", "x.y.z", "e30.e30.AAAA", "\x00", "ä"):
            code, error = line.error("receipt", "verify", "-", "--key", key, stdin=text)
            assert (code, error["code"]) == (Exit.DAMAGED, "ReceiptInvalid")
            assert "not a receipt" in error["message"] or text == "ä"
        code, error = line.error("receipt", "verify", "-", "--key", tmp_path / "none", stdin="")

        assert (code, error["code"]) == (Exit.INVALID, "InvalidRequest")

    def test_a_record_and_a_tenant(self, line: CommandLine) -> None:
        """The other scopes; the preview of a record does not count derived records."""
        ensure_tenant(line, "short-eu", "eu-central-1", "EU")
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

    def test_an_account(self, line: CommandLine) -> None:
        """All tenants of it in the regions of this process."""
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
            [],
            ["acme-eu"],
            ["acme-eu", "--all", "--subject", "x"],
            ["--all"],
            ["acme-eu", "--account", "a"],
            ["--subject", "x"],
        ],
    )
    def test_one_scope_of_one_tenant(self, line: CommandLine, given: list[str]) -> None:
        """Any other combination is refused before the store is opened."""
        code, _ = line.error("erase", *given, "--reason", "contract_end", "--yes")

        assert code == Exit.INVALID
