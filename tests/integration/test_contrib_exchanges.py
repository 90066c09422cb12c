"""What a hook for a gateway stores: a prompt, later an answer, or none."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import pytest

from storage import (
    BoundTenant,
    CatalogUnavailable,
    DataClass,
    DomicileError,
    IdConflict,
    InvalidRequest,
    Purpose,
    Reason,
    Record,
    Scope,
    Store,
    UnknownTenant,
)
from storage.contrib.exchanges import Asker, Exchange, Exchanges, Level
from storage.testing import Domicile

pytestmark = pytest.mark.one_region

ASKER = Asker("acme-eu", "user-7", "thread-9")
REQUEST = {"messages": [{"role": "user", "content": "Which lake?"}]}
FACTS = {"model": "m"}


@pytest.fixture
def exchanges(domicile: Domicile) -> Iterator[Exchanges]:
    """Exchanges with the store of the test."""
    domicile.tenant()

    @contextmanager
    def opening() -> Iterator[Store]:
        yield domicile.store

    made = Exchanges(opening)
    yield made
    made.close()


async def begin(
    exchanges: Exchanges,
    level: Level = Level.FULL,
    *,
    asker: Asker = ASKER,
    call: str = "call-1",
    request: Mapping[str, object] = REQUEST,
) -> Exchange:
    """Begin an exchange."""
    return await exchanges.begin(asker, level, call=call, request=request, facts=FACTS)


def records(tenant: BoundTenant) -> list[Record]:
    """All that is stored, oldest first."""
    return [tenant.get(info.id, purpose=Purpose.SERVE) for info in tenant.list()]


def test_a_prompt_and_its_answer(domicile: Domicile, exchanges: Exchanges) -> None:
    """The prompt is there before the answer is; both are of the subject and the group."""
    tenant = domicile.tenant()

    async def exchange() -> None:
        begun = await begin(exchanges)
        assert [info.data_class for info in tenant.list()] == [DataClass.PROMPT]
        await exchanges.end(begun, {"content": "Lake Lucerne."}, facts={"tokens": 3})

    asyncio.run(exchange())
    prompt, answer = records(tenant)
    assert json.loads(prompt.body) == REQUEST
    assert prompt.metadata == FACTS
    assert json.loads(answer.body) == {"content": "Lake Lucerne."}
    assert answer.metadata == FACTS | {"tokens": 3}
    assert len(tenant.list(subject="user-7", group="thread-9")) == 2

    tenant.erase(Scope.record(prompt.id), reason=Reason.CUSTOMER_REQUEST)
    assert records(tenant) == []


def test_without_content_there_is_an_event(domicile: Domicile, exchanges: Exchanges) -> None:
    """One, when the exchange is over."""

    async def exchange() -> None:
        begun = await begin(exchanges, Level.METADATA_ONLY)
        await exchanges.end(begun, {"content": "Lake Lucerne."}, facts={"tokens": 3})

    asyncio.run(exchange())
    (event,) = records(domicile.tenant())
    assert event.info.data_class is DataClass.EVENT
    assert (event.body, event.metadata) == (b"", FACTS | {"tokens": 3})


def test_an_exchange_of_which_nothing_is_stored_does_not_begin(exchanges: Exchanges) -> None:
    """Whoever calls knows the level."""
    with pytest.raises(InvalidRequest):
        asyncio.run(begin(exchanges, Level.NONE))


def test_an_answer_that_was_cut_off_is_marked(domicile: Domicile, exchanges: Exchanges) -> None:
    """And one that never came is empty."""

    async def exchange() -> None:
        await exchanges.end(await begin(exchanges), {"content": "La"}, incomplete=True)
        other = await begin(exchanges, call="call-2")
        await exchanges.end(other, None, facts={"error": "Timeout"}, incomplete=True)

    asyncio.run(exchange())
    answers = [
        (one.body, one.info.incomplete)
        for one in records(domicile.tenant())
        if one.info.data_class is DataClass.COMPLETION
    ]
    assert answers == [(b'{"content":"La"}', True), (b"", True)]


def test_images_are_records_that_go_with_their_prompt(
    domicile: Domicile, exchanges: Exchanges
) -> None:
    """The prompt has references to them."""
    request = {"messages": [{"image_url": {"url": "data:image/png;base64,iVBORw=="}}]}
    tenant = domicile.tenant()

    asyncio.run(begin(exchanges, request=request))

    image, prompt = sorted(records(tenant), key=lambda one: "content_type" not in one.metadata)
    (message,) = json.loads(prompt.body)["messages"]
    reference = message["image_url"]["url"].removeprefix("domicile:")
    assert tenant.get(reference, purpose=Purpose.SERVE).id == image.id
    assert (image.body, image.metadata) == (b"\x89PNG", {"content_type": "image/png"})
    assert len(tenant.list(subject="user-7")) == 2
    tenant.erase(Scope.record(prompt.id), reason=Reason.CUSTOMER_REQUEST)
    assert records(tenant) == []


def test_a_repeated_call_is_one_prompt(domicile: Domicile, exchanges: Exchanges) -> None:
    """With other content it is refused: it would replace what was stored."""

    async def repeat() -> None:
        one, two = await begin(exchanges), await begin(exchanges)
        assert one.prompt == two.prompt
        with pytest.raises(IdConflict):
            await begin(exchanges, request={"messages": ["other"]})

    asyncio.run(repeat())
    assert len(records(domicile.tenant())) == 1


def test_a_repeated_call_with_an_image_is_one_prompt(
    domicile: Domicile, exchanges: Exchanges
) -> None:
    """At another moment: the first try may have ended before the image was stored."""
    request = {"messages": [{"image_url": {"url": "data:image/png;base64,iVBORw=="}}]}

    async def repeat() -> None:
        one = await begin(exchanges, request=request)
        domicile.clock.advance(timedelta(minutes=2))
        assert (await begin(exchanges, request=request)).prompt == one.prompt

    asyncio.run(repeat())
    assert len(records(domicile.tenant())) == 2


def test_an_answer_is_stored_though_its_caller_leaves(
    domicile: Domicile, exchanges: Exchanges
) -> None:
    """Cancelled at every await, as some frameworks do."""

    async def leave() -> None:
        begun = await begin(exchanges)
        ending = asyncio.create_task(exchanges.end(begun, {"content": "La"}, incomplete=True))
        await asyncio.sleep(0)
        ending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ending
        while exchanges._storing:
            await asyncio.wait(exchanges._storing)

    asyncio.run(leave())
    assert [one.info.incomplete for one in records(domicile.tenant())] == [False, True]


def test_an_unknown_tenant_is_told_before_the_model_is_called(exchanges: Exchanges) -> None:
    """At each level."""

    async def ask() -> None:
        for level in (Level.FULL, Level.METADATA_ONLY):
            with pytest.raises(UnknownTenant):
                await begin(exchanges, level, asker=Asker("other", None, None))

    asyncio.run(ask())


def test_a_store_that_did_not_open_is_opened_again(domicile: Domicile) -> None:
    """So a proxy that starts before its database serves when that is there."""
    domicile.tenant()
    openings = iter([CatalogUnavailable(), None])

    @contextmanager
    def opening() -> Iterator[Store]:
        error = next(openings)
        if error is not None:
            raise error
        yield domicile.store

    exchanges = Exchanges(opening)

    async def exchange() -> None:
        with pytest.raises(CatalogUnavailable):
            await begin(exchanges)
        await asyncio.gather(begin(exchanges), begin(exchanges, call="call-2"))

    asyncio.run(exchange())
    exchanges.close()
    assert len(records(domicile.tenant())) == 2


def test_under_zero_retention_nothing_is_stored(domicile: Domicile, exchanges: Exchanges) -> None:
    """And nothing fails: an answer has no parent then."""
    retention = {DataClass.PROMPT: 0, DataClass.COMPLETION: 0}
    tenant = domicile.tenant("none-eu", retention=retention)

    async def exchange() -> None:
        request = {"messages": [{"url": "data:image/png;base64,iVBORw=="}]}
        begun = await begin(exchanges, asker=Asker("none-eu", "user-7", None), request=request)
        await exchanges.end(begun, {"content": "Lake Lucerne."})

    asyncio.run(exchange())
    assert records(tenant) == []


def test_what_cannot_be_stored_is_told(domicile: Domicile, exchanges: Exchanges) -> None:
    """Of the prompt, and of the answer."""

    async def exchange() -> None:
        begun = await begin(exchanges)
        domicile.take_down("eu-a", "eu-b")
        with pytest.raises(DomicileError):
            await begin(exchanges, call="call-2")
        with pytest.raises(DomicileError):
            await exchanges.end(begun, {"content": "Lake Lucerne."})

    asyncio.run(exchange())
    domicile.bring_back("eu-a", "eu-b")
    assert len(records(domicile.tenant())) == 1
