"""Nothing counts as absent from a backend that does not list a control in the same pass."""

from collections.abc import Callable

import pytest

from storage.errors import BackendFull, BackendUnavailable
from storage.evidence.receipts import verify
from storage.model import Erasure
from storage.objects import control
from storage.ports import ItemKind
from storage.testing import Call, Domicile
from tests.support.actions import erase, is_complete, put_prompt, work
from tests.support.inspect.stored import home, orphans

HIDDEN = {
    "everything": set(ItemKind),
    "objects": {ItemKind.OBJECT},
    "uploads": {ItemKind.UPLOAD},
}


def hide(kinds: set[ItemKind]) -> Callable[[Call], object]:
    """Return a fault that leaves items of these kinds out of each listing."""

    def fault(call: Call) -> object:
        found = call.proceed()
        assert isinstance(found, list)
        return [item for item in found if item.kind not in kinds]

    return fault


def erased(domicile: Domicile) -> Erasure:
    """Put a record, and erase it."""
    domicile.tenant()
    put_prompt(domicile, "u")
    return erase(domicile.store.tenant("acme-eu"))


@pytest.mark.parametrize("kinds", HIDDEN.values(), ids=HIDDEN)
def test_no_receipt_while_a_backend_hides_what_it_has(
    domicile: Domicile, kinds: set[ItemKind]
) -> None:
    """Its listings look like those of a backend where everything is gone."""
    erasure = erased(domicile)
    hiding = domicile.backends["eu-b"]
    hiding.inject(hide(kinds), "list_key")
    hiding.inject(lambda _: None, "purge", prefix="pack/")  # and it keeps what it is to delete

    for _ in range(4):
        work(domicile, hours=24)
    assert not is_complete(domicile, erasure)

    hiding.heal()
    for _ in range(3):
        work(domicile, hours=24)
    assert is_complete(domicile, erasure)
    assert orphans(home(domicile)) == []


@pytest.mark.parametrize("error", [BackendFull, BackendUnavailable])
def test_a_backend_that_does_not_take_the_control_is_still_emptied(
    domicile: Domicile, error: type[BackendUnavailable]
) -> None:
    """Deletion goes on; only the evidence waits."""
    erasure = erased(domicile)
    domicile.backends["eu-a"].fail_before["plant"] = lambda _: error("eu-a")
    work(domicile, hours=24)

    assert list(domicile.backends["eu-a"].inner.scan("pack/")) == []
    assert not is_complete(domicile, erasure)
    domicile.backends["eu-a"].fail_before.clear()
    for _ in range(3):
        work(domicile, hours=24)
    assert is_complete(domicile, erasure)


def test_a_receipt_names_the_control_and_the_topology(domicile: Domicile) -> None:
    """Each leaf says which object was listed meanwhile; it is in the catalog's list of objects."""
    erasure = erased(domicile)
    for _ in range(3):
        work(domicile, hours=24)
    token = domicile.store.erasure(erasure.id).receipt
    assert token is not None
    receipt = verify(token, home(domicile).signing.public_key())

    assert {len(leaf.control) for leaf in receipt.leaves} == {32}
    assert receipt.topology == home(domicile).topology.digest


def test_nothing_of_a_control_is_sent_after_its_deadline(domicile: Domicile) -> None:
    """The reaper may have made its final absence check: what comes later would have no row."""

    def slow(call: Call) -> object:
        domicile.pass_time(hours=1)
        return call.proceed()

    domicile.backends["eu-a"].inject(slow, "plant")
    planted = control.plant(home(domicile), ["eu-a", "eu-b"])

    assert domicile.backends["eu-b"].count("plant") == 0
    assert planted.failed == {"eu-b": "BackendUnavailable"}
    assert control.check(home(domicile), planted)["eu-b"] is not None


def test_controls_are_purged_too(domicile: Domicile) -> None:
    """No control stays longer than any other object, and none needs a control of its own."""
    erased(domicile)
    for _ in range(4):
        work(domicile, hours=24)

    for backend in domicile.backends.values():
        assert list(backend.inner.scan("canary/")) == []
