"""The fixtures of the kit for services of asyncio, and for those that open a store themselves."""

import asyncio

from storage import AsyncStore, DataClass, Purpose, open_async_store, open_store
from storage.testing import SERVICE, Domicile

PROMPT = DataClass.PROMPT


def test_a_service_of_asyncio(domicile: Domicile, domicile_async_store: AsyncStore) -> None:
    """It needs no plugin: any event loop does."""
    known = domicile.tenant().put(PROMPT, b"stored").id

    async def service() -> bytes:
        tenant = (await domicile_async_store.tenant("acme-eu")).bind(SERVICE)
        return (await tenant.get(known, purpose=Purpose.SERVE)).body

    assert asyncio.run(service()) == b"stored"


def answer_all() -> bytes:
    """A service that opens its own store, of the settings in its environment."""
    with open_store() as store:
        tenant = store.tenant("acme-eu").bind(SERVICE)
        put = tenant.put(PROMPT, b"of the service")
        return tenant.get(put.id, purpose=Purpose.SERVE).body


async def answer_async() -> int:
    """One of asyncio."""
    async with open_async_store() as store:
        return len(await (await store.tenant("acme-eu")).list())


def test_a_service_that_opens_its_own_store(domicile_opened: Domicile) -> None:
    """It is the same Domicile: same backends, catalogs and clock."""
    tenant = domicile_opened.tenant()
    assert answer_all() == b"of the service"
    assert asyncio.run(answer_async()) == len(tenant.list()) == 1
    domicile_opened.pass_time(days=40)
    assert asyncio.run(answer_async()) == 0
