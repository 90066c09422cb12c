"""Asking the database for the time while all connections are in use."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from storage import DataClass, Purpose, open_store
from storage.clock import _REFRESH, CatalogClock, steady
from storage.dependencies import Dependencies
from storage.testing import SERVICE, Domicile

pytestmark = pytest.mark.one_region


def test_nobody_waits_for_a_connection_to_ask_the_time(domicile: Domicile) -> None:
    """All threads ask for the time while each has one of the few connections."""
    domicile.tenant()
    minutes = 0
    settings = domicile.settings.model_copy(update={"connections": 3})
    dependencies = Dependencies(
        clock=lambda catalog: CatalogClock(catalog, lambda: steady() + minutes * _REFRESH),
        backend=domicile._backend,
    )
    with (
        open_store(settings, dependencies=dependencies, log=domicile.log) as store,
        ThreadPoolExecutor(16) as pool,
    ):
        t = store.tenant("acme-eu").bind(SERVICE)
        put = t.put(DataClass.PROMPT, b"hello")
        for minutes in range(1, 4):  # noqa: B007 - the clock reads it
            asks = [pool.submit(t.get, put.id, purpose=Purpose.SERVE) for _ in range(64)]
            assert {ask.result().body for ask in asks} == {b"hello"}
