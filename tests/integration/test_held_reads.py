"""Reads of what a legal hold keeps: on record, under a grant, and none without."""

from dataclasses import replace

import pytest

from storage.client.tenant import Tenant
from storage.errors import (
    PurposeRefused,
    TooFewReplicas,
)
from storage.model import (
    DataClass,
    LineKind,
    Purpose,
    RecordId,
)
from storage.testing import Domicile
from tests.support.actions import GONE, erase, get
from tests.support.holds import (
    COUNSEL,
    confirm,
    held_tenant,
    open_held,
    place_hold,
    release_holds,
)
from tests.support.transparency import lines

pytestmark = pytest.mark.one_region


def put(t: Tenant, body: bytes, **more: object) -> RecordId:
    """Put a prompt, about the subject ``u`` by default."""
    return t.put(DataClass.PROMPT, body, **({"subject": "u"} | more)).id  # type: ignore[arg-type]


def test_who_opens_is_in_the_log_first(domicile: Domicile) -> None:
    """Also when no checkpoint can be stored: then nothing is opened, and the line stays."""
    mine = put(domicile.tenant(), b"mine")
    placed = place_hold(domicile)
    confirm(domicile, placed)
    domicile.take_down("eu-a", "eu-b")
    with pytest.raises(TooFewReplicas):
        open_held(domicile, placed, mine)

    opening, *_ = lines(domicile, LineKind.OPENING)
    assert (opening["actor"], opening["purpose"], opening["tenant"]) == (
        "counsel-1",
        "legal",
        "acme-eu",
    )
    assert opening["record"] == str(mine)


@pytest.mark.parametrize("why", ["released", "not covered", "without a grant", "by another"])
def test_nothing_is_opened_without_a_hold_and_a_grant(domicile: Domicile, why: str) -> None:
    """Each refusal is on record, and no opening is."""
    tenant = domicile.tenant()
    mine, other = put(tenant, b"mine"), put(tenant, b"other", subject="v")
    placed = place_hold(domicile)
    counsel = held_tenant(domicile.store, domicile.settings, placed.hold.id)
    if why == "released":
        release_holds(domicile, placed)
    if why == "without a grant":
        counsel = domicile.store.tenant("acme-eu").bind(COUNSEL)
    if why == "by another":
        counsel = counsel.bind(replace(COUNSEL, id="somebody"), grant=counsel.grant)

    with pytest.raises(PurposeRefused) as caught:
        counsel.get(other if why == "not covered" else mine, purpose=Purpose.LEGAL)

    assert lines(domicile, LineKind.OPENING) == []
    (refusal,) = lines(domicile, LineKind.REFUSAL)
    assert refusal["reasons"] == list(caught.value.reasons)


def test_an_open_record_is_shut_by_the_release(domicile: Domicile) -> None:
    """Every range checks again."""
    mine = put(domicile.tenant(), b"mine")
    placed = place_hold(domicile)
    counsel = held_tenant(domicile.store, domicile.settings, placed.hold.id)
    with counsel.open(mine, purpose=Purpose.LEGAL) as file:
        assert file.read_range(0, 2) == b"mi"
        release_holds(domicile, placed)
        with pytest.raises(PurposeRefused):
            file.read_range(2, 4)


def test_a_hold_changes_nothing_for_the_owner(domicile: Domicile) -> None:
    """Records that are neither erased nor expired are read, listed and written as before."""
    tenant = domicile.tenant()
    mine = put(tenant, b"mine")
    place_hold(domicile, future=True)

    assert get(tenant, mine) == b"mine"
    assert [info.id for info in tenant.list(subject="u")] == [mine]
    assert get(tenant, put(tenant, b"more")) == b"more"
    erase(tenant)
    with pytest.raises(GONE):
        get(tenant, mine)
    assert get(tenant, put(tenant, b"new")) == b"new"
