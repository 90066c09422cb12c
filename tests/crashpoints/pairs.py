"""Two operations of two processes: one runs whole within the other.

If it waits for a lock that the first one has, it goes on when that is released.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from sqlalchemy import text

from storage.errors import DomicileError
from storage.model import Scope
from tests.crashpoints.effects import Moment, Tape
from tests.crashpoints.ground import HOME, Ground
from tests.crashpoints.operations import some_records
from tests.crashpoints.points import recover
from tests.crashpoints.stage import COMPLETION, FILE, Act, Actor, Stage

Pair = Callable[[Stage, Actor], tuple[Act, Act]]
"""Prepares, and gives what is stopped, and what runs meanwhile."""

PAIRS: dict[str, Pair] = {}
_SLOW: set[str] = set()
_PATIENCE = 60.0  # seconds


@dataclass(frozen=True)
class Cut:
    """The moment of the first operation at which the second runs."""

    pair: str
    number: int

    def __str__(self) -> str:
        return f"{self.pair} {self.number}"

    def story(self, moments: Sequence[Moment]) -> str:
        """Return the moments of the first operation, line by line, and where the second ran."""
        lines = [f"  {moment}" for moment in moments]
        lines.insert(self.number, "> here the second one runs")
        return "\n".join([f"{self.pair}:", *lines])


def pair(name: str, *, slow: bool = False) -> Callable[[Pair], Pair]:
    """Register a pair. ``slow``: time passes while the first operation is stopped.

    Then it is not stopped at a request to a backend: no request takes longer than the backend's
    longest request.
    """

    def add(made: Pair) -> Pair:
        PAIRS[name] = made
        if slow:
            _SLOW.add(name)
        return made

    return add


def cuts_of(ground: Ground, name: str) -> Iterator[Cut]:
    """Yield every moment of the first operation."""
    tape = Tape()
    _try(ground, name, tape)
    for number, moment in enumerate(tape.moments):
        if name not in _SLOW or not moment.request:
            yield Cut(name, number)


def try_cut(ground: Ground, cut: Cut) -> None:
    """Run the second operation there. Raises AssertionError with the story."""
    tape = Tape()
    try:
        _try(ground, cut.pair, tape, cut.number)
    except Exception as error:
        error.add_note(cut.story(tape.moments))
        raise


@dataclass
class _Second:
    """The second operation, in its own thread."""

    stage: Stage
    act: Callable[[], object]
    pool: ThreadPoolExecutor
    running: list[Future[object]] = field(default_factory=list)

    def run(self) -> None:
        """Start it; return when it is done or waits for a lock."""
        done = self.pool.submit(self.act)
        self.running.append(done)
        until = time.monotonic() + _PATIENCE
        while not done.done() and not _somebody_waits(self.stage):
            assert time.monotonic() < until, "the second one neither ends nor waits"
            time.sleep(0.002)


def _try(ground: Ground, name: str, tape: Tape, number: int | None = None) -> None:
    stage = Stage(ground)
    try:
        with ThreadPoolExecutor(1, "second") as pool:
            one, other = stage.start(tape), stage.start()
            stage.make_tenant(other)
            act, meanwhile = PAIRS[name](stage, other)
            second = _Second(stage, lambda: _told(meanwhile, other), pool)
            if number is not None:
                tape.pause, tape.slow = (number, second.run), name in _SLOW
            with tape.record():
                _told(act, one)
            if not second.running:
                second.run()
            for done in second.running:
                done.result(_PATIENCE)
        recover(stage)
    finally:
        stage.finish()
        ground.clear()


def _told(act: Act, actor: Actor) -> None:
    """Run the operation; it may be refused."""
    try:
        act(actor)
    except DomicileError as error:
        if type(error) is DomicileError:
            raise


def _somebody_waits(stage: Stage) -> bool:
    query = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with stage.looking(HOME) as connection:
        return bool(connection.scalar(text(query)))


@pair("put x erase subject")
def _put_and_erase(stage: Stage, other: Actor) -> tuple[Act, Act]:
    some_records(stage, other)
    fact = stage.fact("ann")
    return lambda one: one.put(fact), lambda two: two.erase(Scope.subject("ann"))


@pair("put x erase and plan")
def _put_and_plan(stage: Stage, other: Actor) -> tuple[Act, Act]:
    fact = stage.fact("ann")
    return lambda one: one.put(fact), _erase_all


@pair("put derived x erase parent")
def _derive_and_erase(stage: Stage, other: Actor) -> tuple[Act, Act]:
    parent = stage.fact("ann")
    other.put(parent)
    fact = stage.fact(data_class=COMPLETION, parents=[parent])
    return lambda one: one.put(fact), lambda two: _erase_all(two, Scope.record(parent.id))


@pair("put file x erase and plan")
def _file_and_erase(stage: Stage, other: Actor) -> tuple[Act, Act]:
    fact = stage.fact("ann", data_class=FILE, size=2_000_000)
    return lambda one: one.put(fact), _erase_all


@pair("put x the same put")
def _twice(stage: Stage, other: Actor) -> tuple[Act, Act]:
    fact = stage.fact("ann")
    return lambda one: one.put(fact), lambda two: two.put(fact)


@pair("put x expire", slow=True)
def _put_and_expire(stage: Stage, other: Actor) -> tuple[Act, Act]:
    other.put(stage.fact("ben"))
    fact = stage.fact("ann")

    def expire(two: Actor) -> None:
        stage.pass_midnight()
        two.duty("expire", "purge")

    return lambda one: one.put(fact), expire


@pair("put x reap and purge", slow=True)
def _put_and_reap(stage: Stage, other: Actor) -> tuple[Act, Act]:
    fact = stage.fact("ann")

    def reap(two: Actor) -> None:
        stage.pass_time(hours=1)
        two.duty("reap", "purge", "prune")

    return lambda one: one.put(fact), reap


@pair("compact x erase and plan")
def _compact_and_erase(stage: Stage, other: Actor) -> tuple[Act, Act]:
    _to_compact(stage, other)
    return lambda one: one.duty("compact"), lambda two: _erase_all(two, Scope.subject("ben"))


@pair("plan x compact")
def _plan_and_compact(stage: Stage, other: Actor) -> tuple[Act, Act]:
    _to_compact(stage, other)
    other.erase(Scope.subject("ben"))
    return lambda one: one.duty("plan"), lambda two: two.duty(
        "compact", "purge", "sweep", "complete"
    )


@pair("compact x replicate")
def _compact_and_replicate(stage: Stage, other: Actor) -> tuple[Act, Act]:
    with stage.one_down("eu-b"):
        _to_compact(stage, other)
    return lambda one: one.duty("compact"), lambda two: two.duty("replicate", "purge")


@pair("compact x compact")
def _compact_twice(stage: Stage, other: Actor) -> tuple[Act, Act]:
    _to_compact(stage, other)
    return lambda one: one.duty("compact"), lambda two: two.duty("compact", "purge")


@pair("compact x expire", slow=True)
def _compact_and_expire(stage: Stage, other: Actor) -> tuple[Act, Act]:
    _to_compact(stage, other)

    def expire(two: Actor) -> None:
        stage.pass_midnight()
        two.duty("expire", "purge")

    return lambda one: one.duty("compact"), expire


@pair("replicate x erase and plan")
def _replicate_and_erase(stage: Stage, other: Actor) -> tuple[Act, Act]:
    with stage.one_down("eu-b"):
        other.put(stage.fact("ann"))
        other.put(stage.fact("ann", data_class=FILE))
    return lambda one: one.duty("replicate"), _erase_all


@pair("replicate x replicate")
def _replicate_twice(stage: Stage, other: Actor) -> tuple[Act, Act]:
    with stage.one_down("eu-b"):
        other.put(stage.fact("ann"))
    return lambda one: one.duty("replicate"), lambda two: two.duty("replicate")


@pair("purge x purge")
def _purge_twice(stage: Stage, other: Actor) -> tuple[Act, Act]:
    some_records(stage, other)
    other.erase(Scope.tenant())
    other.duty("plan")
    return lambda one: one.duty("purge"), lambda two: two.duty("purge", "sweep", "complete")


@pair("plan x plan")
def _plan_twice(stage: Stage, other: Actor) -> tuple[Act, Act]:
    some_records(stage, other)
    other.erase(Scope.subject("ann"))
    other.erase(Scope.tenant())
    return lambda one: one.duty("plan"), lambda two: two.duty("plan", "purge", "sweep", "complete")


@pair("expire x erase and plan")
def _expire_and_erase(stage: Stage, other: Actor) -> tuple[Act, Act]:
    some_records(stage, other)
    stage.pass_midnight()
    return lambda one: one.duty("expire", "purge"), _erase_all


@pair("expire x expire")
def _expire_twice(stage: Stage, other: Actor) -> tuple[Act, Act]:
    some_records(stage, other)
    stage.pass_midnight()
    return lambda one: one.duty("expire"), lambda two: two.duty("expire", "purge")


@pair("all duties x all duties")
def _work_twice(stage: Stage, other: Actor) -> tuple[Act, Act]:
    _to_compact(stage, other)
    other.erase(Scope.subject("ben"))
    return lambda one: one.work(), lambda two: two.work()


@pair("hold x erase and plan")
def _hold_and_erase(stage: Stage, other: Actor) -> tuple[Act, Act]:
    some_records(stage, other)
    holding = stage.holding("ann")
    return lambda one: one.hold(holding), _erase_all


@pair("erase and plan x hold")
def _erase_and_hold(stage: Stage, other: Actor) -> tuple[Act, Act]:
    some_records(stage, other)
    holding = stage.holding("ann")
    return _erase_all, lambda two: two.hold(holding)


@pair("hold x expire", slow=True)
def _hold_and_expire(stage: Stage, other: Actor) -> tuple[Act, Act]:
    some_records(stage, other)
    holding = stage.holding("ann")

    def expire(two: Actor) -> None:
        stage.pass_midnight()
        two.duty("expire", "purge")

    return lambda one: one.hold(holding), expire


@pair("expire x hold")
def _expire_and_hold(stage: Stage, other: Actor) -> tuple[Act, Act]:
    some_records(stage, other)
    stage.pass_midnight()
    holding = stage.holding("ann")
    return lambda one: one.duty("expire", "purge"), lambda two: two.hold(holding)


@pair("release x expire")
def _release_and_expire(stage: Stage, other: Actor) -> tuple[Act, Act]:
    some_records(stage, other)
    holding = stage.holding("ann")
    other.hold(holding)
    stage.pass_midnight()
    return lambda one: one.release(holding), lambda two: two.duty("expire", "purge", "release")


@pair("compact x hold")
def _compact_and_hold(stage: Stage, other: Actor) -> tuple[Act, Act]:
    _to_compact(stage, other)
    holding = stage.holding("ben")
    return lambda one: one.duty("compact"), lambda two: two.hold(holding)


@pair("hand over x erase")
def _hand_over_and_erase(stage: Stage, other: Actor) -> tuple[Act, Act]:
    fact = stage.fact("ann")
    other.put(fact)
    return lambda one: one.hand_over(fact), _erase_and_ask


@pair("hand over x erase, much later", slow=True)
def _hand_over_and_erase_later(stage: Stage, other: Actor) -> tuple[Act, Act]:
    fact = stage.fact("ann")
    other.put(fact)

    def erase(two: Actor) -> None:
        stage.pass_time(hours=1)
        two.duty("resolve", "request_deletion")
        _erase_and_ask(two)

    return lambda one: one.hand_over(fact), erase


@pair("ask back x erase")
def _ask_back_and_erase(stage: Stage, other: Actor) -> tuple[Act, Act]:
    facts = [stage.fact(name) for name in ("ann", "ann", "eve")]  # a full pack
    other.put_many(facts)
    for fact in facts[:2]:
        ends = stage.start(Tape(stop="commit update processor_copy"))
        ends.hand_over_and_end(fact)
    stage.pass_time(hours=1)
    return lambda one: one.duty("request_deletion", "sweep", "complete"), _erase_and_ask


def _erase_and_ask(two: Actor) -> None:
    """Erase, and let a worker do all that it can, also at processors."""
    two.erase(Scope.subject("ann"))
    two.duty("plan", "purge", "request_deletion", "sweep", "complete")


def _erase_all(two: Actor, scope: Scope | None = None) -> None:
    """Erase, and let a worker do all that it can."""
    two.erase(scope or Scope.subject("ann"))
    two.duty("plan", "purge", "sweep", "complete")


def _to_compact(stage: Stage, other: Actor) -> None:
    """Prepare a pack with an erased record that is due for compaction."""
    some_records(stage, other)
    other.erase(Scope.subject("ann"))
    other.duty("plan", "purge")
    stage.pass_time(hours=5)
