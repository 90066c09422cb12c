"""The ways in which records go into Domicile."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import cycle

from storage.client.aio.store import AsyncStore
from storage.client.homes import Homes
from storage.client.store import Store
from storage.client.tenant import Tenant
from storage.model import DataClass, NewRecord, PutResult, RecordId

THREADS = 32
IN_FLIGHT = 4096


def put_many(tenant: Tenant, bodies: Sequence[bytes]) -> list[RecordId]:
    """In bulk. Return the ids."""
    records = (
        NewRecord(DataClass.PROMPT, body, subject=f"user-{n % 999}")
        for n, body in enumerate(bodies)
    )
    ids: list[RecordId] = []
    for result in tenant.put_many(records):
        assert isinstance(result, PutResult), result
        assert result.id is not None
        ids.append(result.id)
    return ids


def of_subject(tenant: Tenant, subject: str, count: int) -> list[RecordId]:
    """Store records about a subject, and return their ids in the order of time."""
    records = (NewRecord(DataClass.PROMPT, b"x" * 64, subject=subject) for _ in range(count))
    results = list(tenant.put_many(records))
    ids = [one.id for one in results if isinstance(one, PutResult) and one.id is not None]
    return sorted(ids, key=str)


def put_from_threads(tenant: Tenant, bodies: Sequence[bytes], threads: int = THREADS) -> None:
    """From threads that wait for each record."""
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda body: tenant.put(DataClass.PROMPT, body, subject="u"), bodies):
            pass


def put_async(homes: Homes, tenants: Sequence[str], bodies: Sequence[bytes]) -> None:
    """From one event loop in which many tasks put one record after the other, in turns of tenants.

    No semaphore: when thousands are released at once, it costs half as much as a put.
    """

    async def run() -> None:
        store = AsyncStore(Store(homes, sleep=time.sleep))
        made = [await store.tenant(name) for name in tenants]
        left = iter(zip(bodies, cycle(made), strict=False))

        async def some() -> None:
            for body, tenant in left:
                await tenant.put(DataClass.PROMPT, body, subject="u")

        async with asyncio.TaskGroup() as group:
            for _ in range(min(IN_FLIGHT, len(bodies))):
                group.create_task(some())
        await store.close()

    asyncio.run(run())


def hand_over(tenant: Tenant, bodies: Sequence[bytes]) -> float:
    """Queue all without waiting, then wait for all. Return after how long the last was queued."""
    began = time.perf_counter()
    futures: list[Future[PutResult]] = [
        tenant.submit(NewRecord(DataClass.PROMPT, body, subject="u")) for body in bodies
    ]
    queued = time.perf_counter() - began
    for future in futures:
        future.result()
    return queued
