"""``domicile log verify``: what a stranger learns from an export, a proof and verifier keys."""

import base64
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from storage.cli.exit_codes import Exit
from storage.tlog.commitments import Opening
from storage.tlog.proofs import prove
from storage.tlog.tiles import Tile, may_go
from tests.support import foreign_proof
from tests.support.cli_harness import ROOT, CommandLine
from tests.support.foreign_log import Wrong
from tests.support.logs import LOG, ORIGIN, WITNESSES, MemoryLog, key
from tests.support.tampering import SEEN, rewrite

KEY = ("--key", str(LOG))
WITNESS = ("--witness", str(WITNESSES[0]))
TEXTS = [f'{{"kind":"opening","n":{n}}}' for n in range(300)]
OPENINGS = [Opening(n.to_bytes(32), text) for n, text in enumerate(TEXTS)]
ENTRIES = [opening.entry for opening in OPENINGS]


@dataclass(frozen=True)
class Stranger:
    """Somebody with files and a command line, and no Domicile of their own."""

    line: CommandLine
    folder: Path

    def export(self, size: int = 300) -> Path:
        """Get an export, and the checkpoint of when the log had so many lines."""
        MemoryLog().grow(ENTRIES[:size]).export(self.folder / "old")
        MemoryLog().grow(ENTRIES[:size]).grow(ENTRIES[size:]).export(self.folder / "log")
        return self.folder / "log"

    def old(self) -> tuple[str, str]:
        """Return the option with the old checkpoint."""
        return "--from", str(self.folder / "old" / "checkpoint")

    def proof(self, index: int, change: Callable[[bytes], bytes] = lambda data: data) -> Path:
        """Get the proof of a line, with its text."""
        log = MemoryLog().grow(ENTRIES)
        made = replace(
            prove(log.read, log.files["checkpoint"], index), extra=OPENINGS[index].encode()
        )
        file = self.folder / "line.tlog-proof"
        file.write_bytes(change(made.encode()))
        return file

    def told(self, path: Path, *more: str) -> Any:  # noqa: ANN401
        """Return what the command says of it."""
        return self.line.told("log", "verify", path, *KEY, *more)

    def refused(self, path: Path, *more: str) -> str:
        """Return why it is not genuine."""
        code, error = self.line.error("log", "verify", str(path), *KEY, *more)
        assert (code, error["code"]) == (Exit.DAMAGED, "LogInvalid"), error
        return str(error["message"])


@pytest.fixture
def stranger(tmp_path: Path) -> Stranger:
    """One with an empty home."""
    return Stranger(CommandLine(tmp_path / "home"), tmp_path)


def test_a_log_is_verified_with_its_files_and_keys_alone(stranger: Stranger) -> None:
    """Without a database, settings or a network; and it says what it states."""
    folder = stranger.export(200)
    told = stranger.told(folder, *WITNESS, *stranger.old())

    assert told["valid"]
    assert (told["log"], told["size"], told["first"], told["continues"]) == (ORIGIN, 300, 0, 200)
    assert told["cosigned"] == [{"witness": WITNESSES[0].name, "at": "1970-01-01T00:00:01Z"}]
    assert told["unchecked"] == {}
    assert not stranger.line.home.exists()


def test_it_says_what_it_could_not_check(stranger: Stranger) -> None:
    """Each by its code, and in words."""
    folder = stranger.export()
    (folder / "README").write_text("made by hand")
    shown = stranger.line("log", "verify", folder, *KEY).output

    assert set(stranger.told(folder)["unchecked"]) == {"witnesses", "past", "files"}
    for words in ("others see the same log", "--from next time", "1 file here"):
        assert words in " ".join(shown.split())


@pytest.mark.parametrize("path", ["tile/0/000.p/200", "tile/entries/000.p/200"])
def test_a_leftover_of_another_history_is_found(stranger: Stranger, path: str) -> None:
    """A tile from before the log grew, which nobody needs any more, convicts who wrote it anew."""
    folder = stranger.export(200)
    assert stranger.told(folder)["valid"]
    MemoryLog().grow([ENTRIES[1], ENTRIES[0], *ENTRIES[2:200]]).export(stranger.folder / "other")
    (folder / path).write_bytes((stranger.folder / "other" / path).read_bytes())

    assert path in stranger.refused(folder)


