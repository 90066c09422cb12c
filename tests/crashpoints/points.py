"""One operation, ended at one of its effects, and everything that must hold from then on."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from storage.errors import DomicileError
from tests.crashpoints import (  # noqa: F401 - more operations
    checks,
    departures,
    exits,
    grants,
    holds,
    objections,
    processor_copies,
    screening,
    shortening,
    training,
)
from tests.crashpoints.effects import Crash, How, Moment, Tape
from tests.crashpoints.ground import HOME, Ground
from tests.crashpoints.operations import OPERATIONS
from tests.crashpoints.restored_catalog import make_good
from tests.crashpoints.stage import PROMPT, TENANT, Actor, Stage
from tests.support.inspect import invariants


@dataclass(frozen=True)
class Point:
    """The moment at which an operation ends, by number."""

    operation: str
    number: int
    how: How = "stop"

    def __str__(self) -> str:
        return f"{self.operation} {self.number} {self.how}"

    def story(self, moments: Sequence[Moment]) -> str:
        """Return what was done until then, line by line."""
        ends = {
            "stop": "the process ends here",
            "late": "the process ends here, and the request comes to the backend much later",
            "others": "the process ends here; what was sent at the same time still comes there",
        }
        lines = [f"  {moment}" for moment in moments[:-1] if moment.changes]
        return "\n".join([f"{self.operation}:", *lines, f"> {moments[-1]}: {ends[self.how]}"])


def find_moments(ground: Ground, operation: str) -> tuple[Moment, ...]:
    """Run the operation to find its moments, and check that it leaves no fault."""
    tape = Tape()
    try_it(ground, operation, tape)
    return tuple(tape.moments)


def points_of(operation: str, moments: Sequence[Moment]) -> Iterator[Point]:
    """Yield every way to end the operation before its last effect."""
    for number, moment in enumerate(moments):
        if not moment.changes:
            continue
        yield Point(operation, number)
        if moment.lands:
            yield Point(operation, number, "late")
        if moment.sent:
            yield Point(operation, number, "others")


def try_point(ground: Ground, point: Point) -> None:
    """End the operation there. Raises AssertionError with the story if an invariant breaks."""
    tape = Tape(stop=point.number, how=point.how)
    try:
        try_it(ground, point.operation, tape)
        assert tape.dead, "it has not come so far"
    except Exception as error:
        error.add_note(point.story(tape.moments))
        raise


def try_it(ground: Ground, operation: str, tape: Tape) -> None:
    """Run an operation in a new Domicile, end its process, and let others continue."""
    stage = Stage(ground)
    try:
        other = stage.start()
        stage.make_tenant(other)
        act = OPERATIONS[operation](stage, other)
        actor = stage.start(tape)
        with suppress(Crash):
            try:
                with tape.record():
                    act(actor)
            except DomicileError:
                if not tape.dead:
                    raise
        actor.end()
        recover(stage)
    finally:
        stage.finish()
        ground.clear()


def recover(stage: Stage) -> None:
    """Let time pass and a new process work until nothing is left to do, then until all expires."""
    if stage.restored:
        make_good(stage)
    invariants.no_byte_without_a_row(stage)
    checks.no_copy_without_a_row(stage)
    fresh = stage.start()
    checks.at_any_moment(stage, fresh)
    _work(stage, fresh)
    _work(stage, fresh, minutes=10)
    _ask_again(stage, fresh)
    _end_holds(stage, fresh)
    _end_objections(fresh)
    if stage.trains:
        _work(stage, fresh)
        training.confirm_runs(fresh)
    for hours in (1, 5, 1):
        _work(stage, fresh, hours=hours)
    checks.at_rest(stage, fresh)
    stage.pass_midnight()
    for _ in range(3):
        _work(stage, fresh, hours=1)
    checks.at_rest(stage, fresh)


def _end_holds(stage: Stage, actor: Actor) -> None:
    """Let the holds outlast the day of what they keep, then release them."""
    if not stage.holdings:
        return
    stage.pass_midnight()
    for _ in range(3):
        _work(stage, actor, hours=1)
    for holding in stage.holdings:
        holding.kept = []
    for hold in actor.store.admin.holds.list(HOME):  # also one that took effect after all
        actor.release_hold(hold.id)


def _end_objections(actor: Actor) -> None:
    """Withdraw what stands: then every object belongs on all backends again."""
    tenant = actor.store.tenant(TENANT)
    for one in tenant.objections():
        if one.withdrawn is None:
            tenant.withdraw(one.company, by="officer-7", ticket="CASE-2")


def _work(stage: Stage, actor: Actor, **time: float) -> None:
    stage.pass_time(**time)
    actor.work()
    checks.at_any_moment(stage, actor)
    screening.flags_are_kept(stage, actor)


def _ask_again(stage: Stage, actor: Actor) -> None:
    """Repeat the calls that had no answer, with the same ids. They must succeed."""
    for holding in [holding for holding in stage.holdings if holding.id is None]:
        actor.hold(holding)
    if stage.screens:
        screening.screen_all(actor)
        screening.flags_are_kept(stage, actor)
        prompts = [fact for fact in stage.facts if fact.id.data_class is PROMPT]
        assert {fact.id for fact in prompts} == stage.flagged.keys(), "a prompt was not screened"
    for request in [request for request in stage.requests if request.refused]:
        actor.erase(request.scope)
    for fact in stage.facts:
        if checks.may_be_put(stage, fact):
            actor.put(fact)
    checks.at_any_moment(stage, actor)
