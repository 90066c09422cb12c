"""Short limits of time for the database, and calls that must keep to them."""

from collections.abc import Callable

import pytest

from storage.catalog import address
from storage.catalog.connections import TimedConnection
from storage.catalog.times import Times
from storage.client.tenant import BoundTenant
from storage.model import DataClass, Scope
from storage.testing import Domicile
from tests.support.actions import erase, get

QUICK = Times(lock=0.2, statement=0.5, idle=60)
BOUND = 20.0
"""Seconds: far beyond these limits, far below those of somebody who waits."""


def shorten_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten what a server may take to accept a connection, and to answer at all."""
    monkeypatch.setattr("storage.catalog.times._SLACK", 0.5)
    monkeypatch.setitem(address._FIXED, "connect_timeout", 2)
    monkeypatch.setattr(TimedConnection, "patience", 1.0)
    monkeypatch.setattr("storage.catalog.connections.CONNECTED", 1.0)


def shorten_transactions(domicile: Domicile, times: Times = QUICK) -> None:
    """Shorten the limits of the transactions of an open store."""
    for served in domicile.homes.regions.values():
        served.region.catalog.times = times


def _status(domicile: Domicile) -> None:
    """Raise the error of the first region that does not tell its status."""
    for error in domicile.store.status().failed.values():
        raise error


def calls(t: BoundTenant, domicile: Domicile) -> dict[str, Callable[[], object]]:
    """Return what must not hang."""
    kept = t.put(DataClass.PROMPT, b"kept").id
    return {
        "get": lambda: get(t, kept),
        "put": lambda: t.put(DataClass.PROMPT, b"new"),
        "erase": lambda: erase(t, Scope.subject("nobody")),
        "list": t.list,
        "status": lambda: _status(domicile),
    }
