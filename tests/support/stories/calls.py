"""What all calls share: who calls, when, and what the call may raise."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date

from storage.errors import DomicileError, Refused
from storage.model import DataClass, Dpa, RecordId, TenantSpec, Trait
from storage.policy import standing
from tests.support.faults.steps import Killed
from tests.support.stories.cluster import Cluster, Process
from tests.support.stories.model import FILE, STORED, Days, During, Model, RecordModel, Terms
from tests.support.topologies import wanted

PROMPT, COMPLETION = DataClass.PROMPT, DataClass.COMPLETION
EU, US = "eu-central-1", "us-east-1"

TENANTS = {
    "plain": Terms("acme", EU, {PROMPT: 7, COMPLETION: 7, FILE: None}),
    "brief": Terms("acme", EU, {PROMPT: 3, COMPLETION: 2, FILE: None}),
    "alone": Terms("other", EU, {PROMPT: 7, COMPLETION: 4, FILE: None}, dedicated=True),
    "zero": Terms("other", EU, {PROMPT: 0, COMPLETION: 0, FILE: None}),
    "abroad": Terms("acme", US, {PROMPT: 7, COMPLETION: 7, FILE: 5}),
}


@dataclass(frozen=True)
class Answer:
    """The outcome of a call: an error code, ``stored`` with a result, or ``killed``."""

    code: str
    result: object = None
    reasons: tuple[str, ...] = ()


class Calls:
    """A cluster with its model, and how calls are made. ``names``: the tenants, by region."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        regions = cluster.topology.regions
        self.names = tuple(name for name, terms in TENANTS.items() if terms.home in regions)
        self.model = Model(TENANTS)
        self.minted: dict[str, list[RecordId]] = {name: [] for name in self.names}
        self.numbers = itertools.count(1)
        self.traits = dict.fromkeys(self.names, frozenset[Trait]())
        self.trouble: list[BaseException] = []
        for name in self.names:
            cluster.processes[0].store.admin.tenants.ensure(self.spec(name, self.model.days(name)))

    def spec(self, name: str, kept: Mapping[DataClass, Days]) -> TenantSpec:
        """Return the terms of a tenant that keeps its classes for so long."""
        terms = TENANTS[name]
        return TenantSpec(
            name,
            terms.account,
            terms.home,
            "EU" if terms.home == EU else "US",
            agreements=[Dpa(signed=date(2026, 1, 5))],
            retention={c: days for c, days in kept.items() if days is not None},
            dedicated=terms.dedicated,
            traits=self.traits[name],
        )

    @contextmanager
    def during(self, region: str) -> Iterator[Callable[[], During]]:
        """Return a function that tells, afterwards, between which steps the call happened."""
        since, eras = self.cluster.clock.now(), len(self.model.eras)
        changes = len(self.model.changes)
        can, well = self.can_take(region), self.well(region)

        def over() -> During:
            now = self.cluster.clock.now()
            return During(since, now, eras, changes, can and self.can_take(region), well)

        yield over

    def well(self, region: str) -> bool:
        """Return whether all backends of the region are up."""
        names = [spec.name for spec in self.cluster.topology.regions[region].backends]
        return all(self.cluster.modes[name] == "up" for name in names)

    def may_read(self, region: str) -> set[str]:
        """Return the backends of a region whose agreements allow reads today."""
        topology, today = self.cluster.topology, self.cluster.clock.now().date()
        return {
            spec.name
            for spec in topology.regions[region].backends
            if standing(spec, topology.sub_processors[spec.sub_processor], today).readable
        }

    def reads_anywhere(self, region: str) -> bool:
        """Return whether every backend of the region may be read today."""
        return len(self.may_read(region)) == len(self.cluster.topology.regions[region].backends)

    def can_take(self, region: str) -> bool:
        """Return whether as many backends are up as a write needs."""
        today = self.cluster.clock.now().date()
        takers = wanted(self.cluster.topology, region, today)
        up = [name for name in takers if self.cluster.modes[name] == "up"]
        return len(up) >= self.cluster.topology.regions[region].required

    def ask(self, process: Process, call: Callable[[], object]) -> Answer:
        """Make the call; return its outcome. Raises an error that no call may raise."""
        try:
            return Answer(STORED, call())
        except Killed:
            return self.killed(process)
        except DomicileError as error:
            if process.steps.dead:
                return self.killed(process)
            if self.trouble:
                raise self.trouble[0] from error
            reasons = error.reasons if isinstance(error, Refused) else ()
            expected = reasons or isinstance(error.__cause__, DomicileError | None)
            if not expected:
                raise
            return Answer(error.code, reasons=tuple(str(why) for why in reasons))

    def killed(self, process: Process) -> Answer:
        """Return the outcome ``killed`` once the process's other threads have ended."""
        with suppress(Killed):
            process.stack.close()
        return Answer("killed")

    def tenant(self, number: int) -> str:
        """Return the n-th tenant."""
        return self.names[number % len(self.names)]

    def busy_tenant(self, number: int) -> str:
        """Return the n-th tenant that has readable records; if none has, the n-th of all."""
        now = self.cluster.clock.now()
        busy = [name for name in self.names if self.model.live(name, now)] or self.names
        return busy[number % len(busy)]

    def record(self, tenant: str, number: int) -> RecordModel | None:
        """Return the n-th record of a tenant, counted from the youngest."""
        recs = self.model.of(tenant)
        return recs[-1 - number % len(recs)] if recs else None
