"""Short calls for what most tests do: put, read, erase, work."""

from contextlib import ExitStack
from io import BytesIO

import structlog
from sqlalchemy import update

from storage.bootstrap import worker_of
from storage.catalog import tables as t
from storage.client.homes import Homes
from storage.client.regions import ServedRegions
from storage.client.store import Store
from storage.client.tenant import BoundTenant, Tenant
from storage.clock import steady
from storage.errors import Erased, NotFound
from storage.model import DataClass, Erasure, ErasureState, Purpose, Reason, RecordId, Scope
from storage.testing import SERVICE, Domicile
from storage.workers.loop import duties
from tests.support.inspect.stored import HOME, home, homes_of

GONE = (Erased, NotFound)
"""What a read of an erased record raises: a fence is not kept for ever."""


def put_prompt(domicile: Domicile, subject: str) -> RecordId:
    """Put a short prompt about ``subject``; return its id."""
    t = domicile.store.tenant("acme-eu").bind(SERVICE)
    return t.put(DataClass.PROMPT, b"mine", subject=subject).id


def put_file(domicile: Domicile, subject: str) -> RecordId:
    """Put a small file about ``subject``; return its id."""
    return (
        domicile.store.tenant("acme-eu")
        .bind(SERVICE)
        .put_file(BytesIO(b"mine"), subject=subject)
        .id
    )


def get(t: BoundTenant, record_id: RecordId) -> bytes:
    """Return the body, read for the purpose ``serve``."""
    return t.get(record_id, purpose=Purpose.SERVE).body


def erase(t: Tenant, scope: Scope | None = None) -> Erasure:
    """Erase the subject ``u``, or ``scope``."""
    return t.erase(scope or Scope.subject("u"), reason=Reason.SUBJECT_REQUEST)


def is_complete(domicile: Domicile, erasure: Erasure) -> bool:
    """Return whether the erasure has its receipt."""
    return domicile.store.erasure(erasure.id).state is ErasureState.COMPLETE


def work(domicile: Domicile, **time: float) -> None:
    """Let time pass, then do all that a worker of the region that tests work in can do."""
    domicile.pass_time(**time)
    with ExitStack() as stack:
        here = {HOME: lambda _: domicile.homes.served(HOME)}
        only = Homes(ServedRegions(here, stack, clock=steady, seconds=0.0))
        worker_of(only, domicile.log).run_once()


def duty(domicile: Domicile, name: str, store: Store | None = None) -> None:
    """Run one duty of a worker until it finds nothing to do."""
    served = homes_of(store or domicile.store).served(HOME)
    todo = {d.name: d for d in duties(served.region, served.keys, structlog.get_logger())}
    while todo[name].piece():
        pass


def packs_on(domicile: Domicile) -> list[str]:
    """Return the keys of packs that are on any backend, in any version."""
    return [trace.key for b in domicile.backends.values() for trace in b.scan("pack/")]


def purge_all(domicile: Domicile, name: str) -> None:
    """Let nothing be on a backend, and let the catalog say so, though nobody listed it."""
    inner, r = domicile.backends[name].inner, t.replica.c
    for trace in list(inner.scan()):
        inner.purge(trace.key)
    with home(domicile).catalog.begin() as connection:
        connection.execute(update(t.replica).where(r.backend == name).values(state="gone"))
