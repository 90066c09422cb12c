"""Receipts as a worker issues them: they state what was seen, and when."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import update

from regions.backends import BackendSpec
from storage.catalog import tables as t
from storage.evidence.keys import PublishedKey, export_jwk_set
from storage.evidence.receipts import Leaf, Receipt, verify
from storage.model import DataClass, Erasure, Scope
from storage.ports import ItemKind
from storage.testing import Domicile
from storage.workers.erase import complete
from storage.workers.purge import purge
from tests.support.actions import duty, erase, is_complete, put_prompt, work
from tests.support.holds import place_hold, release_holds
from tests.support.inspect.stored import home
from tests.support.receipt_verifier import read_receipt

r = t.replica.c

# joserfc says at every use that RFC 9864 would rather call EdDSA Ed25519
pytestmark = [
    pytest.mark.one_region,
    pytest.mark.filterwarnings("ignore:EdDSA is deprecated"),
]


def token_of(domicile: Domicile, erasure: Erasure) -> str:
    """Return the receipt as it is stored."""
    token = domicile.store.erasure(erasure.id).receipt
    assert token is not None
    return token


def receipt_of(domicile: Domicile, erasure: Erasure) -> Receipt:
    """Return the verified content of the receipt."""
    return verify(token_of(domicile, erasure), home(domicile).signing.public_key())


def purged(domicile: Domicile, *subjects: str) -> list[Erasure]:
    """Return erasures whose records are purged and that have no receipt yet."""
    t = domicile.tenant()
    found = []
    for subject in subjects:
        t.put(DataClass.PROMPT, b"mine", subject=subject)
        found.append(erase(t, Scope.subject(subject)))
        duty(domicile, "plan")
    duty(domicile, "purge")
    duty(domicile, "sweep")
    return found


def complete_with(domicile: Domicile, backends: Sequence[BackendSpec], **more: Any) -> None:  # noqa: ANN401
    """Complete erasures with a topology that has these backends."""
    region = home(domicile)
    today = region.region.model_copy(update={"backends": tuple(backends), **more})
    complete(replace(region, region=today), structlog.get_logger())


def leaves(receipt: Receipt) -> set[tuple[str, str, str, tuple[str, ...]]]:
    """Return backend, company, method and kinds of each leaf."""
    return {
        (leaf.backend, leaf.sub_processor, leaf.how, tuple(leaf.looked_for))
        for leaf in receipt.leaves
    }


def test_one_signature_for_all_that_is_complete(domicile: Domicile) -> None:
    """A worker signs once. Each receipt is verified alone, by other software too."""
    erasures = purged(domicile, "a", "b", "c")
    duty(domicile, "complete")
    tokens = [token_of(domicile, erasure) for erasure in erasures]
    key = home(domicile).signing.public_key()
    keys = export_jwk_set([PublishedKey(key, 1, None, None)])

    assert len({token.split("~")[0] for token in tokens}) == 1
    assert len(set(tokens)) == 3
    assert [read_receipt(token, keys)["erasure"] for token in tokens] == [
        str(erasure.id) for erasure in erasures
    ]


def test_says_what_was_looked_for_on_each_backend_and_when(domicile: Domicile) -> None:
    """Each backend states what it listed, at its own time."""
    erasure = erase_with_one_backend_later(domicile)
    receipt = receipt_of(domicile, erasure)
    kinds = tuple(sorted(home(domicile).backends["eu-a"].listable))
    at = {leaf.backend: leaf.absent_at for leaf in receipt.leaves}

    assert leaves(receipt) == {
        ("eu-a", "lindenhost", "seen", kinds),
        ("eu-b", "meerspeicher", "seen", kinds),
    }
    assert {leaf.located for leaf in receipt.leaves} == {"local"}
    assert at["eu-b"] - at["eu-a"] > timedelta(hours=1)
    assert receipt.absent_since == at["eu-b"]
    assert receipt.requested == erasure.requested
    assert receipt.unreadable_since == erasure.fenced
    assert receipt.last_key_copy_gone_by == at["eu-b"] + timedelta(days=7)
    assert (receipt.processors, receipt.deferred) == ((), ())


def erase_with_one_backend_later(domicile: Domicile) -> Erasure:
    """Erase while one backend is down for two hours."""
    put_prompt_of(domicile)
    domicile.take_down("eu-b")
    erasure = erase(domicile.store.tenant("acme-eu"))
    work(domicile)
    domicile.bring_back("eu-b")
    work(domicile, hours=2)
    return erasure


def put_prompt_of(domicile: Domicile) -> None:
    """Make a tenant and put a prompt on both backends."""
    domicile.tenant()
    put_prompt(domicile, "u")
    work(domicile)


@pytest.mark.parametrize("forgotten", ["eu-a", "eu-b"])
def test_a_backend_that_the_topology_does_not_name_any_more(
    domicile: Domicile, forgotten: str
) -> None:
    """The receipt states what was recorded at the time, whatever the topology is now."""
    (erasure,) = purged(domicile, "u")
    kept = [spec for spec in home(domicile).region.backends if spec.name != forgotten]

    complete_with(domicile, kept)

    assert {
        (leaf.backend, leaf.sub_processor) for leaf in receipt_of(domicile, erasure).leaves
    } == {
        ("eu-a", "lindenhost"),
        ("eu-b", "meerspeicher"),
    }


def test_a_backend_that_is_described_otherwise_since(domicile: Domicile) -> None:
    """Neither a new company nor a new attestation changes what was recorded."""
    (erasure,) = purged(domicile, "u")
    with home(domicile).catalog.begin() as connection:
        connection.execute(update(t.replica).where(r.state == "gone").values(located="checked"))
    changed = [
        spec.model_copy(
            update={"sub_processor": "quellwerk", "attested_off": frozenset({"versions"})}
        )
        for spec in home(domicile).region.backends
    ]

    complete_with(domicile, changed)
    receipt = receipt_of(domicile, erasure)

    assert {leaf.sub_processor for leaf in receipt.leaves} == {"lindenhost", "meerspeicher"}
    assert {leaf.located for leaf in receipt.leaves} == {"checked"}
    assert {leaf.how for leaf in receipt.leaves} == {"seen"}


def test_what_a_backend_cannot_list_is_attested_never_seen(domicile: Domicile) -> None:
    """It has its own leaves, beside those of what was listed."""
    sees = frozenset({ItemKind.OBJECT, ItemKind.MARKER, ItemKind.VERSION})
    domicile.backends["eu-b"].inner.listable = sees  # type: ignore[misc]
    region = home(domicile).region
    off = region.backends[1].model_copy(update={"attested_off": frozenset({"uploads"})})
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"mine", subject="u")
    work(domicile)
    erasure = erase(t)
    duty(domicile, "plan")
    attesting = replace(
        home(domicile),
        region=region.model_copy(update={"backends": (region.backends[0], off)}),
    )
    purge(attesting, structlog.get_logger())
    duty(domicile, "sweep")
    duty(domicile, "complete")

    found = {x for x in leaves(receipt_of(domicile, erasure)) if x[0] == "eu-b"}
    assert found == {
        ("eu-b", "meerspeicher", "seen", ("marker", "object", "version")),
        ("eu-b", "meerspeicher", "attested", ("upload",)),
    }


@pytest.mark.parametrize("how", ["seen", "attested"])
def test_what_former_code_noted(domicile: Domicile, how: str) -> None:
    """Its one word is read as the least that it can mean."""
    (erasure,) = purged(domicile, "u")
    with home(domicile).catalog.begin() as connection:
        connection.execute(
            update(t.replica)
            .where(r.state == "gone")
            .values(sub_processor=None, located=None, seen=None, attested=None, how=how)
        )
    kept = [spec for spec in home(domicile).region.backends if spec.name != "eu-b"]
    complete_with(domicile, kept)

    seen = {("eu-a", "lindenhost", "seen", ("object",)), ("eu-b", "not-noted", "seen", ("object",))}
    attested = {
        ("eu-a", "lindenhost", "attested", ("upload", "version")),
        ("eu-b", "not-noted", "attested", ("upload", "version")),
    }
    assert leaves(receipt_of(domicile, erasure)) == (seen | attested if how == "attested" else seen)


def test_a_hold_is_part_of_the_whole(domicile: Domicile) -> None:
    """Bytes are absent after the last release, and the receipt names the deferral."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"kept for a while", subject="u")
    placed = place_hold(domicile)
    hold = placed.hold
    erasure = erase(t, Scope.subject("u"))
    work(domicile, hours=73)
    assert not is_complete(domicile, erasure)

    release_holds(domicile, placed)
    work(domicile)
    work(domicile, hours=73)

    receipt = receipt_of(domicile, erasure)
    (deferred,) = receipt.deferred
    assert (deferred.hold, deferred.records) == (hold.id, 1)
    assert receipt.unreadable_since < deferred.since < deferred.until <= receipt.absent_since


def test_nothing_found_is_a_receipt_too(domicile: Domicile) -> None:
    """An erasure that found nothing gets a receipt too."""
    erasure = erase(domicile.tenant(), Scope.subject("nobody"))
    work(domicile)
    receipt = receipt_of(domicile, erasure)

    assert is_complete(domicile, erasure)
    assert (receipt.leaves, receipt.deleted) == ((), 0)


def test_a_leaf_for_every_pack_and_backend(domicile: Domicile) -> None:
    """There is no leaf for packs that others still use."""
    (erasure,) = purged(domicile, "u")
    put_prompt(domicile, "someone else")
    duty(domicile, "complete")
    found: list[Leaf] = list(receipt_of(domicile, erasure).leaves)

    assert sorted((leaf.object, leaf.backend) for leaf in found) == sorted(
        (object_id, backend)
        for object_id in {leaf.object for leaf in found}
        for backend in ("eu-a", "eu-b")
    )
    assert len({leaf.object for leaf in found}) == 1
