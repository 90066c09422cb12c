"""Puts, on the cluster and on the model."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from io import BytesIO

from sqlalchemy import select

from storage.catalog import tables as t
from storage.client.tenant import Tenant
from storage.errors import DomicileError, InvalidRequest, OriginRefused
from storage.model import DataClass, NewRecord, Origin, PutFailure, PutResult, RecordId
from tests.support.inspect import invariants
from tests.support.stories.calls import TENANTS, Answer, Calls
from tests.support.stories.cluster import Process
from tests.support.stories.model import (
    CACHED,
    EVENT,
    FILE,
    NOTHING,
    STORED,
    Content,
    During,
    PutRequest,
    expiry,
    refusal,
)
from tests.support.stories.operations import Item, Mint, Put, Size

SIZES: dict[Size, int] = {"none": 0, "small": 60, "own_pack": 256 * 1024, "chunks": 1024 * 1024 + 9}


class Puts(Calls):
    """Puts records and asserts the answers."""

    def put(self, op: Put, process: Process) -> None:
        """Put records, and compare each answer."""
        name = self.tenant(op.tenant)
        tenant = process.store.tenant(name)
        region = TENANTS[name].home
        with self.during(region) as over:
            wishes = self._wishes(op, tenant)
            self.model.wishes += wishes
            before, minted = len(process.steps.written), _noting(tenant)
            try:
                answers = self._put_all(op, process, tenant, wishes)
            finally:
                del self.model.wishes[-len(wishes) :]
            own = iter(minted)  # in the order of the records; of a killed put nobody else knows
            wishes = [replace(w, id=next(own, None) or w.id) if w.fresh else w for w in wishes]
            written = [to for to in process.steps.written[before:] if to[1].startswith("pack/")]
            told = list(zip(wishes, answers, strict=True))
            told.sort(key=lambda one: one[1].code == "killed")  # whose a row is, an answer tells
            for wish, answer in told:
                alone = written if len(wishes) == 1 else ()
                self._judge(wish, answer, over(), alone)

    def _put_all(
        self, op: Put, process: Process, tenant: Tenant, wishes: list[PutRequest]
    ) -> list[Answer]:
        if not op.many:
            return [self.ask(process, lambda: self._put_one(tenant, wishes[0]))]
        given = [_record(wish) for wish in wishes]
        answer = self.ask(process, lambda: list(tenant.put_many(given)))
        if answer.code != STORED:
            return [answer] * len(wishes)
        results = answer.result
        assert isinstance(results, list)
        return [self._answer(process, result) for result in results]

    def _answer(self, process: Process, result: PutResult | PutFailure) -> Answer:
        if isinstance(result, PutResult):
            return Answer(STORED, result)
        if process.steps.dead:
            return self.killed(process)
        cause = result.error.__cause__
        if cause is not None and not isinstance(cause, DomicileError):
            raise result.error
        return Answer(result.error.code)

    def _put_one(self, tenant: Tenant, wish: PutRequest) -> PutResult:
        content = wish.content
        record_id = None if wish.fresh else wish.id
        metadata = dict(content.metadata)
        if wish.id.data_class is FILE and not content.parents and content.group is None:
            return tenant.put_file(
                BytesIO(content.body),
                id=record_id,
                subject=content.subject,
                metadata=metadata,
                origin=content.origin,
                keep_days=wish.keep,
            )
        return tenant.put(
            wish.id.data_class,
            content.body,
            id=record_id,
            subject=content.subject,
            group=content.group,
            metadata=metadata,
            derived_from=content.parents,
            origin=content.origin,
            keep_days=wish.keep,
        )

    def _wishes(self, op: Put, tenant: Tenant) -> list[PutRequest]:
        wishes: list[PutRequest] = []
        for item in op.items:
            wishes.append(self._wish(item, tenant, wishes))
        return wishes

    def _wish(self, item: Item, tenant: Tenant, earlier: list[PutRequest]) -> PutRequest:
        rec = self.record(tenant.id, item.number)
        if item.naming == "same" and rec is not None:
            return PutRequest(tenant.id, rec.id, rec.content)
        content = Content(
            self._body(item.size),
            item.subject,
            item.group,
            (("title", f"{invariants.PLAIN.decode()} {next(self.numbers)}"),),
            tuple(self._parents(item, tenant.id, earlier)),
        )
        named = self._named(item, tenant, earlier)
        if EVENT is (item.data_class if named is None else named.data_class):
            content = replace(content, body=b"")
        if named is not None:
            return PutRequest(tenant.id, named, content)
        content = replace(content, origin=self._origin(item))
        made = tenant.new_id(item.data_class)
        wish = PutRequest(tenant.id, made, content, fresh=True, keep=item.keep)
        return wish if item.naming == "none" else self._minted_for(wish, item, tenant)

    def _minted_for(self, wish: PutRequest, item: Item, tenant: Tenant) -> PutRequest:
        """Mint the id of a record; if its days are refused, for what its tenant keeps it."""
        origin, since = wish.content.origin, self.cluster.clock.now()
        key = f"key-{item.number % 3}" if item.naming == "key" else None
        came_in = None if origin is None else origin.date
        try:
            made = tenant.new_id(item.data_class, key=key, origin_date=came_in, keep_days=item.keep)
        except (InvalidRequest, OriginRefused) as error:
            refused = error.code
        else:
            self._check_day(replace(wish, id=made))
            return replace(wish, id=made, fresh=False)
        now = self.cluster.clock.now()
        kept = self.model.days_at(tenant.id, item.data_class, since - CACHED, now)
        assert any(refusal(days, wish, now) == refused for days in kept), f"{refused}: {wish}"
        return replace(wish, content=replace(wish.content, origin=None), fresh=False, keep=None)

    def _origin(self, item: Item) -> Origin | None:
        """Where the data of an item comes from, if it was not made here."""
        if item.taken is None:
            return None
        came_in = self.cluster.clock.now().date() - timedelta(days=item.taken)
        return Origin(came_in, bytes([item.taken]) * 32)

    def _named(self, item: Item, tenant: Tenant, earlier: list[PutRequest]) -> RecordId | None:
        """The id of something that is there, if the item asks for that and it is.

        Of this batch: one from which nothing of it derives yet. What does might see either.
        """
        needed = {parent for wish in earlier for parent in wish.content.parents}
        pools: dict[str, list[RecordId]] = {
            "minted": self.minted[tenant.id],
            "taken": [rec.id for rec in self.model.of(tenant.id)],
            "batch": [w.id for w in earlier if not w.fresh and w.id not in needed],
        }
        pool = pools.get(item.naming)
        return pool[-1 - item.number % len(pool)] if pool else None

    def _parents(self, item: Item, tenant: str, earlier: list[PutRequest]) -> Iterator[RecordId]:
        there = [rec.id for rec in self.model.of(tenant)]
        there += [wish.id for wish in earlier if not wish.fresh]
        for number in item.parents if there else ():
            yield there[-1 - number % len(there)]

    def _body(self, size: Size) -> bytes:
        number = next(self.numbers)
        if size == "none":
            return b""
        filler = random.Random(number).randbytes(SIZES[size])
        return invariants.PLAIN + b" %d " % number + filler

    def _judge(
        self, wish: PutRequest, answer: Answer, during: During, written: Sequence[tuple[str, str]]
    ) -> None:
        if answer.code == "killed":
            self._reconcile(wish, during, written)
            return
        code, result = answer.code, answer.result
        if isinstance(result, PutResult):
            code = STORED if result.stored else NOTHING
            if wish.fresh:
                wish = replace(wish, id=result.id)
                self._check_day(wish)
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

    def _remember(self, wish: PutRequest, during: During) -> None:
        rec = self.model.stored(wish, during)
        if not rec.sample:
            rec.sample = invariants.sample_of(self.cluster, TENANTS[rec.tenant].home, rec)

    def _check_term(self, wish: PutRequest, result: PutResult) -> None:
        day = wish.id.day
        end = None if day is None else datetime.combine(day, time(), UTC) + timedelta(days=1)

        assert result.deadline == end
        assert result.id.unique == wish.id.unique

    def _reconcile(
        self, wish: PutRequest, during: During, written: Sequence[tuple[str, str]]
    ) -> None:
        """Look up a put whose process died before the answer."""
        table = t.file if wish.id.day is None else t.record
        with self.cluster.looking(TENANTS[wish.tenant].home) as connection:
            there = connection.scalar(
                select(table.c.uid).where(
                    table.c.tenant == wish.tenant, table.c.uid == wish.id.unique
                )
            )
        if there is None or wish.name in self.model.records:
            self.model.failed(wish, during, written)
        else:
            self._remember(wish, during)

    def mint(self, op: Mint, process: Process) -> None:
        """Mint an id for later."""
        name = self.tenant(op.tenant)
        key = None if op.key is None else f"key-{op.key}"
        tenant = process.store.tenant(name)
        answer = self.ask(process, lambda: tenant.new_id(op.data_class, key=key))
        if isinstance(answer.result, RecordId):
            self._check_day(PutRequest(name, answer.result, Content(b"")))
            self.minted[name].append(answer.result)

    def _check_day(self, wish: PutRequest) -> None:
        """Require that an id has the day of its retention at its minting, as cached at most."""
        minted, tick = wish.id.minted, timedelta(milliseconds=1)
        about = wish.tenant, wish.id.data_class, minted - CACHED, minted + tick
        kept = self.model.days_at(*about)
        if wish.keep is not None:
            kept = {wish.keep for days in kept if days is None or wish.keep <= days}
        begins = wish.content.begins(minted)
        assert wish.id.day in {expiry(days, begins) for days in kept}, f"{wish}, not by {kept}"


def _noting(tenant: Tenant) -> list[RecordId | None]:
    """Return a list that receives the ids that the tenant mints from now on; None: refused."""
    minted: list[RecordId | None] = []
    mint = tenant.new_id

    def noted(
        data_class: DataClass,
        *,
        key: str | None = None,
        origin_date: date | None = None,
        keep_days: int | None = None,
        readable_until: datetime | None = None,
    ) -> RecordId:
        minted.append(None)
        made = mint(
            data_class,
            key=key,
            origin_date=origin_date,
            keep_days=keep_days,
            readable_until=readable_until,
        )
        minted[-1] = made
        return made

    tenant.new_id = noted  # type: ignore[method-assign]
    return minted


def _record(wish: PutRequest) -> NewRecord:
    content = wish.content
    return NewRecord(
        wish.id.data_class,
        content.body,
        None if wish.fresh else wish.id,
        content.subject,
        content.group,
        dict(content.metadata),
        content.parents,
        origin=content.origin,
        keep_days=wish.keep,
    )
