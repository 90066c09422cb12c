"""Plays operations on a Domicile and on the model, and compares what they say."""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from io import BytesIO
from uuid import UUID

from sqlalchemy import select

from storage.catalog import tables as t
from storage.errors import DomicileError
from storage.model import (
    DataClass,
    Dpa,
    Erasure,
    NewRecord,
    Purpose,
    PutFailure,
    PutResult,
    Reason,
    RecordId,
    Scope,
    ScopeKind,
    TenantSpec,
)
from storage.tenant import Tenant
from tests.support import looking
from tests.support.model import FILE, NOTHING, STORED, Content, During, Era, Model, Rec, Terms, Wish
from tests.support.ops import Erase, Get, Item, Kill, Mint, Op, Put, Search, Size, Wait, Work
from tests.support.world import Killed, Process, World, wanted

PROMPT, COMPLETION = DataClass.PROMPT, DataClass.COMPLETION
EU, US = "eu-central-1", "us-east-1"
_FOREVER = datetime(9999, 12, 31, tzinfo=UTC)

TENANTS = {
    "plain": Terms("acme", EU, {PROMPT: 7, COMPLETION: 7, FILE: None}),
    "brief": Terms("acme", EU, {PROMPT: 3, COMPLETION: 2, FILE: None}),
    "alone": Terms("other", EU, {PROMPT: 7, COMPLETION: 4, FILE: None}, dedicated=True),
    "zero": Terms("other", EU, {PROMPT: 0, COMPLETION: 0, FILE: None}),
    "abroad": Terms("acme", US, {PROMPT: 7, COMPLETION: 7, FILE: 5}),
}
NAMES = tuple(TENANTS)
SIZES: dict[Size, int] = {"none": 0, "small": 60, "own_pack": 256 * 1024, "chunks": 1024 * 1024 + 9}


@dataclass(frozen=True)
class Answer:
    """What a call gave: the code of its error, ``stored`` and a result, or ``killed``."""

    code: str
    result: object = None


