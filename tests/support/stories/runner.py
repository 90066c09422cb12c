"""Plays a story on a cluster and its model, and checks the invariants after each step."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal

from storage.catalog.engine import Catalog
from storage.model import Entropy
from storage.settings import Settings
from tests.support.inspect import invariants
from tests.support.stories.calls import TENANTS
from tests.support.stories.cluster import Bother, Cluster, Mode
from tests.support.stories.operations import Op
from tests.support.stories.player import Player

Trouble = Mode | Bother | Literal["land", "lose"] | None
"""What a backend does from now on; or what is under way arrives, or does not; or (None) a new
process takes the place of one.
"""


class Runner:
    """``threads``: as in production, and not the same every time."""

    def __init__(
        self,
        settings: Settings,
        *,
        threads: bool,
        entropy: Entropy | None = None,
        catalogs: Mapping[str, Catalog] | None = None,
    ) -> None:
        self.cluster = Cluster(settings, threads=threads, entropy=entropy, catalogs=catalogs)
        self.player = Player(self.cluster)
        self._turn = 0

    def play(self, op: Op, process: int, between: Sequence[tuple[int, Op]] = ()) -> None:
        """Play an operation, and others at some of its steps."""
        self.player.play(op, process, between)

    def disturb(self, backend: str, trouble: Trouble, process: int) -> None:
        """Change how a backend behaves."""
        if trouble is None:
            self.cluster.restart(process)
        elif trouble == "land" or trouble == "lose":  # noqa: PLR1714 - mypy
            self.cluster.settle_late(lands=trouble == "land")
        elif backend in self.cluster.processors:
            assert trouble != "full"
            self.cluster.set_trouble(backend, trouble)
        elif backend in self.cluster.backends:
            assert trouble != "pending"
            self.cluster.set_mode(backend, trouble)

    def look(self, *, everything: bool = False) -> None:
        """Check what must hold at any time. Raises AssertionError."""
        cluster, player = self.cluster, self.player
        self._turn += 1
        invariants.no_byte_without_a_row(cluster)
        self._certify()
        if everything or self._turn % 4 == 0:
            invariants.no_row_abroad(cluster, player.model)
        process = cluster.processes[self._turn % 2]
        player.look_at_held(process, everything=everything)
        player.look_at_runs(process, everything=everything)
        player.look_at_grants(process, everything=everything)
        player.copies_are_known()
        for n, name in enumerate(player.names):
            turn = (n + self._turn) % len(player.names)
            if everything or turn == 0:
                player.compare_list(name, process)
            recs = player.model.of(name)
            for m, rec in enumerate(recs):
                if everything or (turn < 2 and (m + self._turn) % len(recs) == 0):
                    player.read(rec, process, ranges=everything and bool(m % 2))

    def heal(self) -> None:
        """End all trouble, let time pass, and require that nothing is left of what must go."""
        cluster, player, model = self.cluster, self.player, self.player.model
        cluster.settle_late(lands=True)
        for backend in cluster.backends:
            cluster.set_mode(backend, "up")
        self._end_what_delays()
        if cluster.damaged:
            player.scrub_all(cluster.processes[0])
        unrest = self._settle()
        self.look(everything=True)
        if unrest is not None:
            raise unrest
        now = cluster.clock.now()
        for region in cluster.topology.regions:
            own = [rec for rec in model.ever() if TENANTS[rec.tenant].home == region]
            over = [rec for rec in own if model.must_go(rec, now)]
            invariants.nothing_left(cluster, region, over, "all was made well")
            last = [rec for rec in over if model.records.get(rec.name, rec) is rec]
            invariants.no_row_left(cluster, region, last)
            player.no_copy_of(over, "all was made well")
        player.copies_are_known(over=now)
        assert not player.spoilt(), "a replica is still bad"
        invariants.no_plaintext(cluster)

    def _settle(self) -> AssertionError | None:
        """Let time pass until all work is done; return what is left of it."""
        cluster, player = self.cluster, self.player
        hour, window = timedelta(hours=1), cluster.topology.bounds.compaction
        unrest: AssertionError | None = None
        for by in (hour, window, hour):
            if by == window and player.was_scrubbed():  # what was to be moved first goes now
                player.scrub_all(cluster.processes[0])
            unrest = self._pass(by)
            if unrest is None:
                break
        while cluster.clock.now().hour < 2:  # a day that has just come takes a few rounds to go
            unrest = self._pass(hour)
        for by in (window, hour):  # what a retention ended on that day is compacted
            unrest = self._pass(by) if unrest is not None else None
        if unrest is not None:  # entries of the ledger are given up last of all, then purged
            cluster.processes[0].work()
            unrest = self._rest()
        return unrest

    def _pass(self, by: timedelta) -> AssertionError | None:
        """Let time pass, and a worker work; return what is left of it."""
        self.cluster.advance(by, lands=True)
        self.player.confirm_runs(self.cluster.processes[0])
        self.cluster.processes[0].work()
        return self._rest()

    def close(self) -> None:
        """End all processes."""
        self.cluster.close()

    def _rest(self) -> AssertionError | None:
        """Return what is still to be done."""
        cluster, now = self.cluster, self.cluster.clock.now()
        self._certify()
        try:
            assert all(era.complete for era in self.player.model.eras), "an erasure is not complete"
            for region in cluster.topology.regions:
                invariants.at_rest(cluster, region, now)
        except AssertionError as error:
            return error
        return None

    def _end_what_delays(self) -> None:
        """Release all holds and end the processors' trouble, after everything else has gone.

        Holds too of which nobody was told: what is in the ledger becomes true then.
        """
        cluster, player = self.cluster, self.player
        if player.holds or any(trouble != "up" for trouble in cluster.troubles.values()):
            for by in (timedelta(hours=1), cluster.topology.bounds.compaction):
                cluster.advance(by, lands=True)
                cluster.processes[0].work()
                self._certify()
                if all(era.complete for era in self.player.model.eras):
                    break
        player.look_at_held(cluster.processes[0], everything=True)
        for held in list(player.holds):
            if held.id is not None:
                assert player.end(held, cluster.processes[0])
        assert not invariants.in_force(cluster)
        for processor in cluster.processors:
            cluster.set_trouble(processor, "up")

    def _certify(self) -> None:
        """Check the receipts of erasures that became complete since the last check."""
        cluster, model = self.cluster, self.player.model
        self.player.learn()
        for region in cluster.topology.regions:
            complete = invariants.complete_in(cluster, region)
            for era in model.eras:
                if era.id in complete and not era.complete:
                    era.complete = True
                    erasure = cluster.processes[0].store.erasure(era.id)
                    invariants.certified(cluster, region, erasure)
                    invariants.nothing_left(cluster, region, model.about(era), "there is a receipt")
                    self.player.no_copy_of(model.about(era), "there is a receipt")
                    self.player.runs_have_confirmed(era, model.about(era))
