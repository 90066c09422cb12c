"""Where operations are tried: one Domicile, its processes, and the answers that they got.

An answer counts if the process got it before it died.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from io import BytesIO
from random import Random
from uuid import UUID

from regions.model import SubProcessor
from storage.bootstrap import open_store
from storage.catalog.engine import Catalog
from storage.client.store import Store
from storage.dependencies import Dependencies
from storage.errors import DomicileError
from storage.model import (
    DataClass,
    Dpa,
    Flag,
    NewRecord,
    Purpose,
    PutResult,
    Reason,
    RecordId,
    Scope,
    TenantSpec,
)
from storage.objects.recognition import strangers
from storage.region import Limits
from storage.testing import SERVICE, FakeClock, FakeProcessor
from storage.tlog.checkpoints import Checkpoint
from storage.workers.loop import Duty, Worker, duties
from tests.crashpoints.effects import (
    Crash,
    InTurn,
    Tape,
    TapedProcessor,
    tape_backend,
    tape_engine,
)
from tests.crashpoints.facts import Fact, Holding, Request
from tests.crashpoints.ground import HOME, Ground
from tests.support.faults.steps import Steps
from tests.support.holds import (
    approve_by_second,
    confirm_by_two,
    held_tenant,
    hold_spec,
    request_release,
)
from tests.support.inspect.invariants import PLAIN
from tests.support.inspect.stored import homes_of
from tests.support.stories.cluster import LANDS_WITHIN, Cluster, Process, quiet

TENANT, PROCESSOR = "acme-eu", "klarblick"
PROMPT, COMPLETION, FILE = DataClass.PROMPT, DataClass.COMPLETION, DataClass.FINE_TUNING_FILE
TWO_DAYS = {PROMPT: 2, COMPLETION: 2}  # what is written at noon expires at midnight
MORNING = datetime(2026, 3, 1, 6, tzinfo=UTC)  # leaves time to compact before midnight


@dataclass
class Actor(Process):
    """A process, with the calls that operations use. ``tape`` records its moments."""

    tape: Tape
    stage: "Stage"

    def put(self, fact: Fact) -> None:
        """Store a record."""
        before = len(self.tape.written)
        try:
            self._told(fact, self._put_one(fact))
        finally:
            fact.written += self.tape.written[before:]

    def put_many(self, facts: Sequence[Fact]) -> None:
        """Store records in bulk."""
        new = [
            NewRecord(f.id.data_class, f.body, f.id, f.subject, f.group, {}, _ids(f)) for f in facts
        ]
        results = self.store.tenant(TENANT).put_many(new)
        for fact, result in zip(facts, results, strict=True):
            if not isinstance(result, PutResult):
                raise result.error
            self._told(fact, result)

    def capture(self, fact: Fact) -> None:
        """Store what is streamed."""
        with self.store.tenant(TENANT).capture(
            fact.id.data_class,
            id=fact.id,
            subject=fact.subject,
            group=fact.group,
            derived_from=_ids(fact),
        ) as sink:
            sink.write(fact.body[:4])
            sink.write(fact.body[4:])
        assert sink.result is not None
        self._told(fact, sink.result)

    def erase(self, scope: Scope) -> Request:
        """Request an erasure, and note the answer."""
        request = self.stage.request(scope)
        if scope.kind == "account":
            whole = self.store.erase(scope, reason=Reason.SUBJECT_REQUEST)
            done = list(whole.erasures)
        else:
            done = [self.store.tenant(TENANT).erase(scope, reason=Reason.SUBJECT_REQUEST)]
        if not self.tape.dead:
            self.stage.granted(request, {e.id: e.requested for e in done})
        return request

    def hand_over(self, fact: Fact) -> None:
        """Hand a copy of a record to the processor."""
        self.store.tenant(TENANT).bind(SERVICE).hand_over(fact.id, PROCESSOR)

    def hold(self, holding: Holding) -> None:
        """Place a hold, and note the answer."""
        scope = Scope.subject(holding.subject)
        spec = hold_spec(scope, tenant=TENANT, future=True, review=date(2030, 1, 1))
        placed = self.store.admin.holds.place(spec)
        if not self.tape.dead:
            holding.id = placed.hold.id
            self.stage.in_force(holding)

    def release(self, holding: Holding) -> None:
        """Release a hold: one person requests it, another approves."""
        assert holding.id is not None
        holding.kept = []  # from the call on it may be over
        self.release_hold(holding.id)

    def release_hold(self, hold: UUID) -> None:
        """Release a hold."""
        where = self.stage.settings, self.store
        approve_by_second(*where, request_release(*where, hold))

    def confirm(self, holding: Holding) -> None:
        """Confirm a hold by two people: the first one stands for it."""
        assert holding.id is not None
        confirm_by_two(self.stage.settings, self.store, holding.id)

    def open_held(self, holding: Holding, fact: Fact) -> str | bytes:
        """Return the held content, or the code of the error."""
        assert holding.id is not None
        try:
            tenant = held_tenant(self.store, self.stage.settings, holding.id)
            with tenant.open(fact.id, purpose=Purpose.LEGAL) as opened:
                return opened.read_range(0, opened.size)
        except DomicileError as error:
            return error.code

    def put_and_end(self, fact: Fact) -> None:
        """Store a record, and die in the middle, where the tape says."""
        with suppress(Crash, DomicileError), self.tape.record():
            self.put(fact)
        assert self.tape.dead, "it did not come there"
        self.end()

    def erase_and_end(self, scope: Scope) -> None:
        """Request an erasure, and die in the middle, where the tape says."""
        with suppress(Crash, DomicileError), self.tape.record():
            self.erase(scope)
        assert self.tape.dead, "it did not come there"
        self.end()

    def hand_over_and_end(self, fact: Fact) -> None:
        """Hand over a copy, and die in the middle, where the tape says."""
        with suppress(Crash, DomicileError), self.tape.record():
            self.hand_over(fact)
        assert self.tape.dead, "it did not come there"
        self.end()

    def read(self, fact: Fact) -> str | bytes:
        """Return the body, or the code of the error."""
        try:
            return self.store.tenant(TENANT).bind(SERVICE).get(fact.id, purpose=Purpose.SERVE).body
        except DomicileError as error:
            return error.code

    def duty(self, *names: str) -> None:
        """Run duties of a worker, each until it finds nothing to do."""
        todo = {duty.name: duty for duty in self.duties()}
        for name in names:
            pieces = 0
            while todo[name].piece():
                pieces += 1
                assert pieces < 1000, f"{name} does not end"

    def duties(self) -> list[Duty]:
        served = homes_of(self.store).served(HOME)
        return duties(served.region, served.keys, quiet())

    def work(self) -> None:
        Worker({HOME: self.duties}, quiet()).run_once()

    def end(self) -> None:
        """Close the store, also of a dead process."""
        with suppress(Crash):
            self.stack.close()

    def _put_one(self, fact: Fact) -> PutResult:
        tenant = self.store.tenant(TENANT).bind(SERVICE)
        if fact.id.data_class is FILE:
            return tenant.put_file(BytesIO(fact.body), id=fact.id, subject=fact.subject)
        return tenant.put(
            fact.id.data_class,
            fact.body,
            id=fact.id,
            subject=fact.subject,
            group=fact.group,
            derived_from=_ids(fact),
        )

    def _told(self, fact: Fact, result: PutResult) -> None:
        if not self.tape.dead:
            assert result.id == fact.id
            assert result.stored
            fact.told = True


class Stage(Cluster):
    """One Domicile for one trial."""

    def __init__(self, ground: Ground) -> None:
        self.facts: list[Fact] = []
        self.requests: list[Request] = []
        self.holdings: list[Holding] = []
        self.processors: dict[str, FakeProcessor] = {}
        self.promises: list[Callable[[], None]] = []  # what must hold from now on
        self.trains = False  # a run was, or may have been, handed something
        self.screens = False  # it has a machine that screens
        self.flagged: dict[RecordId, tuple[Flag, ...]] = {}  # as a screening returned it
        self.restored = False  # its catalog was restored and not recovered
        self.checkpoint: Checkpoint | None = None  # the newest that anybody was shown
        self.stack = ExitStack()
        self.tapes: list[Tape] = []
        super().__init__(ground.settings, threads=False, processes=0)
        self.clock = FakeClock(MORNING)
        self._recognize_storage()

    def _recognize_storage(self) -> None:
        """Give the storage its identities, as a service does when it opens for the first time."""
        first = self.start()
        for served in homes_of(first.store).regions.values():
            assert not strangers(served.region, list(served.region.backends))
        self.processes.remove(first)
        first.stack.close()

    def start(self, tape: Tape | None = None, *, probing: bool = False) -> Actor:
        """Start a new process."""
        tape = tape or Tape()
        stack, dependencies = ExitStack(), self.dependencies(tape, probing=probing)
        store: Store = stack.enter_context(
            open_store(
                self.settings,
                require=self.settings.regions,
                dependencies=dependencies,
                log=quiet(),
            )
        )
        for served in homes_of(store).regions.values():
            object.__setattr__(served.region, "pool", InTurn(tape))
        actor = Actor(Steps(), store, stack, tape, self)
        self.processes.append(actor)
        return actor

    def dependencies(self, tape: Tape, *, probing: bool = False) -> Dependencies:
        """Return the dependencies of a new process whose moments the tape records."""

        def clock(catalog: Catalog) -> FakeClock:
            tape_engine(catalog.engine, tape)
            return self.clock

        return Dependencies(
            clock=clock,
            backend=lambda spec, _: tape_backend(self._backend(spec), tape),
            connector=lambda company: TapedProcessor(self._processor(company), tape),
            limits=Limits(linger=5.0, pack_records=3),
            unhealthy_seconds=0.0,
            sleep=self.clock.sleep,
            entropy=Random(len(self.processes)).randbytes,  # the same seed gives the same run
            probing=probing,
        )

    def make_tenant(self, actor: Actor, *, dedicated: bool = False) -> None:
        """Make the tenant that all operations use."""
        actor.store.admin.tenants.ensure(tenant_spec(dedicated=dedicated))

    def fact(
        self,
        subject: str | None = None,
        *,
        data_class: DataClass = PROMPT,
        size: int = 60,
        group: str | None = None,
        parents: Sequence[Fact] = (),
    ) -> Fact:
        """Prepare a record that is about to be stored."""
        maker = next(p for p in self.processes if isinstance(p, Actor) and not p.tape.dead)
        number = len(self.facts)
        body = (b"%d %s " % (number, PLAIN) * (size // 8))[:size]
        minted = maker.store.tenant(TENANT).new_id(data_class)
        fact = Fact(minted, body, subject, group, tuple(parents))
        self.facts.append(fact)
        return fact

    def request(self, scope: Scope) -> Request:
        """Note an erasure that is about to be requested."""
        self.requests.append(Request(scope, self.clock.now()))
        return self.requests[-1]

    def granted(self, request: Request, requested: Mapping[UUID, datetime]) -> None:
        """Note that the erasure is in force. ``requested``: when, by erasure."""
        request.ids = tuple(requested)
        request.cutoff = max(requested.values())

    def holding(self, subject: str) -> Holding:
        """Note a hold that is about to be placed."""
        self.holdings.append(Holding(subject))
        return self.holdings[-1]

    def in_force(self, holding: Holding) -> None:
        """Note that the hold is in force, and what it must keep."""
        now = self.clock.now()
        holding.kept = [
            fact
            for fact in self.facts
            if fact.told
            and holding.covers(fact)
            and not any(request.covers(fact) for request in self.requests if not request.refused)
            and (fact.expires is None or fact.expires > now)
        ]

    def pass_time(self, **by: float) -> None:
        """Let time pass. Late writes land before their deadline."""
        self.advance(timedelta(**by), lands=True)

    def pass_midnight(self) -> None:
        """Advance to the next UTC day."""
        now = self.clock.now()
        tomorrow = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
        self.advance(tomorrow + timedelta(minutes=1) - now, lands=True)

    def finish(self) -> None:
        """End all processes."""
        for actor in self.processes:
            if isinstance(actor, Actor):
                actor.end()
        for catalog in self._catalogs.values():
            catalog.close()

    def note_late(self) -> None:
        """Note late deliveries too."""
        before = self.late_since
        super().note_late()
        if any(processor.late for processor in self.processors.values()):
            self.late_since = self.late_since or before or self.clock.now()

    def settle_late(self, *, lands: bool) -> None:
        """Let late writes and deliveries land just in time."""
        super().settle_late(lands=lands)
        for processor in self.processors.values():
            processor.land()

    def _processor(self, company: SubProcessor) -> FakeProcessor:
        if company.name not in self.processors:
            made = FakeProcessor(company.name, LANDS_WITHIN, self.clock)
            self.processors[company.name] = made
        return self.processors[company.name]

    @contextmanager
    def one_down(self, backend: str) -> Iterator[None]:
        """Take a backend down meanwhile."""
        self.set_mode(backend, "down")
        yield
        self.set_mode(backend, "up")


def tenant_spec(*, dedicated: bool = False) -> TenantSpec:
    """Return the terms of the tenant."""
    return TenantSpec(
        TENANT,
        "acme",
        HOME,
        "EU",
        agreements=[Dpa(signed=date(2026, 1, 5))],
        retention=TWO_DAYS,
        dedicated=dedicated,
    )


def _ids(fact: Fact) -> tuple[RecordId, ...]:
    return tuple(parent.id for parent in fact.parents)


Act = Callable[[Actor], object]
"""What a process does, and in the middle of which it is ended."""
