"""A restored catalog learns of copies that were handed to a processor after the backup."""

import hashlib

import pytest

from storage.bootstrap import open_restored
from storage.catalog import identity
from storage.errors import BackendUnavailable, Erased, LedgerUnwritten
from storage.evidence.receipts import verify
from storage.model import CopyState, DataClass, Erasure
from storage.testing import SERVICE, Call, Domicile, FakeProcessor
from tests.support.actions import duty, erase, get, is_complete, put_prompt, work
from tests.support.catalogs.backups import Dump, recover_catalog
from tests.support.faults.transactions import ran, watching
from tests.support.inspect.stored import HOME, home, object_states

pytestmark = pytest.mark.one_region

MODERATION, BY_HAND = "klarblick", "handverlesen"
DIGEST = hashlib.sha256(b"we have deleted it").digest()


def processor(domicile: Domicile) -> FakeProcessor:
    """The one that answers by itself."""
    return domicile.processors[MODERATION]


def words(domicile: Domicile, erasure: Erasure) -> set[object]:
    """Return the copies that the receipt names."""
    token = domicile.store.erasure(erasure.id).receipt
    assert token is not None
    told = verify(token, home(domicile).signing.public_key())
    return {word.copy_id for word in told.processors}


def stay_in_place(domicile: Domicile) -> None:
    """Open the restored catalog as a disk snapshot is opened: under the same identity."""
    with (
        open_restored(domicile.settings, dependencies=domicile.dependencies, only=HOME) as found,
        found[0].catalog.begin() as connection,
    ):
        identity.accept(connection)
    domicile.open()


def test_an_erasure_waits_for_a_copy_that_the_backup_lacks(domicile: Domicile) -> None:
    """The copy is asked back at once, and there is no receipt before the confirmation."""
    t = domicile.tenant()
    answer = t.put(DataClass.COMPLETION, b"answer", derived_from=[put_prompt(domicile, "u")]).id
    dump = Dump.of(domicile)
    made = t.hand_over(answer, MODERATION)
    there = processor(domicile)
    erasure = erase(t)
    there.pending = True
    there.deletion_requests.clear()

    dump.restore(domicile)
    assert recover_catalog(domicile).events == 2

    work(domicile, hours=1)
    assert there.deletion_requests == set(there.copies) == {made.copy}
    assert not is_complete(domicile, erasure)
    there.pending = False
    work(domicile, hours=1)
    assert there.copies == {}
    assert is_complete(domicile, erasure)
    assert words(domicile, erasure) == {made.copy}


def test_a_copy_of_what_nobody_erased_is_asked_back(domicile: Domicile) -> None:
    """The ledger does not say whether it arrived, so it is asked back. The record stays."""
    t = domicile.tenant()
    put = put_prompt(domicile, "u")
    dump = Dump.of(domicile)
    made = t.hand_over(put, MODERATION)

    dump.restore(domicile)
    recover_catalog(domicile)
    (copy,) = domicile.store.admin.processors.copies(HOME)
    assert (copy.id, copy.state, copy.deadline) == (made.copy, CopyState.ANNOUNCED, made.deadline)

    work(domicile, hours=1)
    assert processor(domicile).copies == {}
    assert list(domicile.store.admin.processors.copies(HOME)) == []
    assert get(domicile.store.tenant("acme-eu").bind(SERVICE), put) == b"mine"


def test_what_was_attested_after_the_backup_is_attested_again(domicile: Domicile) -> None:
    """The attestation was lost with the catalog, and the receipt needs it."""
    t = domicile.tenant()
    put = put_prompt(domicile, "u")
    dump = Dump.of(domicile)
    made = t.hand_over(put, BY_HAND)
    erasure = erase(t)
    work(domicile, hours=2)
    domicile.store.admin.processors.attest(made.copy, digest=DIGEST, actor="officer-7")
    work(domicile)
    assert is_complete(domicile, erasure)

    dump.restore(domicile)
    recover_catalog(domicile)
    work(domicile, hours=1)
    assert not is_complete(domicile, erasure)
    domicile.store.admin.processors.attest(made.copy, digest=DIGEST, actor="officer-7")
    work(domicile)
    assert is_complete(domicile, erasure)


