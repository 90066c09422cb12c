"""Put, get, erase, compact, expire and purge, stopped in the middle while another one goes on."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from storage.errors import BackendUnavailable, Erased, NotFound
from storage.model import DataClass, Erasure, ErasureState, Purpose, Reason, RecordId, Scope
from storage.tenant import Tenant
from storage.testing import Domicile, Gate
from tests.support.commits import ANNOUNCING, COMMITTING, CatalogFaults
from tests.support.looking import contents, eventually

GONE = (Erased, NotFound)
Stop = Callable[[Domicile, CatalogFaults, Gate], None]


def erase(t: Tenant, subject: str = "u") -> Erasure:
    """Erase a subject."""
    return t.erase(Scope.subject(subject), reason=Reason.SUBJECT_REQUEST)


def get(t: Tenant, record_id: RecordId) -> bytes:
    """Read for the tenant's own use."""
    return t.get(record_id, purpose=Purpose.SERVE).body


def work(domicile: Domicile, **time: float) -> None:
    """Let the time pass, and the worker do what there is."""
    domicile.pass_time(**time)
    domicile.run_worker()


def is_complete(domicile: Domicile, erasure: Erasure) -> bool:
    """Whether there is a receipt."""
    return domicile.store.erasure(erasure.id).state is ErasureState.COMPLETE


def packs_on(domicile: Domicile) -> list[str]:
    """The keys of packs that are on any backend, in any version."""
    return [trace.key for b in domicile.backends.values() for trace in b.scan("pack/")]


# --- erase and put -------------------------------------------------------------------------------


def after_announce(domicile: Domicile, faults: CatalogFaults, gate: Gate) -> None:
    """The pack is announced, and nothing of it is sent."""
    faults.at_commit(ANNOUNCING, after=lambda _: gate.wait())


def during_put(domicile: Domicile, faults: CatalogFaults, gate: Gate) -> None:
    """One backend has the bytes, the other is about to get them."""
    domicile.backends["eu-b"].gates["put"] = gate


def after_put(domicile: Domicile, faults: CatalogFaults, gate: Gate) -> None:
    """All bytes are there, and nothing is committed."""
    domicile.backends["eu-b"].fail_after["put"] = lambda _: gate.wait()  # type: ignore[func-returns-value]


STOPS: list[Stop] = [after_announce, during_put, after_put]


@pytest.mark.parametrize("planned", [False, True])
@pytest.mark.parametrize("stop", STOPS)
def test_an_erasure_between_the_steps_of_a_put(
    domicile: Domicile, faults: CatalogFaults, aside: ThreadPoolExecutor, stop: Stop, planned: bool
) -> None:
    """The put is refused, and there is no receipt while a backend has its bytes."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"the day key is made")
    gate = Gate()
    stop(domicile, faults, gate)
    minted = t.new_id(DataClass.PROMPT)
    put = aside.submit(t.put, DataClass.PROMPT, b"mine", id=minted, subject="u")
    gate.reached.wait(30)
    erasure = erase(t)
    if planned:
        domicile.run_worker()
    stuck = domicile.backends["eu-b"]
    stuck.fail_before["purge"] = stuck.fail_before["purge"] = lambda _: BackendUnavailable("eu-b")
    gate.open.set()
    with pytest.raises(Erased):
        put.result(30)

    work(domicile)
    with pytest.raises(Erased):
        get(t, minted)
    assert not is_complete(domicile, erasure)
    stuck.fail_before.clear()
    work(domicile, hours=1)
    assert is_complete(domicile, erasure)
    assert domicile.store.erasure(erasure.id).deleted == 0
    assert len(packs_on(domicile)) == 2
