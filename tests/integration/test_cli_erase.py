"""``domicile erase`` says how many records it covers, so that a misspelled name is noticed."""

import os
import re
from shutil import copy

import pytest

from storage.cli import terminal
from storage.cli.exit_codes import Exit
from tests.support.cli_harness import READ, CommandLine

_YES = ["--reason", "subject_request", "--yes"]


def test_a_misspelled_subject_is_noticed(line: CommandLine) -> None:
    """The result warns that nothing readable was covered, as text and as JSON."""
    put = line.put("kept", "--subject", "user-7")

    text = line("erase", "acme-eu", "--subject", "user-77", *_YES)
    told = line.told("erase", "acme-eu", "--subject", "user-77", *_YES)

    assert text.exit_code == 0
    assert "Readable before: 0 records." in text.stderr
    assert "Check the name" in text.stderr
    assert told["readable_before"] == {"at_least": 0, "exact": True}
    assert line("get", "acme-eu", put, *READ).stdout == "kept"


def test_the_prompt_and_the_result_count_what_is_covered(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person sees the number before the confirmation."""
    for body in ("one", "two"):
        line.put(body, "--subject", "user-8")
    monkeypatch.setattr(terminal, "can_ask", lambda: True)
    given = ["erase", "acme-eu", "--subject", "user-8", "--reason", "subject_request"]

    declined = line(*given, stdin="n\n")
    misspelled = line(*given[:3], "user-88", *given[4:], stdin="n\n")
    done = line(*given, stdin="y\n")

    assert declined.exit_code == Exit.DECLINED
    assert "Readable now: 2 records." in " ".join(declined.stderr.split())
    assert "Check the name" in misspelled.stderr
    assert "Readable before: 2 records." in done.stderr
    assert "Check the name" not in done.stderr


def test_a_record_and_an_account_are_counted_too(line: CommandLine) -> None:
    """A record that is erased already is none, and can be erased again."""
    put = line.put("mine", "--subject", "user-9")
    first = line.told("erase", "acme-eu", "--record", put, *_YES)
    again = line.told("erase", "acme-eu", "--record", put, *_YES)
    account = line.told("erase", "--account", "acme", *_YES)

    assert first["readable_before"] == {"at_least": 1, "exact": False}
    assert again["readable_before"] == {"at_least": 0, "exact": True}
    assert account["readable_before"]["exact"] is True
    assert len(account["erasures"]) == 1


def test_a_copy_that_keeps_a_receipt_open_is_shown(line: CommandLine) -> None:
    """With the number of keys, their backend, and the command that names them."""
    line.put("mine", "--subject", "user-11")
    pack = max((line.home / "backends" / "eu-a" / "pack").rglob("*-*/*-*"), key=os.path.getmtime)
    for name in ("f" * 65, "Copy of a pack"):
        copy(pack, pack.with_name(name))
    told = line.told("erase", "acme-eu", "--subject", "user-11", *_YES)
    line("worker", "--once")

    shown = line("erasure", "show", told["erasure"]["id"])
    assert "OrphansLeft" in shown.stdout
    assert "eu-a has 2 keys of the same day" in " ".join(shown.stderr.split())
    assert "the catalog does not know 2 keys on eu-a" in " ".join(line("status").stdout.split())
    scrub = line("scrub", "--backend", "eu-a")
    assert scrub.exit_code == Exit.UNREPAIRED
    assert "f" * 65 in scrub.stdout

    for name in ("f" * 65, "Copy of a pack"):
        pack.with_name(name).unlink()


def test_a_worker_says_what_is_left_for_later(line: CommandLine) -> None:
    """That nothing is due now does not mean that all is done."""
    backend = line.home / "backends" / "eu-a"
    line.put("mine", "--subject", "user-10")
    assert line("erase", "acme-eu", "--subject", "user-10", *_YES).exit_code == 0
    away = backend.with_name("away")
    backend.rename(away)
    first = line("worker", "--once")
    line("worker", "--once")  # tries to replicate what the log sealed in the first round
    again = line("worker", "--once")
    away.rename(backend)

    assert "Done, in batches: " in first.stdout
    assert "Nothing was due now." in again.stdout
    assert re.search(r"eu-central-1: \d+ replicas? to purge later, from ", again.stderr)
