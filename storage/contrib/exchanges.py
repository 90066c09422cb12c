"""Exchanges with a model, as a gateway sees them: a prompt, later an answer, or none.

What a hook for a gateway has to do, without any gateway: ``storage.contrib.litellm`` uses it.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from enum import StrEnum
from weakref import finalize

from storage import (
    AsyncStore,
    AsyncTenant,
    DataClass,
    InvalidRequest,
    NewRecord,
    PutFailure,
    RecordId,
    Store,
    open_store,
)
from storage.contrib.content import Attachment, as_plain, attachments, encoded, with_references

Opening = Callable[[], AbstractContextManager[Store]]


class Level(StrEnum):
    """What of an exchange is stored."""

    FULL = "full"  # the prompt and the answer
    METADATA_ONLY = "metadata_only"  # an event without content, when the exchange is over
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Asker:
    """For whom a request is made: the tenant, its end user, and the conversation."""

    tenant: str
    subject: str | None
    group: str | None


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request whose answer is to come. ``prompt``: None if none was stored."""

    asker: Asker
    level: Level
    facts: Mapping[str, object]
    prompt: RecordId | None


class Exchanges:
    """Stores exchanges. Use it in one event loop; the store is opened at the first use.

    Every method raises what ``Tenant.put`` raises, and what ``open_store`` raises.
    """

    def __init__(self, opening: Opening = open_store) -> None:
        """``opening`` opens the store. It is closed by ``close``, or when the process ends."""
        self._opening = opening
        self._lock = asyncio.Lock()
        self._store: AsyncStore | None = None
        self._closing: Callable[[], object] | None = None
        self._storing: set[asyncio.Task[None]] = set()

    async def begin(
        self,
        asker: Asker,
        level: Level,
        *,
        call: str,
        request: Mapping[str, object],
        facts: Mapping[str, object],
    ) -> Exchange:
        """Store the prompt, and return the exchange. On return, it is durable.

        ``call`` is the id of the request: repeated with the same content it is stored once, with
        other content it raises IdConflict. ``facts`` are metadata. Attachments become records of
        their own that derive from the prompt. With ``metadata_only`` nothing is stored yet.
        """
        if level is Level.NONE:
            raise InvalidRequest("An exchange of which nothing is stored does not begin.")
        tenant = await self._tenant(asker.tenant)
        prompt = None
        if level is Level.FULL:
            prompt = await self._put_prompt(tenant, asker, call, request, facts)
        return Exchange(asker, level, facts, prompt)

    async def end(
        self,
        exchange: Exchange,
        answer: object,
        *,
        facts: Mapping[str, object] | None = None,
        incomplete: bool = False,
    ) -> None:
        """Store the answer, None if there was none. On return, it is durable.

        If the caller is cancelled, storing continues.
        """
        record = _answer(exchange, answer, facts or {}, incomplete=incomplete)
        storing = asyncio.create_task(self._put(exchange.asker.tenant, record))
        self._storing.add(storing)
        storing.add_done_callback(self._stored)
        await asyncio.shield(storing)

    def close(self) -> None:
        """Close the store, if it was opened. Blocks the thread that calls it."""
        if self._closing is not None:
            self._closing()

    async def _put_prompt(
        self,
        tenant: AsyncTenant,
        asker: Asker,
        call: str,
        request: Mapping[str, object],
        facts: Mapping[str, object],
    ) -> RecordId | None:
        plain = as_plain(request)
        found = attachments(plain)
        ids = [
            await tenant.new_id(DataClass.PROMPT, key=f"{call}/{number}")
            for number in range(len(found) + 1)
        ]
        references = map(_reference, ids[1:])
        body = encoded(with_references(plain, references) if found else plain)
        put = await tenant.put(
            DataClass.PROMPT,
            body,
            id=ids[0],
            subject=asker.subject,
            group=asker.group,
            metadata=facts,
        )
        if not put.stored:
            return None
        await self._put_attachments(tenant, ids, found)
        return put.id

    async def _put_attachments(
        self, tenant: AsyncTenant, ids: list[RecordId], found: list[Attachment]
    ) -> None:
        """Store them after the prompt, from which they derive, so that they are erased with it."""
        for own, one in zip(ids[1:], found, strict=True):
            await tenant.put(
                DataClass.PROMPT,
                one.body,
                id=own,
                metadata={"content_type": one.kind},
                derived_from=[ids[0]],
            )

    async def _put(self, tenant: str, record: NewRecord) -> None:
        own = await self._tenant(tenant)
        if record.incomplete:  # what ``put`` does not take
            (result,) = [one async for one in own.put_many([record])]
            if isinstance(result, PutFailure):
                raise result.error
            return
        await own.put(
            record.data_class,
            record.body,
            subject=record.subject,
            group=record.group,
            metadata=record.metadata,
            derived_from=record.derived_from,
        )

    def _stored(self, storing: asyncio.Task[None]) -> None:
        self._storing.discard(storing)
        if not storing.cancelled():
            storing.exception()  # whoever was cancelled does not ask for it

    async def _tenant(self, tenant: str) -> AsyncTenant:
        return await (await self._opened()).tenant(tenant)

    async def _opened(self) -> AsyncStore:
        async with self._lock:
            if self._store is None:
                opening = self._opening()
                self._store = AsyncStore(await asyncio.to_thread(opening.__enter__))
                self._closing = finalize(self, _close, self._store, opening)
            return self._store


def _reference(own: RecordId) -> RecordId:
    """Return an id by which the record is found, and which a repeated call has too.

    The moment of the minting differs from call to call, and nobody looks for a record by it.
    """
    day = own.minted.replace(hour=0, minute=0, second=0, microsecond=0)
    return replace(own, minted=day)


def _close(store: AsyncStore, opening: AbstractContextManager[Store]) -> None:
    store.shut()
    opening.__exit__(None, None, None)


def _answer(
    exchange: Exchange, answer: object, facts: Mapping[str, object], *, incomplete: bool
) -> NewRecord:
    full = exchange.level is Level.FULL
    return NewRecord(
        DataClass.COMPLETION if full else DataClass.EVENT,
        encoded(as_plain(answer)) if full and answer is not None else b"",
        subject=exchange.asker.subject,
        group=exchange.asker.group,
        metadata={**exchange.facts, **facts},
        derived_from=() if exchange.prompt is None else (exchange.prompt,),
        incomplete=incomplete,
    )