def test_a_pruned_log_is_verified_from_its_first_line(stranger: Stranger) -> None:
    """What is gone is said, and an old checkpoint of before that cannot be compared."""
    folder = stranger.export(200)
    for path in [f for f in folder.rglob("*") if f.is_file() and f.name != "checkpoint"]:
        if may_go(Tile.parse(path.relative_to(folder).as_posix()), 300, 256):
            path.unlink()
    told = stranger.told(folder)

    assert told["first"] == 256
    assert "Lines 0 to 255" in told["unchecked"]["first"]
    assert "no longer has what would show" in stranger.refused(folder, *stranger.old())


@pytest.mark.parametrize("history", SEEN.values(), ids=SEEN)
def test_a_changed_past_ends_with_8(stranger: Stranger, history: Any) -> None:  # noqa: ANN401
    """From the old checkpoint; who has none sees nothing."""
    folder = stranger.export(200)
    rewrite(folder, history(ENTRIES, 200), key(ORIGIN))

    assert stranger.told(folder)["valid"]
    assert any(word in stranger.refused(folder, *stranger.old()) for word in ("forked", "trunc"))


def test_an_old_checkpoint_that_the_log_did_not_sign_accuses_nobody(stranger: Stranger) -> None:
    """It is refused as such."""
    folder = stranger.export(200)
    old = stranger.folder / "old" / "checkpoint"
    old.write_text(old.read_text().replace("\n200\n", "\n199\n"))

    assert stranger.refused(folder, *stranger.old()).startswith("The checkpoint of before: ")


def test_a_witness_that_is_relied_on_must_have_cosigned(stranger: Stranger) -> None:
    """Each of them."""
    folder = stranger.export()

    assert "cosigned by 1" in stranger.refused(folder, *WITNESS, "--witness", str(WITNESSES[1]))


def test_a_log_that_has_nothing(stranger: Stranger) -> None:
    """It has a checkpoint, and that is all."""
    MemoryLog().grow([]).export(stranger.folder / "log")
    shown = stranger.line("log", "verify", stranger.folder / "log", *KEY).output

    assert "none" in shown
    assert stranger.told(stranger.folder / "log")["size"] == 0


def test_a_folder_with_the_logs_of_regions_is_named(stranger: Stranger) -> None:
    """What was exported whole accuses nobody: which log is meant must be said."""
    stranger.export()
    code, error = stranger.line.error("log", "verify", str(stranger.folder), *KEY)
    assert (code, error["code"]) == (Exit.INVALID, "InvalidRequest")
    assert "log, old" in error["message"]


def test_a_folder_that_is_no_log(stranger: Stranger) -> None:
    """Or whose files are none: nothing is waited for, and nothing large is read."""
    assert "no checkpoint" in stranger.refused(stranger.folder)
    folder = stranger.export()
    (folder / "checkpoint").unlink()
    os.mkfifo(folder / "checkpoint")
    assert "not a file" in stranger.refused(folder)
    (folder / "checkpoint").unlink()
    (folder / "checkpoint").symlink_to("/dev/zero")
    assert "not a file" in stranger.refused(folder)
    (folder / "checkpoint").unlink()
    (folder / "checkpoint").mkdir()
    assert "not a file" in stranger.refused(folder)


def test_a_key_that_is_none(stranger: Stranger) -> None:
    """It is said what a key looks like."""
    code, error = stranger.line.error("log", "verify", str(stranger.export()), "--key", "x")
    assert (code, error["code"]) == (Exit.INVALID, "InvalidRequest")
    assert "NAME+ID+KEY" in error["message"]


def test_a_line_is_verified_with_its_text(stranger: Stranger) -> None:
    """The file has all but the keys. A verifier without our code says the same."""
    told = stranger.told(stranger.proof(7), *WITNESS)
    shown = stranger.line("log", "verify", stranger.proof(7), *KEY, *WITNESS).output

    assert (told["line"], told["text"], told["size"]) == (7, TEXTS[7], 300)
    assert told["unchecked"] == {}
    assert TEXTS[7] in shown
    for index in (0, 7, 255, 256, 299):
        keys = [str(LOG), str(WITNESSES[0])]
        assert foreign_proof.verify(stranger.proof(index), keys) == (index, TEXTS[index])


def _another_text(data: bytes) -> bytes:
    """Open a line otherwise."""
    return data.replace(data.split(b"\n")[1], b"extra " + _extra(OPENINGS[8]))


