"""Who has all bytes of a log and its key cannot change what somebody else has seen.

And can change what nobody else has seen: that is why there are witnesses.
"""

from pathlib import Path

import pytest

from storage.cli.log_folder import LogFolder
from storage.errors import LogInvalid
from storage.tlog.checkpoints import Checkpoint, Trust, cosign_checkpoint, sign_checkpoint
from storage.tlog.commitments import commit
from storage.tlog.merkle import consistency_path
from storage.tlog.notes import parse_note
from storage.tlog.tree import stored_ranges
from storage.tlog.verification import verify_log
from storage.tlog.witnessing import encode_request
from tests.support import foreign_log
from tests.support.foreign_log import Wrong
from tests.support.logs import LOG, ORIGIN, WITNESS, WITNESSES, MemoryLog, key
from tests.support.tampering import SEEN, UNSEEN, History, checkpoint_of, entries_of, rewrite
from tests.support.witnesses.server import Witness

TOTAL = 520
LINES = [commit(n.to_bytes(32), f'{{"kind":"opening","n":{n}}}') for n in range(TOTAL)]
SIZES = [2, 255, 256, 300, 512]


def exported(folder: Path, size: int = TOTAL) -> Checkpoint:
    """Export a log with so many lines; return its checkpoint."""
    log = MemoryLog().grow(LINES[:size])
    log.export(folder)
    return log.checkpoint


def ours(folder: Path, old: Checkpoint | None, trust: Trust | None = None) -> str:
    """Return what is wrong with a log, by our verifier."""
    try:
        verify_log(LogFolder(folder).read, trust or Trust((LOG,)), old=old)
    except LogInvalid as error:
        return error.message
    return ""


def foreign(folder: Path, old: Checkpoint | None) -> str:
    """Return what is wrong with a log, by a verifier that shares no code with ours."""
    try:
        before = None if old is None else (old.origin, old.size, old.root)
        foreign_log.verify(folder, [str(LOG)], before)
    except Wrong as error:
        return str(error)
    return ""


@pytest.mark.parametrize("seen", SIZES)
@pytest.mark.parametrize("history", SEEN.values(), ids=SEEN)
def test_what_was_seen_cannot_be_changed(tmp_path: Path, history: History, seen: int) -> None:
    """Each in order by itself, and refused by whoever has an old checkpoint: by both verifiers."""
    old = MemoryLog().grow(LINES[:seen]).checkpoint
    exported(tmp_path)
    assert (ours(tmp_path, old), foreign(tmp_path, old)) == ("", "")

    rewrite(tmp_path, history(entries_of(tmp_path), seen), key(ORIGIN))

    assert (ours(tmp_path, None), foreign(tmp_path, None)) == ("", "")
    assert "forked" in ours(tmp_path, old) or "truncated" in ours(tmp_path, old)
    assert foreign(tmp_path, old) == "not the same log"


@pytest.mark.parametrize("history", UNSEEN.values(), ids=UNSEEN)
def test_what_nobody_has_seen_can_be_changed(tmp_path: Path, history: History) -> None:
    """No checkpoint of before shows it. One of after does: so it matters who has seen what."""
    seen = 300
    old, new = MemoryLog().grow(LINES[:seen]).checkpoint, exported(tmp_path)
    rewrite(tmp_path, history(entries_of(tmp_path), seen), key(ORIGIN))

    assert checkpoint_of(tmp_path) != new
    assert (ours(tmp_path, old), foreign(tmp_path, old)) == ("", "")
    assert ours(tmp_path, new)
    assert foreign(tmp_path, new)


@pytest.mark.parametrize("history", SEEN.values(), ids=SEEN)
def test_a_witness_does_not_cosign_what_it_has_seen_otherwise(
    tmp_path: Path, history: History
) -> None:
    """Whatever proof it is given. So also who never saw the log before does not take it."""
    seen, witness = 300, Witness(WITNESS, lambda: 1.0, {ORIGIN: str(LOG)}, key(WITNESS))
    exported(tmp_path, seen)
    note = (tmp_path / "checkpoint").read_bytes()
    assert witness.answer(encode_request(0, [], note.decode()))[0] == 200
    exported(tmp_path)
    rewrite(tmp_path, history(entries_of(tmp_path), seen), key(ORIGIN))
    new, note = checkpoint_of(tmp_path), (tmp_path / "checkpoint").read_bytes()
    ranges = stored_ranges(LogFolder(tmp_path).read, new.size)
    for old in {min(seen, new.size), 0}:
        path = consistency_path(ranges, old, new.size)
        assert witness.answer(encode_request(old, path, note.decode()))[0] in {409, 422}

    assert "cosigned by 0" in ours(tmp_path, None, Trust((LOG,), WITNESSES[:1], 1))


def test_a_cosignature_does_not_move_to_another_checkpoint(tmp_path: Path) -> None:
    """It was made for the one that the witness saw."""
    exported(tmp_path)
    before = parse_note((tmp_path / "checkpoint").read_bytes())
    rewrite(tmp_path, [*LINES[:-1], b"x"], key(ORIGIN))
    after = parse_note((tmp_path / "checkpoint").read_bytes())
    mixed = "\n".join([after.text, *map(str, after.signatures), str(before.signatures[1]), ""])
    (tmp_path / "checkpoint").write_text(mixed)

    assert "not what" in ours(tmp_path, None, Trust((LOG,), WITNESSES[:1], 1))
    assert foreign_log_refuses(tmp_path)


def foreign_log_refuses(folder: Path) -> bool:
    """Return whether the second verifier refuses a log with this witness."""
    try:
        foreign_log.verify(folder, [str(LOG), str(WITNESSES[0])])
    except Wrong:
        return True
    return False


def test_a_log_has_two_faces_until_somebody_compares(tmp_path: Path) -> None:
    """A split view: each of two people verifies theirs, from an old checkpoint that both have.

    Either checkpoint shows it to the other.
    """
    old = MemoryLog().grow(LINES[:300]).checkpoint
    for name, last in (("a", b"shown to a"), ("b", b"shown to b")):
        MemoryLog().grow([*LINES[:400], last]).export(tmp_path / name)
    one, two = tmp_path / "a", tmp_path / "b"

    assert (ours(one, old), ours(two, old), foreign(one, old), foreign(two, old)) == ("",) * 4
    for mine, other in ((one, two), (two, one)):
        assert "forked" in ours(mine, checkpoint_of(other))
        assert foreign(mine, checkpoint_of(other)) == "not the same log"


def test_a_stolen_witness_shows_itself(tmp_path: Path) -> None:
    """Who has the key of the witness too writes what they like: for who saw neither, all is well.

    The old checkpoint still convicts them, with both signatures.
    """
    old = exported(tmp_path)
    rewrite(tmp_path, SEEN["edit the first"](LINES, TOTAL), key(ORIGIN))
    signed = sign_checkpoint(checkpoint_of(tmp_path), key(ORIGIN))
    (tmp_path / "checkpoint").write_bytes(
        cosign_checkpoint(signed, WITNESS, key(WITNESS), seconds=2)
    )
    trust = Trust((LOG,), WITNESSES[:1], 1)

    assert ours(tmp_path, None, trust) == ""
    assert "forked" in ours(tmp_path, old, trust)
