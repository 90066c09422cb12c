"""Witnesses are asked together, and a checkpoint counts once those that are required cosigned."""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from regions.witnesses import WitnessSpec
from storage.errors import (
    CosignatureInvalid,
    WitnessAhead,
    WitnessBehind,
    WitnessError,
    WitnessesMissing,
    WitnessRefused,
    WitnessUnavailable,
)
from storage.testing import FakeClock
from storage.tlog.checkpoints import (
    Trust,
    cosign_checkpoint,
    open_checkpoint,
    sign_checkpoint,
)
from storage.tlog.merkle import consistency_path
from storage.tlog.tree import stored_ranges
from storage.tlog.verifiers import COSIGNATURE, Verifier
from storage.tlog.witnessing import is_cosigned
from storage.witnesses.gather import Gathered, gather
from storage.witnesses.http import HttpWitness
from tests.support.logs import LOG, ORIGIN, MemoryLog, key, numbered, verifier
from tests.support.witnesses.server import Witness, serving

NAMES = ("north", "south", "west")


class Quorum:
    """Three witnesses, of which two are required, and a log."""

    def __init__(self, pool: Executor, witnesses: list[Witness], clock: FakeClock) -> None:
        """Name them."""
        self.pool, self.witnesses, self.log = pool, witnesses, MemoryLog()
        self.specs = [
            WitnessSpec(name=name, key=each.vkey, url=each.url, required=name != "west")
            for name, each in zip(NAMES, witnesses, strict=True)
        ]
        self.ports = [HttpWitness(spec, clock=clock, timeout=0.5) for spec in self.specs]

    def gather(self, seen: dict[str, int]) -> Gathered:
        """Have the log's checkpoint cosigned."""
        log, size = self.log, self.log.edge.size
        ranges = stored_ranges(log.read, size)
        note = sign_checkpoint(log.checkpoint, key(ORIGIN)).decode()
        return gather(
            self.ports, note, lambda old: consistency_path(ranges, old, size), seen, self.pool
        )

    def missing(self, gathered: Gathered) -> tuple[str, ...]:
        """Return who is required and did not cosign."""
        keys = tuple(Verifier.parse(spec.key) for spec in self.specs)
        opened = open_checkpoint(gathered.checkpoint.encode(), Trust((LOG,), keys))
        there = {each.public for each in opened.cosigned}
        return tuple(s.name for s in self.specs if s.required and s.public not in there)


@pytest.fixture
def quorum() -> Iterator[Quorum]:
    """Three that work."""
    clock = FakeClock()
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(3))
        witnesses = [
            stack.enter_context(
                serving(
                    Witness(f"{n}.example", lambda: clock.now().timestamp(), {ORIGIN: str(LOG)})
                )
            )
            for n in NAMES
        ]
        yield Quorum(pool, witnesses, clock)


def test_all_cosign(quorum: Quorum) -> None:
    """The first time, and from wherever each of them is."""
    quorum.log.grow(numbered(0, 5))
    assert quorum.missing(quorum.gather({})) == ()
    quorum.log.grow(numbered(5, 300))
    quorum.gather({"north": 5, "south": 5, "west": 5})
    quorum.log.grow(numbered(300, 301))
    gathered = quorum.gather({"north": 5, "west": 300})

    assert gathered.cosigned == NAMES
    assert not gathered.failed
    assert [len(each.requests) for each in quorum.witnesses] == [4, 4, 3]


def test_one_that_hangs_costs_its_own_cosignature_alone(quorum: Quorum) -> None:
    """The others cosign; if it is required, the checkpoint does not count."""
    quorum.log.grow(numbered(0, 5))
    cases: list[tuple[int, tuple[str, ...], tuple[str, ...]]] = [
        (2, (), ("north", "south")),
        (0, ("north",), ("south",)),
    ]
    for at, missing, cosigned in cases:
        quorum.witnesses[at].hang = True
        gathered = quorum.gather({})
        assert isinstance(gathered.failed[NAMES[at]], WitnessUnavailable)
        assert (quorum.missing(gathered), gathered.cosigned) == (missing, cosigned)


def test_a_witness_that_changes_its_mind_is_asked_twice(quorum: Quorum) -> None:
    """Not for ever."""
    quorum.log.grow(numbered(0, 5))
    sizes = iter(range(1, 99))
    quorum.witnesses[0].lie = lambda *_: (409, b"%d\n" % next(sizes))
    gathered = quorum.gather({})

    assert isinstance(gathered.failed["north"], WitnessBehind)
    assert len(quorum.witnesses[0].requests) == 2
    assert quorum.missing(gathered) == ("north",)


def test_a_witness_is_its_key() -> None:
    """One that uses the name of another does not do for it, nor does its line elsewhere."""
    logs = [MemoryLog().grow(numbered(0, count)) for count in (1, 2)]
    here, elsewhere = (sign_checkpoint(each.checkpoint, key(ORIGIN)).decode() for each in logs)
    line = cosign_checkpoint(here.encode(), "w", key("w"), seconds=1).decode().removeprefix(here)
    witness, impostor = verifier("w", COSIGNATURE), Verifier("w", COSIGNATURE, bytes(32))

    assert is_cosigned(here, line, witness)
    assert not is_cosigned(elsewhere, line, witness)
    assert not is_cosigned(here, line, impostor)
    assert not is_cosigned(here, "", witness)
    assert not is_cosigned(here, f"more text\n\n{line}", witness)


def test_who_is_missing_is_named() -> None:
    """With the reason of each, in the error that a reader gets."""
    error = WitnessesMissing({"south": "CosignatureInvalid", "north": "WitnessUnavailable"})

    assert "(north: WitnessUnavailable, south: CosignatureInvalid)" in str(error)


@pytest.mark.parametrize("lasting", [WitnessAhead, CosignatureInvalid, WitnessRefused])
def test_what_no_retry_mends_is_not_retryable(lasting: type[WitnessError]) -> None:
    """The advice says whose it is, and what to do; another may be down besides."""
    passing = {"north": "WitnessUnavailable", "west": "WitnessBehind"}
    both = WitnessesMissing(passing | {"south": lasting.__name__})
    down = WitnessesMissing(passing)

    assert (both.retryable, down.retryable) == (False, True)
    assert both.advice.startswith("south: It " if lasting is not CosignatureInvalid else "south: W")
    assert "Try again" not in both.advice
    assert "Try again when they respond" in down.advice
