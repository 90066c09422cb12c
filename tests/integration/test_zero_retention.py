"""Zero retention: nothing of what a tenant writes is written anywhere, whatever goes wrong."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest

from regions.model import CONTENT_CLASSES
from storage.client.aio.store import AsyncStore
from storage.client.tenant import BoundTenant
from storage.demo.byte_finder import Finder
from storage.demo.search_targets import in_catalogs, on_backends, on_disk
from storage.errors import CatalogUnavailable, DomicileError, NotFound, StreamFailed
from storage.logs import make_logger
from storage.model import DataClass, NewRecord, Purpose, PutResult, Reason, Scope
from storage.testing import SERVICE, Domicile
from tests.support.actions import erase
from tests.support.processors.copies import MODERATION

pytestmark = pytest.mark.one_region

# of this process alone: the database that is searched is one that other tests use too
BODY, SUBJECT, GROUP, FILENAME, KEY, TEXT = (f"planted-{os.urandom(8).hex()}" for _ in range(6))
WRITTEN = f"written-{os.urandom(8).hex()}"
TOLD = BODY, SUBJECT, GROUP, FILENAME, KEY, TEXT
METADATA = {"tool": {"name": TEXT, TEXT: [TEXT]}}
LARGE = BODY.encode() * 15_000
ALL = CONTENT_CLASSES


@pytest.fixture
def tenant(domicile: Domicile) -> BoundTenant:
    """A tenant that has nothing stored, of any class with content."""
    return domicile.tenant(retention=dict.fromkeys(ALL, 0))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, which every new temporary file is in."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def pieces(domicile: Domicile, temporary: Path) -> Iterator[tuple[str, bytes]]:
    """Yield all that was written: to backends, with ledger and log; to catalogs; to disks."""
    for some in (on_backends(domicile.homes), in_catalogs(domicile.homes)):
        yield from ((f"{piece.location}: {piece.name}", piece.data) for piece in some)
    for where in (domicile.settings.home.parent, temporary):  # the database is beside the home
        yield from ((piece.name, piece.data) for piece in on_disk(where))


def found(
    domicile: Domicile, temporary: Path, log: StringIO, secrets: Sequence[str]
) -> dict[str, set[bytes]]:
    """Return where a planted secret was written, in clear or in a usual encoding."""
    finder = Finder(told.encode() for told in secrets)
    everything = [*pieces(domicile, temporary), ("log", log.getvalue().encode())]
    assert len(everything) > 100  # it looked at something
    return {name: hits for name, data in everything if (hits := finder.find(data))}


def write_everything(tenant: BoundTenant) -> list[bool]:
    """Write in every way; return what was said to be stored."""
    stored = []
    for data_class in ALL:
        put = tenant.put(
            data_class,
            BODY.encode(),
            id=tenant.new_id(data_class, key=KEY),
            subject=SUBJECT,
            group=GROUP,
            metadata=METADATA,
        )
        large = tenant.put(data_class, LARGE, subject=SUBJECT)
        many = tenant.put_many([NewRecord(data_class, BODY.encode(), subject=SUBJECT)] * 20)
        with tenant.capture(data_class, subject=SUBJECT, metadata=METADATA) as sink:
            sink.write(BODY.encode())
        assert sink.result is not None
        results = [put, large, *(one for one in many if isinstance(one, PutResult)), sink.result]
        stored += [one.stored for one in results]
        with pytest.raises(NotFound):
            tenant.get(put.id, purpose=Purpose.SERVE)
        with pytest.raises(DomicileError):
            tenant.hand_over(put.id, MODERATION)
    stored.append(tenant.put_file([LARGE], filename=FILENAME, subject=SUBJECT).stored)
    return stored


def fail_in_every_way(tenant: BoundTenant) -> None:
    """Let streams break and callers give up halfway, and pass what is refused."""

    def breaks() -> Iterator[bytes]:
        yield LARGE
        raise RuntimeError(BODY)

    with suppress(StreamFailed):
        tenant.put_file(breaks(), filename=FILENAME)
    with suppress(RuntimeError), tenant.capture(DataClass.COMPLETION, subject=SUBJECT) as sink:
        sink.write(BODY.encode())
        raise RuntimeError(BODY)
    for wrong in ({"metadata": {BODY: "x" * 5000}}, {"keep_days": 7}, {"derived_from": [BODY]}):
        with suppress(DomicileError):
            tenant.put(DataClass.PROMPT, BODY.encode(), subject=SUBJECT, **wrong)
    list(tenant.put_many([NewRecord(DataClass.PROMPT, BODY.encode(), group="")]))


async def cancel_halfway(domicile: Domicile, tenant: str) -> None:
    """Cancel streams of an asyncio service while they are read."""
    store = AsyncStore(domicile.store)
    mine = (await store.tenant(tenant)).bind(SERVICE)
    begun = asyncio.Event()

    async def forever() -> AsyncIterator[bytes]:
        yield LARGE
        begun.set()
        await asyncio.sleep(60)

    async def captured() -> None:
        async with mine.capture(DataClass.COMPLETION, subject=SUBJECT) as sink:
            await sink.write(BODY.encode())
            begun.set()
            await asyncio.sleep(60)

    async def filed() -> None:
        await mine.put_file(forever(), filename=FILENAME)

    for write in (filed, captured):
        begun.clear()
        task = asyncio.create_task(write())
        started = asyncio.create_task(begun.wait())
        await asyncio.wait([started, task], return_when=asyncio.FIRST_COMPLETED)
        for one in (started, task):
            one.cancel()
            with suppress(asyncio.CancelledError):
                await one


def test_under_zero_retention_nothing_is_written_anywhere(
    domicile: Domicile, tenant: BoundTenant, temporary: Path
) -> None:
    """Backends, catalogs, ledger, log, temporary files: through errors and cancelled streams."""
    log = StringIO()
    domicile.log = make_logger(log)
    domicile.open()
    bound = domicile.store.tenant(tenant.id).bind(SERVICE)

    stored = write_everything(bound)
    fail_in_every_way(bound)
    asyncio.run(cancel_halfway(domicile, tenant.id))
    domicile.take_down(*domicile.backends)
    write_everything(bound)
    fail_in_every_way(bound)
    domicile.bring_back(*domicile.backends)
    with domicile.catalog_faults() as faults:
        faults.down = True
        with suppress(CatalogUnavailable):
            write_everything(bound)
    erase(bound, Scope.subject("somebody else"))
    domicile.run_worker()

    assert set(stored) == {False}
    assert list(temporary.iterdir()) == []
    assert found(domicile, temporary, log, TOLD) == {}


def test_the_search_finds_what_is_written(domicile: Domicile, temporary: Path) -> None:
    """A secret in a ticket, and a temporary file: otherwise an empty answer says nothing."""
    t = domicile.tenant()
    t.erase(Scope.subject("u"), reason=Reason.CUSTOMER_REQUEST, ticket=WRITTEN)
    (temporary / "spool").write_bytes(WRITTEN.encode())

    where = found(domicile, temporary, StringIO(), [WRITTEN])

    assert any(name.startswith("catalog eu-central-1") for name in where)
    assert "spool" in where
