"""The way to a witness, against a real server: what is sent, what is believed, what is refused."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from regions.witnesses import WitnessSpec
from storage.errors import (
    CosignatureInvalid,
    WitnessAhead,
    WitnessBehind,
    WitnessError,
    WitnessRefused,
    WitnessUnavailable,
)
from storage.testing import FakeClock
from storage.tlog.checkpoints import Checkpoint, Trust, open_checkpoint, sign_checkpoint
from storage.tlog.merkle import consistency_path
from storage.tlog.tree import stored_ranges
from storage.tlog.verifiers import Verifier
from storage.tlog.witnessing import add_cosignature, read_size
from storage.witnesses.http import HttpWitness
from tests.support.logs import LOG, ORIGIN, MemoryLog, key, numbered
from tests.support.witnesses.server import Answer, Witness, serving


@dataclass
class Line:
    """A witness, the way to it, and a log."""

    witness: Witness
    port: HttpWitness
    log: MemoryLog = field(default_factory=MemoryLog)

    def note(self, size: int) -> str:
        """Return a checkpoint of the log with so many entries, signed by the log alone."""
        self.log.grow(numbered(self.log.edge.size, size))
        return sign_checkpoint(self.log.checkpoint, key(ORIGIN)).decode()

    def path(self, old: int) -> list[bytes]:
        """Return the consistency path from a size to now."""
        now = self.log.edge.size
        return consistency_path(stored_ranges(self.log.read, now), old, now)


@pytest.fixture
def line() -> Iterator[Line]:
    """One that works."""
    clock = FakeClock()
    made = Witness("witness.example/w1", lambda: clock.now().timestamp(), {ORIGIN: str(LOG)})
    with serving(made) as witness:
        yield Line(witness, connect(witness, clock))


def connect(witness: Witness, clock: FakeClock, timeout: float = 10) -> HttpWitness:
    """A way to it."""
    spec = WitnessSpec(name="north", key=witness.vkey, url=witness.url)
    return HttpWitness(spec, clock=clock, timeout=timeout)


def test_a_witness_cosigns_a_log_that_grows(line: Line) -> None:
    """Each checkpoint from the one before; with its line the note is cosigned."""
    trust = Trust((LOG,), (Verifier.parse(line.witness.vkey),), 1)
    old = 0
    for size in (1, 2, 7, 256, 300, 300):
        note = line.note(size)
        cosigned = add_cosignature(note, line.port.cosign(old, line.path(old), note))
        opened = open_checkpoint(cosigned.encode(), trust)
        assert opened.checkpoint == line.log.checkpoint
        assert cosigned.startswith(note)
        old = size

    assert line.witness.seen[ORIGIN] == (300, line.log.edge.root)


def test_a_witness_learns_nothing_but_hashes(line: Line) -> None:
    """The request is the old size, the path and the note, and nothing else."""
    line.port.cosign(0, [], line.note(5))
    note = line.note(8)
    line.port.cosign(5, line.path(5), note)
    head, _, sent = line.witness.requests[1].decode().partition("\n\n")

    assert sent == note
    assert head.split("\n")[0] == "old 5"
    assert all(len(each) == 44 for each in head.split("\n")[1:])


@pytest.mark.parametrize("sent", [0, 3, 7])
def test_a_witness_says_from_where_it_wants_the_proof(line: Line, sent: int) -> None:
    """Whether it has seen more or less than was thought; then it cosigns."""
    line.port.cosign(0, [], line.note(5))
    note = line.note(9)
    with pytest.raises(WitnessBehind) as caught:
        line.port.cosign(sent, line.path(sent), note)

    assert caught.value.size == 5
    assert line.port.cosign(5, line.path(5), note)


def test_a_log_that_lost_entries_is_not_cosigned(line: Line) -> None:
    """The witness has seen more. Whether the log has as many is for the caller to know."""
    line.port.cosign(0, [], line.note(9))
    line.log = MemoryLog()

    with pytest.raises(WitnessAhead, match="cosigned 9 entries") as caught:
        line.port.cosign(0, [], line.note(8))
    assert caught.value.size == 9


def test_a_fork_is_not_cosigned(line: Line) -> None:
    """Nor another root of the same size."""
    line.port.cosign(0, [], line.note(5))
    line.log = MemoryLog().grow([b"x", *numbered(1, 5)])
    same = sign_checkpoint(line.log.checkpoint, key(ORIGIN)).decode()
    for note in (same, line.note(8)):
        with pytest.raises(WitnessRefused, match="422"):
            line.port.cosign(5, line.path(5), note)
    assert line.witness.seen[ORIGIN][0] == 5


def test_a_witness_does_not_know_every_log(line: Line) -> None:
    """Nor every key of a log."""
    other = MemoryLog("other.example").grow(numbered(0, 5))
    note = sign_checkpoint(other.checkpoint, key("other.example")).decode()
    with pytest.raises(WitnessRefused, match="404"):
        line.port.cosign(0, [], note)
    stolen = Checkpoint(ORIGIN, 5, other.edge.root)
    with pytest.raises(WitnessRefused, match="403"):
        line.port.cosign(0, [], sign_checkpoint(stolen, key("thief")).decode())


def text_of(note: str) -> str:
    """Return the text of a note."""
    return note.partition("\n\n")[0] + "\n"


def cosigned(change: Callable[[Witness, str], str]) -> Callable[[Witness, Answer, str], Answer]:
    """Return a lie with status 200."""
    return lambda witness, _, note: (200, change(witness, text_of(note)).encode())


AHEAD = 5 * 60 + 10
LIES: dict[str, tuple[Callable[[Witness, Answer, str], Answer], str]] = {
    "another root": (cosigned(lambda w, t: w.line(t.replace("\n5\n", "\n6\n"))), "not what"),
    "another log": (cosigned(lambda w, t: w.line("x" + t)), "not what"),
    "more text, signed": (
        cosigned(lambda w, t: "x\n\n" + w.line(f"{t}\nx\n")),
        "more than signatures",
    ),
    "another witness": (
        cosigned(lambda w, t: Witness("witness.example/w1", w.clock, {}).line(t)),
        "Nobody signed",
    ),
    "a changed signature": (lambda _, a, __: (200, _flip(a[1])), "not what"),
    "a time to come": (cosigned(lambda w, t: w.line(t, int(w.clock()) + AHEAD)), "ahead"),
    "a time far away": (cosigned(lambda w, t: w.line(t, 2**63 - 1)), "ahead"),
    "no time": (cosigned(lambda w, t: w.line(t, 0)), "when it was made"),
    "the note as it was": (lambda _, __, note: (200, note.split("\n\n")[1].encode()), "Nobody"),
    "twice": (lambda _, a, __: (200, a[1] + a[1]), "twice"),
    "nothing": (lambda *_: (200, b""), "no signed note"),
    "garbage": (lambda *_: (200, b"\xff\x00<html>"), "no signed note"),
    "without an end": (lambda _, a, __: (200, a[1][:-1]), "no signed note"),
    "too much": (lambda _, a, __: (200, a[1] * 200), "too large"),
}


def _flip(answer: bytes) -> bytes:
    """Change one byte of a signature."""
    at = len(answer) - 20
    return answer[:at] + (b"A" if answer[at : at + 1] != b"A" else b"B") + answer[at + 1 :]


@pytest.mark.parametrize(("lie", "match"), LIES.values(), ids=LIES)
def test_a_lie_is_not_believed(
    line: Line, lie: Callable[[Witness, Answer, str], Answer], match: str
) -> None:
    """Each is told with its reason, and the checkpoint counts as not cosigned."""
    line.witness.lie = lie

    with pytest.raises(CosignatureInvalid, match=match) as caught:
        line.port.cosign(0, [], line.note(5))
    assert caught.value.witness == "north"


def test_lines_of_others_are_left_out(line: Line) -> None:
    """A witness may cosign with a new kind of key too, and others behind the same address."""
    other = Witness("witness.example/w2", line.witness.clock, {})
    line.witness.lie = lambda _, answer, note: (
        200,
        other.line(text_of(note)).encode() + answer[1] + b"\xe2\x80\x94 new AAAAAAAA\n",
    )
    answer = line.port.cosign(0, [], line.note(5))

    assert answer.startswith("\u2014 witness.example/w1 ")
    assert answer.count("\n") == 1


STATUSES: dict[str, tuple[int, bytes, type[WitnessError]]] = {
    "busy": (429, b"", WitnessUnavailable),
    "down": (503, b"", WitnessUnavailable),
    "no content": (204, b"", WitnessUnavailable),
    "moved": (307, b"", WitnessRefused),
    "forbidden": (401, b"", WitnessRefused),
    "no size": (409, b"x\n", WitnessUnavailable),
    "no line": (409, b"3", WitnessUnavailable),
    "a size that no log has": (409, b"9999999999999999999\n", WitnessUnavailable),
    "the size that was sent": (409, b"0\n", WitnessUnavailable),
    "more than there is": (409, b"6\n", WitnessAhead),
}


@pytest.mark.parametrize(("status", "body", "error"), STATUSES.values(), ids=STATUSES)
def test_what_is_no_answer_is_an_error(
    line: Line, status: int, body: bytes, error: type[WitnessError]
) -> None:
    """And is asked once: nothing repeats itself, and no redirect is followed."""
    line.witness.lie, line.witness.place = lambda *_: (status, body), line.witness.url + "/x"

    with pytest.raises(error) as caught:
        line.port.cosign(0, [], line.note(5))
    assert len(line.witness.requests) == 1
    assert not isinstance(caught.value, WitnessBehind)
    assert caught.value.retryable == (error is not WitnessRefused)


@pytest.mark.parametrize("how", [["hang"], ["drip"], ["drip", "endless"]], ids="+".join)
def test_who_is_slow_is_not_waited_for(line: Line, how: list[str]) -> None:
    """One that says nothing, and one that says a byte now and then. Half is not taken for all."""
    for each in how:
        setattr(line.witness, each, True)
    port, since = connect(line.witness, FakeClock(), timeout=0.5), time.monotonic()

    with pytest.raises(WitnessUnavailable, match="in time"):
        port.cosign(0, [], line.note(5))
    assert time.monotonic() - since < 5


def test_half_an_answer_is_none(line: Line) -> None:
    """The server says how long it is, and sends less."""
    line.witness.cut = True

    with pytest.raises(WitnessUnavailable, match="did not respond"):
        line.port.cosign(0, [], line.note(5))


def test_nobody_there(line: Line) -> None:
    """A refused connection is an error like others."""
    with serving(Witness("w.example", lambda: 1.0, {})) as gone:
        pass
    with pytest.raises(WitnessUnavailable, match="north"):
        connect(gone, FakeClock()).cosign(0, [], line.note(5))


def test_a_size_has_one_form() -> None:
    """Digits without a zero before them, and a line end."""
    good: Any = [(b"0\n", 0), (b"20852014\n", 20852014), (b"%d\n" % (2**63 - 1), 2**63 - 1)]
    assert all(read_size(body) == size for body, size in good)
