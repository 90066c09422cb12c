"""A Domicile and a model run the same operations, and must agree.

Hypothesis draws the operations: writes, reads, erasures, time, workers, failing backends, killed
processes, and one call within another. After each step the invariants of the design are checked on
the backends and in the catalogs. In the end all trouble is over, and nothing is left of what was
erased or has expired.

``HYPOTHESIS_PROFILE=deep`` (``make deep``) searches for much longer.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import regions
from storage.testing import Server
from tests.support.stories import operations
from tests.support.stories.operations import Op
from tests.support.stories.runner import Runner, Trouble
from tests.support.topologies import small_topology

_PROFILES = {"quick": (5, 2, 25), "deep": (400, 400, 50)}  # examples alone, with threads; steps
_ALONE, _THREADS, _STEPS = _PROFILES[os.environ.get("HYPOTHESIS_PROFILE", "quick")]
_FIXED = os.environ.get("HYPOTHESIS_PROFILE", "quick") == "quick"
_PHASES = [p for p in Phase if p.name in os.environ.get("PHASES", "explicit reuse generate shrink")]
_BACKENDS = ("eu-a", "eu-b", "us-a", "us-b", "eu-c")


class Orders(RuleBasedStateMachine):
    """The operations that Hypothesis draws. ``threads``: as in production, so not reproducible."""

    def __init__(self, server: Server, topologies: tuple[Path, Path], *, threads: bool) -> None:
        super().__init__()
        self.server, self.topologies, self.threads = server, topologies, threads
        self.broken = False
        self.settings = server.make()
        self.runner: Runner | None = None

    @initialize(changed=st.booleans(), first=operations.batches)
    def begin(self, changed: bool, first: Op) -> None:  # noqa: FBT001
        """Begin in a topology that stays the same, or in one in which a contract ends."""
        topology = self.topologies[changed]
        self.settings = self.settings.model_copy(update={"topology": topology})
        self.runner = Runner(self.settings, threads=self.threads)
        self._play(first, 0)

    @rule(
        op=st.one_of(operations.puts, operations.puts, operations.batches),
        process=operations.PROCESS,
    )
    def put(self, op: Op, process: int) -> None:
        """Write one record or many."""
        self._play(op, process)

    @precondition(lambda self: self.runner.player.model.any_left())
    @rule(
        op=st.one_of(operations.gets, operations.searches, operations.mints),
        process=operations.PROCESS,
    )
    def get(self, op: Op, process: int) -> None:
        """Read or list, or mint an id for later."""
        self._play(op, process)

    @precondition(lambda self: self.runner.player.model.any_left())
    @rule(op=operations.erasures, process=operations.PROCESS)
    def erase(self, op: Op, process: int) -> None:
        """Erase a record, subject, group, tenant or account."""
        self._play(op, process)

    @rule(op=operations.retains, process=operations.PROCESS)
    def retain(self, op: Op, process: int) -> None:
        """Shorten or lengthen a retention."""
        self._play(op, process)

    @rule(
        waits=st.lists(operations.waits, max_size=1), works=st.lists(operations.works, max_size=3)
    )
    def proceed(self, waits: list[Op], works: list[Op]) -> None:
        """Let time pass, and workers in both processes do something."""
        for number, op in enumerate([*waits, *works]):
            self._play(op, number % 2)

    @rule(
        op=operations.interrupted,
        process=operations.PROCESS,
        between=st.lists(
            st.tuples(st.integers(1, 24), operations.interruptions), min_size=1, max_size=2
        ),
    )
    def interrupt(self, op: Op, process: int, between: list[tuple[int, Op]]) -> None:
        """Run an operation within another, or kill the process there."""
        self._play(op, process, between)

    @rule(
        backend=st.sampled_from(_BACKENDS),
        trouble=st.sampled_from(
            ["up", "up", "down", "full", "lossy", "late", "land", "lose", None]
        ),
        process=operations.PROCESS,
    )
    def disturb(self, backend: str, trouble: Trouble, process: int) -> None:
        """Change how a backend behaves, or end a process."""
        self._do(lambda runner: runner.disturb(backend, trouble, process))

    @invariant()
    def holds(self) -> None:
        """Check what must hold at any time."""
        if self.runner is not None:
            self._do(Runner.look)

    def teardown(self) -> None:
        """End all trouble, and check the end state."""
        try:
            if self.runner is not None and not self.broken:
                self.runner.heal()
        finally:
            if self.runner is not None:
                self.runner.close()
            self.server.reclaim(self.settings)

    def _play(self, op: Op, process: int, between: Sequence[tuple[int, Op]] = ()) -> None:
        self._do(lambda runner: runner.play(op, process, between))

    def _do(self, what: Callable[[Runner], None]) -> None:
        assert self.runner is not None
        try:
            what(self.runner)
        except BaseException:
            self.broken = True
            raise


@pytest.fixture(scope="module")
def topologies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two topologies: one that stays the same, one in which a contract ends."""
    data = Path(regions.__file__).parent / "data"
    same, changing = (tmp_path_factory.mktemp("topology") for _ in range(2))
    small_topology(data, same, changes=False)
    small_topology(data, changing, changes=True)
    return same, changing


@pytest.mark.timeout(0)
@pytest.mark.parametrize("threads", [False, True], ids=["alone", "threads"])
def test_it_agrees_with_the_model(
    domicile_server: Server,
    topologies: tuple[Path, Path],
    threads: bool,  # noqa: FBT001
) -> None:
    """Whatever the operations, their order, and their interruptions."""
    run_state_machine_as_test(
        lambda: Orders(domicile_server, topologies, threads=threads),  # type: ignore[arg-type]
        settings=settings(
            max_examples=_THREADS if threads else _ALONE,
            stateful_step_count=_STEPS,
            deadline=None,
            derandomize=_FIXED,  # a fixed set for everybody; the deep search draws its own
            print_blob=True,
            suppress_health_check=list(HealthCheck),
            phases=_PHASES,
            report_multiple_bugs=False,
        ),
    )
