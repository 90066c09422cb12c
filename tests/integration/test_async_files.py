"""Files through the async store."""

import asyncio
from collections.abc import AsyncIterator, Callable
from io import BytesIO

import pytest

from storage import (
    AsyncBoundTenant,
    AsyncStore,
    Purpose,
    StreamFailed,
    TooFewReplicas,
)
from storage.testing import Domicile
from tests.support.async_helpers import (
    BODY,
    SERVE,
    as_async,
    body_pieces,
    packs_left,
    run_async,
)

pytestmark = pytest.mark.one_region


class AsyncFile:
    """A file like those of ``aiofiles`` and of the upload forms of web frameworks."""

    def __init__(self, body: bytes) -> None:
        self._file = BytesIO(body)

    async def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""
        await asyncio.sleep(0)
        return self._file.read(size)


@pytest.mark.parametrize(
    "stream",
    [
        lambda: BytesIO(BODY),
        body_pieces,
        lambda: as_async(body_pieces()),
        lambda: AsyncFile(BODY),
        lambda: [BODY],
    ],
    ids=["file", "iterator", "async iterator", "async file", "list"],
)
def test_files_of_every_kind(domicile: Domicile, stream: Callable) -> None:  # type: ignore[type-arg]
    """A streamed file is read in ranges and in chunks."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        put = await t.put_file(stream(), filename="a.jsonl", subject="u", metadata={"n": 1})
        async with t.open(put.id, purpose=Purpose.SERVE) as file:
            assert (file.size, file.info.id) == (len(BODY), put.id)
            assert file.metadata == {"filename": "a.jsonl", "n": 1}
            assert await file.read_range(1_000_000, 1_100_000) == BODY[1_000_000:1_100_000]
            assert b"".join([chunk async for chunk in file.chunks(999_999)]) == BODY

    run_async(domicile, work)


def test_a_stream_that_fails_leaves_nothing(domicile: Domicile) -> None:
    """The call raises StreamFailed, with the stream's error as its cause."""

    async def broken() -> AsyncIterator[bytes]:
        yield BODY
        raise OSError("cut")

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        with pytest.raises(StreamFailed) as caught:
            await t.put_file(broken())
        assert isinstance(caught.value.__cause__, OSError)

    run_async(domicile, work)

    assert packs_left(domicile) == []


def test_an_upload_fails_at_once_though_its_client_stalls(domicile: Domicile) -> None:
    """If no backend is left, the upload fails without waiting for the next chunk."""
    domicile.tenant()
    for name in ("eu-a", "eu-b"):
        domicile.backends[name].full = True

    async def stalled() -> AsyncIterator[bytes]:
        yield BODY
        await asyncio.Event().wait()

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        with pytest.raises(TooFewReplicas):
            await t.put_file(stalled())

    run_async(domicile, work)


def test_more_copies_than_threads(domicile: Domicile) -> None:
    """Reading files from the store and writing them back does not deadlock."""

    async def work(store: AsyncStore, t: AsyncBoundTenant) -> None:
        put = await t.put_file([b"a" * 3000])

        async def copy() -> int:
            async with t.open(put.id, purpose=SERVE) as file:
                copied = await t.put_file(file.chunks(1000))
            return (await t.get(copied.id, purpose=SERVE)).info.size

        assert await asyncio.gather(*(copy() for _ in range(40))) == [3000] * 40

    run_async(domicile, work)