class Player:
    """Every operation asserts what is right about its answer."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.model = Model(TENANTS)
        self.minted: dict[str, list[RecordId]] = {name: [] for name in NAMES}
        self.numbers = itertools.count(1)
        self.trouble: list[BaseException] = []
        for name, terms in TENANTS.items():
            given = {c: days for c, days in terms.retention.items() if days is not None}
            spec = TenantSpec(
                name, terms.account, terms.home, "EU" if terms.home == EU else "US",
                agreements=[Dpa(signed=date(2026, 1, 5))], retention=given,
                dedicated=terms.dedicated,
            )  # fmt: skip
            world.processes[0].store.admin.tenants.ensure(spec)

    # how operations run

    def play(self, op: Op, number: int, between: Sequence[tuple[int, Op]] = ()) -> None:
        """Run an operation in one process, and others in the other one at some of its moments."""
        process = self.world.processes[number]
        life = process.life
        life.seen, life.due, life.written = 0, [], []
        for moment, other in between:
            life.due.append((moment, lambda other=other: self._between(other, number)))  # type: ignore[misc]
        try:
            self._run(op, process)
        except Killed:
            pass
        finally:
            life.due = []
        self.world.note_late()
        if life.dead:
            self.world.restart(number)
        if self.trouble:
            raise self.trouble[0]

    def _between(self, op: Op, number: int) -> None:
        try:
            if isinstance(op, Kill):
                self.world.processes[number].life.end()
            else:
                self._run(op, self.world.processes[1 - number])
        except BaseException as error:  # noqa: BLE001 - raised again when the outer call is over
            self.trouble.append(error)

    def _run(self, op: Op, process: Process) -> None:
        match op:
            case Put():
                self._put(op, process)
            case Mint():
                self._mint(op, process)
            case Get():
                self._get(op, process)
            case Search():
                self._search(op, process)
            case Erase():
                self._erase(op, process)
            case Work():
                self._work(op, process)
            case Wait():
                self._wait(op)
            case Kill():
                process.life.end()

    @contextmanager
    def _during(self, region: str) -> Iterator[Callable[[], During]]:
        since, eras = self.world.clock.now(), len(self.model.eras)
        can, well = self._can_take(region), self._well(region)

        def over() -> During:
            now = self.world.clock.now()
            return During(since, now, eras, can and self._can_take(region), well)

        yield over

    def _well(self, region: str) -> bool:
        names = [spec.name for spec in self.world.topology.regions[region].backends]
        return all(self.world.modes[name] == "up" for name in names)

    def _can_take(self, region: str) -> bool:
        today = self.world.clock.now().date()
        takers = wanted(self.world.topology, region, today)
        up = [name for name in takers if self.world.modes[name] == "up"]
        return len(up) >= self.world.topology.regions[region].required

    def _ask(self, process: Process, call: Callable[[], object]) -> Answer:
        try:
            return Answer(STORED, call())
        except Killed:
            return self._killed(process)
        except DomicileError as error:
            if process.life.dead:
                return self._killed(process)
            if self.trouble:
                raise self.trouble[0] from error
            if error.__cause__ is not None and not isinstance(error.__cause__, DomicileError):
                raise
            return Answer(error.code)

    def _killed(self, process: Process) -> Answer:
        """Once its other threads have come to their end too."""
        with suppress(Killed):
            process.stack.close()
        return Answer("killed")

    def tenant(self, number: int) -> str:
        """The n-th tenant."""
        return NAMES[number % len(NAMES)]

    def record(self, tenant: str, number: int) -> Rec | None:
        """The n-th record of a tenant, from the youngest."""
        recs = self.model.of(tenant)
        return recs[-1 - number % len(recs)] if recs else None

    # put

    def _put(self, op: Put, process: Process) -> None:
        name = self.tenant(op.tenant)
        tenant = process.store.tenant(name)
        region = TENANTS[name].home
        with self._during(region) as over:
            wishes = self._wishes(op, tenant)
            self.model.wishes += wishes
            before = len(process.life.written)
            try:
                answers = self._put_all(op, process, tenant, wishes)
            finally:
                del self.model.wishes[-len(wishes) :]
            written = [to for to in process.life.written[before:] if to[1].startswith("pack/")]
            for wish, answer in zip(wishes, answers, strict=True):
                alone = written if len(wishes) == 1 else ()
                self._judge(wish, answer, over(), alone)

    def _put_all(
        self, op: Put, process: Process, tenant: Tenant, wishes: list[Wish]
    ) -> list[Answer]:
        if not op.many:
            return [self._ask(process, lambda: self._put_one(tenant, wishes[0]))]
        given = [_record(wish) for wish in wishes]
        answer = self._ask(process, lambda: list(tenant.put_many(given)))
        if answer.code != STORED:
            return [answer] * len(wishes)
        results = answer.result
        assert isinstance(results, list)
        return [self._answer(process, result) for result in results]

    def _answer(self, process: Process, result: PutResult | PutFailure) -> Answer:
        if isinstance(result, PutResult):
            return Answer(STORED, result)
        if process.life.dead:
            return self._killed(process)
        cause = result.error.__cause__
        if cause is not None and not isinstance(cause, DomicileError):
            raise result.error
        return Answer(result.error.code)

    def _put_one(self, tenant: Tenant, wish: Wish) -> PutResult:
        content = wish.content
        record_id = None if wish.fresh else wish.id
        metadata = dict(content.metadata)
        if wish.id.data_class is FILE and not content.parents and content.group is None:
            return tenant.put_file(
                BytesIO(content.body), id=record_id, subject=content.subject, metadata=metadata
            )
        return tenant.put(
            wish.id.data_class, content.body, id=record_id, subject=content.subject,
            group=content.group, metadata=metadata, derived_from=content.parents,
        )  # fmt: skip

    def _wishes(self, op: Put, tenant: Tenant) -> list[Wish]:
        wishes: list[Wish] = []
        for item in op.items:
            wishes.append(self._wish(item, tenant, wishes))
        return wishes

    def _wish(self, item: Item, tenant: Tenant, earlier: list[Wish]) -> Wish:
        rec = self.record(tenant.id, item.number)
        if item.naming == "same" and rec is not None:
            return Wish(tenant.id, rec.id, rec.content)
        content = Content(
            self._body(item.size),
            item.subject,
            item.group,
            (("title", f"{looking.PLAIN.decode()} {next(self.numbers)}"),),
            tuple(self._parents(item, tenant.id, earlier)),
        )
        named = self._named(item, tenant, earlier)
        if named is not None:
            return Wish(tenant.id, named, content)
        key = f"key-{item.number % 3}" if item.naming == "key" else None
        made = tenant.new_id(item.data_class, key=key)
        return Wish(tenant.id, made, content, fresh=item.naming == "none")

    def _named(self, item: Item, tenant: Tenant, earlier: list[Wish]) -> RecordId | None:
        """The id of something that is there, if the item asks for that and it is."""
        pools: dict[str, list[RecordId]] = {
            "minted": self.minted[tenant.id],
            "taken": [rec.id for rec in self.model.of(tenant.id)],
            "batch": [wish.id for wish in earlier if not wish.fresh],
        }
        pool = pools.get(item.naming)
        return pool[-1 - item.number % len(pool)] if pool else None

    def _parents(self, item: Item, tenant: str, earlier: list[Wish]) -> Iterator[RecordId]:
        there = [rec.id for rec in self.model.of(tenant)]
        there += [wish.id for wish in earlier if not wish.fresh]
        for number in item.parents if there else ():
            yield there[-1 - number % len(there)]

    def _body(self, size: Size) -> bytes:
        number = next(self.numbers)
        if size == "none":
            return b""
        filler = random.Random(number).randbytes(SIZES[size])
        return looking.PLAIN + b" %d " % number + filler

    def _judge(
        self, wish: Wish, answer: Answer, during: During, written: Sequence[tuple[str, str]]
    ) -> None:
        if answer.code == "killed":
            self._reconcile(wish, during, written)
            return
        code, result = answer.code, answer.result
        if isinstance(result, PutResult):
            code = STORED if result.stored else NOTHING
            wish = replace(wish, id=result.id) if wish.fresh else wish
        allowed = self.model.allowed(wish, during)
        assert code in allowed, f"{code}, not {allowed}: {wish}, {during}"
        if code == STORED:
            assert isinstance(result, PutResult)
            self._check_term(wish, result)
            self._remember(wish, during)
        elif code != NOTHING:
            self.model.failed(wish, during, written)
        else:
            assert not written, f"zero retention, and yet {written}"

    def _remember(self, wish: Wish, during: During) -> None:
        rec = self.model.stored(wish, during)
        if not rec.sample:
            rec.sample = looking.sample_of(self.world, TENANTS[rec.tenant].home, rec)

    def _check_term(self, wish: Wish, result: PutResult) -> None:
        terms = TENANTS[wish.tenant]
        day = terms.expiry(wish.id.data_class, wish.id.minted)
        end = None if day is None else datetime.combine(day, time(), UTC) + timedelta(days=1)

        assert wish.id.day == day
        assert result.deadline == end
        assert result.id.unique == wish.id.unique

    def _reconcile(self, wish: Wish, during: During, written: Sequence[tuple[str, str]]) -> None:
        """The process ended before it could answer: the catalog knows whether it was stored."""
        table = t.file if wish.id.day is None else t.record
        with self.world.looking(TENANTS[wish.tenant].home) as connection:
            there = connection.scalar(
                select(table.c.uid).where(
                    table.c.tenant == wish.tenant, table.c.uid == wish.id.unique
                )
            )
        if there is None or wish.name in self.model.records:
            self.model.failed(wish, during, written)
        else:
            self._remember(wish, during)

    def _mint(self, op: Mint, process: Process) -> None:
        name = self.tenant(op.tenant)
        key = None if op.key is None else f"key-{op.key}"
        tenant = process.store.tenant(name)
        answer = self._ask(process, lambda: tenant.new_id(op.data_class, key=key))
        if isinstance(answer.result, RecordId):
            self.minted[name].append(answer.result)

    # get and list

    def _get(self, op: Get, process: Process) -> None:
        name = self.tenant(op.tenant)
        rec = self.record(name, op.number)
        if rec is None:
            return
        if op.how == "stranger":
            self._read_as_stranger(rec, process)
        elif op.how == "train":
            answer = self._ask(
                process, lambda: process.store.tenant(name).get(rec.id, purpose=Purpose.TRAIN)
            )
            assert answer.code not in (STORED, "KeyUnavailable", "BackendUnavailable")
        else:
            self.read(rec, process, ranges=op.how == "ranges")

    def _read_as_stranger(self, rec: Rec, process: Process) -> None:
        stranger = next(name for name in NAMES if name != rec.tenant)
        answer = self._ask(
            process, lambda: process.store.tenant(stranger).get(rec.id, purpose=Purpose.SERVE)
        )
        assert answer.code in {"NotFound", "Erased", "killed"}, answer.code

    def read(self, rec: Rec, process: Process, *, ranges: bool = False) -> None:
        """Read a record, and compare."""
        region = TENANTS[rec.tenant].home
        tenant = process.store.tenant(rec.tenant)
        body = rec.content.body
        with self._during(region) as over:
            sure = self._readable(region, rec)
            answer = self._ask(process, lambda: _fetch(tenant, rec.id, ranges=ranges))
            during = over()
        allowed = self.model.readable(rec, during)
        if STORED in allowed and not sure:
            allowed |= {"KeyUnavailable", "BackendUnavailable", "Corrupt"}
        assert answer.code in {*allowed, "killed"}, f"{answer.code}, not {allowed}: {rec}, {during}"
        if answer.code == STORED:
            expected = [body[:10], body[5:-5], body[-9:]] if ranges else [body]
            assert answer.result == (expected, dict(rec.content.metadata)), rec

    def _readable(self, region: str, rec: Rec) -> bool:
        """Whether pack and key are each on a backend that answers."""
        if self._well(region):
            return True
        table = t.file if rec.id.day is None else t.record
        r = t.replica.c
        with self.world.looking(region) as connection:
            row = connection.execute(
                select(table.c.object_id, table.c.key_id).where(
                    table.c.tenant == rec.tenant, table.c.uid == rec.id.unique
                )
            ).one_or_none()
            if row is None:
                return False
            at = [
                connection.scalars(
                    select(r.backend).where(r.object_id == thing, r.state == "stored")
                ).all()
                for thing in row
            ]
        return all(any(self.world.modes[b] != "down" for b in names) for names in at)

    def _search(self, op: Search, process: Process) -> None:
        self.compare_list(self.tenant(op.tenant), process, op)

    def compare_list(self, name: str, process: Process, by: Search | None = None) -> None:
        """List a tenant's records, and compare."""
        by = by or Search(0, None, None, None)
        before = self.world.clock.now()
        tenant = process.store.tenant(name)
        found: list[tuple[bytes, int]] = []
        after: RecordId | None = None
        while page := tenant.list(
            data_class=by.data_class, subject=by.subject, group=by.group, after=after, limit=7
        ):
            found += [(info.id.unique, info.size) for info in page]
            after = page[-1].id
        if before.date() != self.world.clock.now().date():
            return
        live = [
            (rec.id.unique, len(rec.content.body))
            for rec in self.model.live(name, before)
            if by.data_class in (None, rec.id.data_class)
            and by.subject in (None, rec.lineage.subject)
            and by.group in (None, rec.lineage.group)
        ]
        if self.model.wishes or self.model.coming:  # something is under way: order alone is sure
            assert len(found) == len(set(found))
            return
        assert found == live, f"listed {len(found)} of {name}, not {len(live)}"

    # erase

    def _erase(self, op: Erase, process: Process) -> None:
        name = self.tenant(op.tenant)
        scope, value = self._scope(op, name)
        tenants = [name]
        if op.kind is ScopeKind.ACCOUNT:
            account = TENANTS[name].account
            tenants = [other for other in NAMES if TENANTS[other].account == account]
        kind = ScopeKind.TENANT if op.kind is ScopeKind.ACCOUNT else op.kind
        coming = [Era(UUID(int=0), other, kind, value, _FOREVER) for other in tenants]
        self.model.coming += coming
        try:
            answer = self._ask(process, lambda: self._erase_in(process, name, scope))
        finally:
            self.model.coming = [era for era in self.model.coming if era not in coming]
        assert answer.code in (STORED, "killed"), answer.code
        found = answer.result if answer.code == STORED else self._unknown(tenants)
        assert isinstance(found, list)
        assert answer.code == "killed" or len(found) == len(tenants)
        for done in found:
            cutoff = done[2] + (datetime.min.replace(tzinfo=UTC) - done[2]) % timedelta(
                milliseconds=1
            )
            self.model.erased(Era(done[0], done[1], kind, value, cutoff))

    def _erase_in(
        self, process: Process, name: str, scope: Scope
    ) -> list[tuple[UUID, str, datetime]]:
        reason = Reason.SUBJECT_REQUEST
        if scope.kind is ScopeKind.ACCOUNT:
            whole = process.store.erase(scope, reason=reason)
            assert whole.not_reached == ()
            done: Sequence[Erasure] = whole.erasures
        else:
            done = [process.store.tenant(name).erase(scope, reason=reason, ticket="T-1")]
        return [(erasure.id, erasure.tenant, erasure.requested) for erasure in done]

    def _unknown(self, tenants: Sequence[str]) -> list[tuple[UUID, str, datetime]]:
        """Erasures of which nobody was told: the process ended first."""
        known = {era.id for era in self.model.eras}
        e = t.erasure.c
        found: list[tuple[UUID, str, datetime]] = []
        for region in self.world.topology.regions:
            with self.world.looking(region) as connection:
                rows = connection.execute(
                    select(e.id, e.tenant, e.requested).where(e.tenant.in_(tenants))
                )
                found += [(x[0], x[1], x[2]) for x in rows if x[0] not in known]
        return found

    def _scope(self, op: Erase, name: str) -> tuple[Scope, str | bytes]:
        who, which = ("ann", "ben")[op.number % 2], ("thread-1", "thread-2")[op.number % 2]
        named: dict[ScopeKind, tuple[Scope, str | bytes]] = {
            ScopeKind.SUBJECT: (Scope.subject(who), who),
            ScopeKind.GROUP: (Scope.group(which), which),
            ScopeKind.TENANT: (Scope.tenant(), ""),
            ScopeKind.ACCOUNT: (Scope.account(TENANTS[name].account), ""),
        }
        if op.kind in named:
            return named[op.kind]
        rec, minted = self.record(name, op.number), self.minted[name]
        if rec is not None and (op.number % 4 or not minted):
            return Scope.record(rec.id), rec.id.unique
        one = minted[-1] if minted else self._mint_one(name)
        return Scope.record(one), one.unique

    def _mint_one(self, name: str) -> RecordId:
        """An id that nobody has ever used."""
        return self.world.processes[0].store.tenant(name).new_id(PROMPT)

    # work and time

    def _work(self, op: Work, process: Process) -> None:
        duties = process.duties()
        chosen = duties if op.duty is None else [duties[op.duty % len(duties)]]
        for duty in chosen:
            pieces = 0
            while duty.piece() and (op.duty is None or pieces < op.pieces):
                pieces += 1
                assert pieces < 1000, f"{duty.name} does not end"

    def _wait(self, op: Wait) -> None:
        by = timedelta(minutes=op.minutes)
        if op.midnight:
            now = self.world.clock.now()
            tomorrow = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
            by = max(tomorrow + by - now, timedelta())
        self.world.advance(by, lands=op.lands)


def _fetch(
    tenant: Tenant, record_id: RecordId, *, ranges: bool
) -> tuple[list[bytes], dict[str, object]]:
    if not ranges:
        record = tenant.get(record_id, purpose=Purpose.SERVE)
        assert record.info.size == len(record.body)
        return [record.body], dict(record.metadata)
    with tenant.open(record_id, purpose=Purpose.SERVE) as file:
        size = file.size
        spans = [(0, 10), (5, max(size - 5, 5)), (max(size - 9, 0), size + 1)]
        return [file.read_range(a, b) for a, b in spans], dict(file.metadata)


def _record(wish: Wish) -> NewRecord:
    content = wish.content
    return NewRecord(
        wish.id.data_class, content.body, None if wish.fresh else wish.id, content.subject,
        content.group, dict(content.metadata), content.parents,
    )  # fmt: skip
