"""Plays operations on the cluster and the model, also one within another."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from tests.support.faults.steps import Killed
from tests.support.stories.cluster import Process
from tests.support.stories.corruption import Corruption
from tests.support.stories.erasures import Erasures
from tests.support.stories.operations import (
    Confirm,
    Corrupt,
    Erase,
    Get,
    HandOver,
    Hold,
    Kill,
    Mint,
    Narrow,
    Op,
    Put,
    Release,
    Retain,
    Say,
    Scrub,
    Search,
    Train,
    Wait,
    Work,
)
from tests.support.stories.processor_copies import ProcessorCopies
from tests.support.stories.puts import Puts
from tests.support.stories.restores import Restores
from tests.support.stories.retentions import Retentions
from tests.support.stories.staff_operations import (
    ApproveGrant,
    Ask,
    Enroll,
    Look,
    Pass,
    RequestGrant,
    Restore,
    RevokeGrant,
    Screen,
    StaffOp,
)
from tests.support.stories.trainings import Trainings


class Player(Puts, Erasures, Trainings, Corruption, ProcessorCopies, Retentions, Restores):
    """Plays one operation and asserts its answer."""

    def play(self, op: Op, number: int, between: Sequence[tuple[int, Op]] = ()) -> None:
        """Run an operation in one process, and others in the other process at some of its steps."""
        process = self.cluster.processes[number]
        steps = process.steps
        steps.seen, steps.due, steps.written = 0, [], []
        for moment, other in between:
            steps.due.append((moment, lambda other=other: self._between(other, number)))  # type: ignore[misc]
        try:
            self._run(op, process)
        except Killed:
            pass
        finally:
            steps.due = []
        self.cluster.note_late()
        if steps.dead:
            self.cluster.restart(number)
        if self.trouble:
            raise self.trouble[0]

    def _between(self, op: Op, number: int) -> None:
        try:
            if isinstance(op, Kill):
                self.cluster.processes[number].steps.end()
            else:
                self.learn()
                self._run(op, self.cluster.processes[1 - number])
                self.learn()
        except BaseException as error:  # noqa: BLE001 - raised again when the outer call is over
            self.trouble.append(error)

    def _run(self, op: Op, process: Process) -> None:
        match op:
            case Put():
                self.put(op, process)
            case Mint():
                self.mint(op, process)
            case Get():
                self.get(op, process)
            case Search():
                self.search(op, process)
            case Erase():
                self.erase(op, process)
            case Work():
                self._work(op, process)
            case Wait():
                self._wait(op)
            case Kill():
                process.steps.end()
            case _:
                self._run_more(op, process)

    def _run_more(
        self,
        op: Hold
        | Release
        | Confirm
        | Narrow
        | Scrub
        | Corrupt
        | HandOver
        | Retain
        | Say
        | Train
        | StaffOp
        | Ask
        | Screen
        | Restore,
        process: Process,
    ) -> None:
        match op:
            case Hold():
                self.hold(op, process)
            case Release():
                self.release(op, process)
            case Confirm():
                self.confirm(op, process)
            case Narrow():
                self.narrow(op, process)
            case Scrub():
                self.scrub(op, process)
            case Corrupt():
                self.spoil(op)
            case HandOver():
                self.hand_over(op, process)
            case _:
                self._run_yet_more(op, process)

    def _run_yet_more(
        self, op: Retain | Say | Train | StaffOp | Ask | Screen | Restore, process: Process
    ) -> None:
        match op:
            case Retain():
                self.retain(op, process)
            case Say():
                self.say(op, process)
            case Train():
                self.train(op, process)
            case Ask():
                self.ask_for(op, process)
            case Screen():
                self.screen(op, process)
            case Restore():
                self.restore(op, process)
            case _:
                self.play_within(op, process)

    def play_within(self, op: StaffOp, process: Process) -> None:
        """Play what people do, also while one of them has a record open."""
        match op:
            case RequestGrant():
                self.request_grant(op, process)
            case ApproveGrant():
                self.approve_grant(op, process)
            case RevokeGrant():
                self.revoke_grant(op, process)
            case Enroll():
                self.enroll(op, process)
            case Look():
                self.look(op, process)
            case Pass():
                self.cluster.advance(timedelta(minutes=op.minutes), lands=True)

    def _work(self, op: Work, process: Process) -> None:
        chosen = process.duties()
        if isinstance(op.duty, str):
            chosen = [duty for duty in chosen if duty.name == op.duty]
        elif op.duty is not None:
            chosen = [chosen[op.duty % len(chosen)]]
        for duty in chosen:
            pieces = 0
            while duty.piece() and (op.duty is None or pieces < op.pieces):
                pieces += 1
                assert pieces < 1000, f"{duty.name} does not end"

    def _wait(self, op: Wait) -> None:
        by = timedelta(minutes=op.minutes)
        if op.midnight:
            now = self.cluster.clock.now()
            tomorrow = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
            by = max(tomorrow + by - now, timedelta())
        self.cluster.advance(by, lands=op.lands)