def test_a_copy_that_only_the_ledger_of_a_silent_backend_has(domicile: Domicile) -> None:
    """The erasure was planned without it, and waits for it once the backend answers."""
    t = domicile.tenant()
    put = put_prompt(domicile, "u")
    dump = Dump.of(domicile)
    domicile.take_down("eu-a")
    made = t.hand_over(put, MODERATION)
    domicile.bring_back("eu-a")
    domicile.take_down("eu-b")
    erasure = erase(t)

    dump.restore(domicile)
    assert recover_catalog(domicile).events == 1
    work(domicile, hours=1)
    assert list(domicile.store.admin.processors.copies(HOME)) == []
    domicile.bring_back("eu-b")
    processor(domicile).pending = True
    work(domicile, hours=1)
    work(domicile, hours=1)
    left = domicile.store.erasure(erasure.id).outstanding
    assert [(x.backend, x.replicas) for x in left] == [(MODERATION, 1)]

    processor(domicile).pending = False
    work(domicile, hours=1)
    assert is_complete(domicile, erasure)
    assert words(domicile, erasure) == {made.copy}


def test_a_server_that_was_set_back_while_a_copy_was_announced(domicile: Domicile) -> None:
    """The guard cannot notice it: the entry was announced. No receipt until it is resolved."""
    t = domicile.tenant()
    put, dumps = put_prompt(domicile, "u"), list[Dump]()
    with watching(home(domicile).catalog) as faults:
        announcing = ran("INSERT INTO processor_copy")
        faults.at_commit(announcing, before=lambda _: dumps.append(Dump.of(domicile)))
        made = t.hand_over(put, MODERATION)
    dumps[0].restore(domicile)
    stay_in_place(domicile)

    erasure = erase(domicile.store.tenant("acme-eu"))
    for name in ("plan", "purge", "sweep", "complete"):
        duty(domicile, name)
    assert not is_complete(domicile, erasure)
    waits_for = {left.backend for left in domicile.store.erasure(erasure.id).outstanding}
    assert waits_for == {"eu-a", "eu-b"}, "whoever may have the entry is named"
    processor(domicile).pending = True
    work(domicile, hours=1)
    assert not is_complete(domicile, erasure)
    processor(domicile).pending = False
    work(domicile, hours=1)
    assert processor(domicile).copies == {}
    assert is_complete(domicile, erasure)
    assert words(domicile, erasure) == {made.copy}


def test_a_copy_that_the_ledger_does_not_have_is_not_handed_over(domicile: Domicile) -> None:
    """It would be lost with the catalog, so nothing is sent, and there is no row."""
    t = domicile.tenant()
    put = put_prompt(domicile, "u")
    for name in ("eu-a", "eu-b"):
        domicile.backends[name].fail_before["put"] = lambda _, name=name: BackendUnavailable(name)  # type: ignore[misc]

    with pytest.raises(LedgerUnwritten, match="Nothing was handed over"):
        t.hand_over(put, MODERATION)

    assert processor(domicile).calls == []
    assert list(domicile.store.admin.processors.copies(HOME)) == []
    for name in ("eu-a", "eu-b"):
        domicile.backends[name].fail_before.clear()
    work(domicile, hours=1)
    assert object_states(home(domicile), "ledger").keys() <= {"gone"}
    made = t.hand_over(put, MODERATION)
    assert set(processor(domicile).copies) == {made.copy}


def test_a_copy_whose_record_is_erased_meanwhile_is_in_the_ledger_alone(domicile: Domicile) -> None:
    """The hand-over was refused. A restored catalog asks back a copy that never arrived."""
    t = domicile.tenant()
    put = put_prompt(domicile, "u")
    dump = Dump.of(domicile)
    erasures: list[Erasure] = []

    def meanwhile(call: Call) -> object:
        erasures.append(erase(t))
        return call.proceed()

    domicile.backends["eu-a"].inject(meanwhile, "put", prefix="ledger/", times=1)
    with pytest.raises(Erased):
        t.hand_over(put, MODERATION)
    assert processor(domicile).calls == []

    dump.restore(domicile)
    assert recover_catalog(domicile).events == 2
    for _ in range(2):
        work(domicile, hours=1)
    assert is_complete(domicile, erasures[0])
    assert list(domicile.store.admin.processors.copies(HOME)) == []