def _extra(opening: Opening) -> bytes:
    return base64.b64encode(opening.encode())


FORGED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "another text": (_another_text, "not entry 7 of"),
    "another place": (lambda data: data.replace(b"index 7\n", b"index 6\n"), "not entry 6 of"),
    "another tree": (lambda data: data.replace(b"\n300\n", b"\n301\n"), "not what"),
    "no text": (lambda data: b"\n".join(data.split(b"\n")[:1] + data.split(b"\n")[2:]), "neither"),
    "half a text": (
        lambda data: data.replace(data.split(b"\n")[1], b"extra AQAA"),
        "does not open a line",
    ),
    "no proof": (lambda _: b"index 7\n", "no proof"),
}


@pytest.mark.parametrize(("change", "match"), FORGED.values(), ids=FORGED)
def test_a_forged_line_ends_with_8(
    stranger: Stranger, change: Callable[[bytes], bytes], match: str
) -> None:
    """With the reason. Both verifiers refuse it."""
    assert match in stranger.refused(stranger.proof(7, change))
    with pytest.raises((Wrong, ValueError)):
        foreign_proof.verify(stranger.folder / "line.tlog-proof", [str(LOG)])


def test_a_line_is_opened_by_hand_as_the_page_says(stranger: Stranger) -> None:
    """With what every Unix has."""
    page = (ROOT / "docs/howto/verify-the-log.md").read_text()
    (block,) = (each for each in page.split("```") if "> opening" in each)
    stranger.proof(7)
    shown = subprocess.run(
        ["/bin/sh", "-e", "-c", block.removeprefix("sh\n")],
        cwd=stranger.folder,
        capture_output=True,
        check=True,
    ).stdout.decode()

    assert shown == f"{TEXTS[7]}{ENTRIES[7][1:].hex()}  -\n"


def test_a_text_does_nothing_to_a_terminal(stranger: Stranger) -> None:
    """Whoever runs the log wrote it."""
    text = "\x1b[2J\u202e\u00e9"
    opening = Opening(bytes(32), text)
    log = MemoryLog().grow([opening.entry])
    made = replace(prove(log.read, log.files["checkpoint"], 0), extra=opening.encode())
    (stranger.folder / "p").write_bytes(made.encode())
    shown = stranger.line("log", "verify", stranger.folder / "p", *KEY).output

    assert "\\x1b[2J\\u202e\u00e9" in shown
    assert stranger.told(stranger.folder / "p")["text"] == text


@pytest.mark.parametrize(
    "arguments",
    [
        ("line.tlog-proof", "--key", "x"),
        ("line.tlog-proof", *KEY, "--key", str(WITNESSES[0])),
        ("line.tlog-proof", *KEY, "--witness", str(LOG)),
        ("line.tlog-proof", *KEY, *WITNESS, *WITNESS),
        ("line.tlog-proof", *KEY, "--from", "line.tlog-proof"),
        ("nothing", *KEY),
        ("x" * 5000, *KEY),
        ("\0", *KEY),
        ("line.tlog-proof",),
    ],
)
def test_what_cannot_be_asked(stranger: Stranger, arguments: tuple[str, ...]) -> None:
    """A key that is none, or of the wrong kind, or twice; a file that is not there."""
    file, *rest = arguments
    stranger.proof(7)
    code, _ = stranger.line.error("log", "verify", str(stranger.folder / file), *rest)

    assert code == Exit.INVALID


def test_links_in_a_circle_are_named(stranger: Stranger) -> None:
    """The error says what to do about the files: the request is well."""
    folder = stranger.export()
    file = folder / "tile" / "0" / "000"
    file.unlink()
    file.symlink_to(file)

    code, error = stranger.line.error("log", "verify", str(folder), *KEY)
    assert (code, error["code"]) == (Exit.INVALID, "InvalidRequest")
    assert "tile/0/000 of the log cannot be read" in error["message"]
    assert "Check its rights and its links" in error["advice"]


def test_an_old_checkpoint_that_is_not_there_is_named(stranger: Stranger) -> None:
    """Of two files the error says which."""
    missing = str(stranger.folder / "missing")
    code, error = stranger.line.error("log", "verify", stranger.export(), *KEY, "--from", missing)

    assert (code, error["code"]) == (Exit.INVALID, "InvalidRequest")
    assert "The checkpoint of before (--from): The file cannot be read" in error["message"]
    assert "--from" in error["advice"]
