"""Checkpoints: who has to sign them, and which can follow one another."""

from dataclasses import replace

import pytest

from storage.errors import InvalidRequest, LogInvalid
from storage.tlog.checkpoints import (
    Checkpoint,
    Trust,
    check_succession,
    cosign_checkpoint,
    enough,
    open_checkpoint,
    sign_checkpoint,
    verify_consistency,
)
from storage.tlog.merkle import EMPTY_ROOT, consistency_path
from storage.tlog.notes import Note, parse_note, sign
from storage.tlog.tree import stored_ranges
from storage.tlog.verifiers import COSIGNATURE, ED25519, Verifier
from tests.support.logs import LOG, ORIGIN, WITNESSES, MemoryLog, key, numbered, verifier

ROOT = bytes(range(32))
CHECKPOINT = Checkpoint(ORIGIN, 20852163, ROOT)
SIGNED = sign_checkpoint(CHECKPOINT, key(ORIGIN))
TEXT = CHECKPOINT.text

# c2sp.org/tlog-checkpoint
EXAMPLE = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
"""


def cosigned(*numbers: int) -> bytes:
    """Return the checkpoint with cosignatures of these witnesses, at different times."""
    data = SIGNED
    for n in numbers:
        name = f"witness.example/w{n}"
        data = cosign_checkpoint(data, name, key(name), seconds=1000 + n)
    return data


def test_the_example_of_the_specification_is_read() -> None:
    """And is written as it was."""
    read = Checkpoint.parse(EXAMPLE)

    assert (read.origin, read.size) == ("example.com/behind-the-sofa", 20852163)
    assert read.text == EXAMPLE


HASH = TEXT.split("\n")[2]
BAD = {
    "nothing": "\n",
    "two lines": f"{ORIGIN}\n1\n",
    "an extension line": f"{TEXT}extension\n",
    "an empty line": f"{TEXT}\n",
    "no origin": f"\n1\n{HASH}\n",
    "an origin with a space": f"a log\n1\n{HASH}\n",
    "a leading zero": f"{ORIGIN}\n01\n{HASH}\n",
    "a sign": f"{ORIGIN}\n+1\n{HASH}\n",
    "less than nothing": f"{ORIGIN}\n-1\n{HASH}\n",
    "another alphabet": f"{ORIGIN}\n\u0661\n{HASH}\n",
    "a space": f"{ORIGIN}\n1 \n{HASH}\n",
    "an underscore": f"{ORIGIN}\n1_0\n{HASH}\n",
    "too large": f"{ORIGIN}\n{2**63}\n{HASH}\n",
    "much too large": f"{ORIGIN}\n{'9' * 5000}\n{HASH}\n",
    "no number": f"{ORIGIN}\n\n{HASH}\n",
    "no base64": f"{ORIGIN}\n1\n{HASH[:-1]}!\n",
    "a short hash": f"{ORIGIN}\n1\nAAAA\n",
    "another form of base64": f"{ORIGIN}\n1\n{HASH[:-2]}9=\n",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    """Also if the log itself signed it."""
    signed = Note(text, (sign(text, ORIGIN, key(ORIGIN)),)).encode()

    with pytest.raises(LogInvalid, match="no checkpoint"):
        open_checkpoint(signed, Trust((LOG,)))


@pytest.mark.parametrize("size", [0, 1, 2**63 - 1])
def test_the_smallest_and_the_largest(size: int) -> None:
    """A checkpoint is opened as it was signed."""
    checkpoint = replace(CHECKPOINT, size=size)

    opened = open_checkpoint(sign_checkpoint(checkpoint, key(ORIGIN)), Trust((LOG,)))
    assert opened.checkpoint == checkpoint
    assert opened.cosigned == {}


@pytest.mark.parametrize(
    ("signers", "required"), [((), 0), ((1,), 1), ((1, 3), 2), ((3, 2, 1), 3), ((2,), 0)]
)
def test_enough_witnesses(signers: tuple[int, ...], required: int) -> None:
    """In any order. The time of each is that which it stated."""
    opened = open_checkpoint(cosigned(*signers), Trust((LOG,), WITNESSES, required))

    assert opened.cosigned == {WITNESSES[n - 1]: 1000 + n for n in signers}


@pytest.mark.parametrize(("signers", "required"), [((), 1), ((1,), 2), ((1, 2), 3)])
def test_too_few_witnesses(signers: tuple[int, ...], required: int) -> None:
    """Others that are not relied on do not count."""
    data = cosign_checkpoint(cosigned(*signers), "other.example", key("other"), seconds=1)

    with pytest.raises(LogInvalid, match=f"{required} are required"):
        open_checkpoint(data, Trust((LOG,), WITNESSES, required))


def test_witnesses_alone_are_not_the_log() -> None:
    """All of them cosigned, and the log did not sign."""
    note = parse_note(cosigned(1, 2, 3))
    data = replace(note, signatures=note.signatures[1:]).encode()

    with pytest.raises(LogInvalid, match="only by witnesses"):
        open_checkpoint(data, Trust((LOG,), WITNESSES, 3))


def test_a_log_that_changes_its_key() -> None:
    """One of its keys is enough; all that are known and signed must be right."""
    new = Verifier(ORIGIN, ED25519, key("new").public_key().public_bytes_raw())
    both = Trust((LOG, new))
    signed = sign_checkpoint(CHECKPOINT, key("new"))

    assert open_checkpoint(signed, both) == open_checkpoint(SIGNED, both)
    wrong = sign(TEXT + "x", ORIGIN, key("new"))
    note = parse_note(SIGNED)
    data = replace(note, signatures=(*note.signatures, wrong)).encode()
    with pytest.raises(LogInvalid, match="not what"):
        open_checkpoint(data, both)


def test_a_checkpoint_of_another_log_is_refused() -> None:
    """Though the key of this log signed it under its own name."""
    text = replace(CHECKPOINT, origin="another.example").text
    data = Note(text, (sign(text, ORIGIN, key(ORIGIN)),)).encode()

    with pytest.raises(LogInvalid, match=f"another log, not {ORIGIN}"):
        open_checkpoint(data, Trust((LOG,)))


ALIAS = replace(WITNESSES[0], name="alias.example")


@pytest.mark.parametrize(
    ("log", "witnesses", "required"),
    [
        ((), (), 0),
        ((LOG, verifier("other.example", ED25519)), (), 0),
        ((WITNESSES[0],), (), 0),
        ((LOG,), (verifier("w.example", ED25519),), 0),
        ((LOG,), (WITNESSES[0], WITNESSES[0]), 1),
        ((LOG,), (WITNESSES[0], ALIAS), 1),
        ((LOG,), (Verifier("w.example", COSIGNATURE, LOG.public),), 1),
        ((LOG, LOG), (), 0),
        ((LOG,), WITNESSES, 4),
        ((LOG,), WITNESSES, -1),
    ],
)
def test_what_nobody_should_rely_on(
    log: tuple[Verifier, ...], witnesses: tuple[Verifier, ...], required: int
) -> None:
    """No log, keys of the wrong kind, a key that counts twice, a number that cannot be met."""
    with pytest.raises(InvalidRequest):
        Trust(log, witnesses, required)


def test_a_key_counts_once() -> None:
    """A cosignature does not cover the name of the witness, so it can be sent under another."""
    assert enough(WITNESSES, 3)
    assert not enough([*WITNESSES, ALIAS], 4)
    assert enough([], 0)


def test_a_witness_cosigns_checkpoints_alone() -> None:
    """Not any text that a log may have signed."""
    data = Note("a text\n", (sign("a text\n", ORIGIN, key(ORIGIN)),)).encode()

    with pytest.raises(LogInvalid, match="no checkpoint"):
        cosign_checkpoint(data, "w", key("w"), seconds=1)


OLD, NEW, FORK = (
    MemoryLog().grow(entries)
    for entries in (numbered(0, 300), numbered(0, 400), [*numbered(0, 299), *numbered(500, 600)])
)
PATH = consistency_path(stored_ranges(NEW.read, 400), 300, 400)


def test_a_log_that_grew_is_consistent() -> None:
    """Also with itself, and with the empty log that every log was."""
    empty = Checkpoint(ORIGIN, 0, EMPTY_ROOT)
    verify_consistency(OLD.checkpoint, NEW.checkpoint, PATH)
    verify_consistency(OLD.checkpoint, OLD.checkpoint, [])
    verify_consistency(empty, NEW.checkpoint, [])
    verify_consistency(empty, empty, [])


NOW = NEW.checkpoint
STORIES = {
    "another log": (OLD.checkpoint, replace(NOW, origin="other"), PATH, "another log"),
    "truncated": (NOW, OLD.checkpoint, PATH, "truncated: it has 300 entries, and had 400"),
    "rewritten": (NOW, replace(NOW, root=ROOT), [], "forked: its first 400"),
    "forked": (
        OLD.checkpoint,
        FORK.checkpoint,
        consistency_path(stored_ranges(FORK.read, FORK.edge.size), 300, FORK.edge.size),
        "forked: its first 300",
    ),
    "the path of the old tree": (OLD.checkpoint, FORK.checkpoint, PATH, "forked"),
    "a hash less": (OLD.checkpoint, NOW, PATH[1:], "forked"),
    "a hash more": (OLD.checkpoint, NOW, [*PATH, ROOT], "forked"),
    "no path": (OLD.checkpoint, NOW, [], "forked"),
    "a path from nothing": (Checkpoint(ORIGIN, 0, EMPTY_ROOT), NOW, PATH, "forked"),
    "a path to itself": (NOW, NOW, PATH, "forked"),
    "nothing with a root": (Checkpoint(ORIGIN, 0, ROOT), NOW, [], "no entries, and a root"),
}


@pytest.mark.parametrize(("old", "new", "path", "match"), STORIES.values(), ids=STORIES)
def test_what_is_not_consistent(
    old: Checkpoint, new: Checkpoint, path: list[bytes], match: str
) -> None:
    """And what is wrong with it."""
    with pytest.raises(LogInvalid, match=match):
        verify_consistency(old, new, path)


def test_a_succession_alone_shows_no_fork() -> None:
    """Sizes that grow are possible, and only the tiles tell. One size has one root."""
    check_succession(OLD.checkpoint, FORK.checkpoint)
    with pytest.raises(LogInvalid, match="forked"):
        check_succession(NOW, replace(NOW, root=ROOT))
