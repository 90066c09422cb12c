"""A catalog that is restored from a dump: what was erased stays erased."""

import pytest

from storage.catalog import identity
from storage.cli.commands.status import show
from storage.errors import BackendUnavailable, CatalogRestored, Corrupt, Erased, Expired, NotFound
from storage.model import DataClass, NewRecord, PutResult, Reason, Scope
from storage.recovery import recover
from storage.testing import SERVICE, Domicile
from tests.support.actions import GONE, erase, get, is_complete, packs_on, work
from tests.support.catalogs.backups import Dump, recover_catalog, rehearse_recovery, start_recovery
from tests.support.inspect.stored import home, orphans

PROMPT = DataClass.PROMPT


def ledger_on(domicile: Domicile) -> dict[str, list[str]]:
    """Return the keys of ledger entries on each backend of the region."""
    return {
        name: [x.key for x in domicile.backends[name].scan("ledger/")] for name in ("eu-a", "eu-b")
    }


def test_what_was_erased_after_the_backup_stays_erased(domicile: Domicile) -> None:
    """For every scope: it is unreadable, and the erasure is completed."""
    t, leaver = domicile.tenant(), domicile.tenant("leaver-eu")
    kept = t.put(PROMPT, b"kept", subject="kept").id
    gone = {
        "record": t.put(PROMPT, b"by record").id,
        "subject": t.put(PROMPT, b"by subject", subject="u").id,
        "group": t.put(PROMPT, b"by group", group="g").id,
        "file": t.put_file([b"a file"], subject="u").id,
    }
    left = leaver.put(PROMPT, b"of who leaves").id
    dump = Dump.of(domicile)
    scopes = [Scope.record(gone["record"]), Scope.subject("u"), Scope.group("g")]
    erasures = [erase(t, scope) for scope in scopes]
    erasures.append(leaver.erase(Scope.tenant(), reason=Reason.CONTRACT_END))
    work(domicile)

    dump.restore(domicile)
    with pytest.raises(CatalogRestored, match="domicile recover --region eu-central-1"):
        domicile.open()
    report = recover_catalog(domicile)

    assert (report.events, report.missing, report.lost_records) == (4, 0, 0)
    t, leaver = (
        domicile.store.tenant("acme-eu").bind(SERVICE),
        domicile.store.tenant("leaver-eu").bind(SERVICE),
    )
    assert get(t, kept) == b"kept"
    for record_id in gone.values():
        with pytest.raises(Erased):
            get(t, record_id)
    with pytest.raises(Erased):
        get(leaver, left)
    work(domicile)
    work(domicile, days=4)
    assert all(is_complete(domicile, erasure) for erasure in erasures)
    assert len(packs_on(domicile)) == 2
    assert get(t, kept) == b"kept"
    assert orphans(home(domicile)) == []


def test_a_rehearsal_changes_nothing(domicile: Domicile) -> None:
    """It reports what a recovery would find, each time."""
    t = domicile.tenant()
    t.put(PROMPT, b"mine", subject="u")
    dump = Dump.of(domicile)
    erase(t)
    t.put(PROMPT, b"after the backup")
    assert rehearse_recovery(domicile) is None

    dump.restore(domicile)
    first, again = rehearse_recovery(domicile), rehearse_recovery(domicile)

    assert first == again
    assert first is not None
    assert first.changed == ("database", "table")
    assert (first.entries, first.events) == (1, 1)
    with pytest.raises(CatalogRestored, match="database, table changed"):
        domicile.open()


def test_what_was_put_after_the_backup_is_reported_and_goes(domicile: Domicile) -> None:
    """Its rows and keys are lost. There is no receipt while its bytes are left."""
    t = domicile.tenant()
    before = t.put(PROMPT, b"before").id
    dump = Dump.of(domicile)
    after = t.put(PROMPT, b"after", subject="u").id
    file = t.put_file([b"a file of after"]).id
    erasure = erase(t)

    dump.restore(domicile)
    report = start_recovery(domicile)
    assert report is not None
    assert len(packs_on(domicile)) == 6
    assert sorted((kind, count) for (kind, _), count in report.orphaned.items()) == [
        ("file_key", 1),
        ("pack", 1),
        ("pack", 1),
    ]
    recover_catalog(domicile)

    t = domicile.store.tenant("acme-eu").bind(SERVICE)
    domicile.backends["eu-b"].fail_before["purge"] = lambda _: BackendUnavailable("eu-b")
    work(domicile)
    assert not is_complete(domicile, erasure)
    domicile.backends["eu-b"].fail_before.clear()
    work(domicile, hours=2)
    assert is_complete(domicile, erasure)
    assert get(t, before) == b"before"
    for lost in (after, file):
        with pytest.raises(GONE):
            get(t, lost)
    assert len(packs_on(domicile)) == 2
    assert orphans(home(domicile)) == []


def test_what_has_lost_its_bytes_is_named(domicile: Domicile) -> None:
    """A pack was deleted on every backend: its erased records are not reported as lost."""
    t = domicile.tenant()
    new = [NewRecord(PROMPT, b"lost"), NewRecord(PROMPT, b"goes", subject="u")]
    lost, goes = (result.id for result in t.put_many(new) if isinstance(result, PutResult))
    deleted = packs_on(domicile)
    whole = t.put(PROMPT, b"in a pack of its own").id
    dump = Dump.of(domicile)
    erase(t)
    for backend in domicile.backends.values():
        for key in deleted:
            backend.purge(key)

    dump.restore(domicile)
    report = recover_catalog(domicile)

    assert [(one.tenant, one.id) for one in report.lost] == [("acme-eu", lost)]
    t = domicile.store.tenant("acme-eu").bind(SERVICE)
    with pytest.raises(Corrupt):
        get(t, lost)
    with pytest.raises(Erased):
        get(t, goes)
    assert get(t, whole) == b"in a pack of its own"


def test_what_expired_after_the_backup_stays_expired(domicile: Domicile) -> None:
    """It is no loss: the restored catalog expires it again, with nothing to purge."""
    t = domicile.tenant(retention={PROMPT: 2})
    expired = t.put(PROMPT, b"mine").id
    dump = Dump.of(domicile)
    work(domicile, days=3)
    assert packs_on(domicile) == []

    dump.restore(domicile)
    report = recover_catalog(domicile)

    assert (report.events, report.lost_records, report.orphaned) == (0, 0, {})
    with pytest.raises(Expired):
        get(domicile.store.tenant("acme-eu").bind(SERVICE), expired)
    work(domicile)
    with pytest.raises(NotFound):
        get(domicile.store.tenant("acme-eu").bind(SERVICE), expired)


def test_a_backend_that_is_down_throughout(domicile: Domicile) -> None:
    """The others have the ledger. There is no receipt before the last backend was read."""
    t = domicile.tenant()
    mine = t.put(PROMPT, b"mine", subject="u").id
    dump = Dump.of(domicile)
    domicile.take_down("eu-b")
    erasure = erase(t)

    dump.restore(domicile)
    report = recover_catalog(domicile)
    assert (report.events, report.silent) == (1, {"eu-b"})
    with pytest.raises(Erased):
        get(domicile.store.tenant("acme-eu").bind(SERVICE), mine)
    work(domicile, hours=1)
    assert not is_complete(domicile, erasure)

    domicile.bring_back("eu-b")
    work(domicile)
    work(domicile, hours=2)
    assert is_complete(domicile, erasure)
    assert packs_on(domicile) == []


def test_an_entry_that_only_a_silent_backend_has(domicile: Domicile) -> None:
    """It is replayed when the backend answers, and its receipt waits for the orphans."""
    t = domicile.tenant()
    mine = t.put(PROMPT, b"mine", subject="u").id
    dump = Dump.of(domicile)
    domicile.take_down("eu-a")
    t.put(PROMPT, b"lost, and on eu-b alone", subject="u")
    erasure = erase(t)

    dump.restore(domicile)
    domicile.bring_back("eu-a")
    domicile.take_down("eu-b")
    assert recover_catalog(domicile).events == 0
    assert get(domicile.store.tenant("acme-eu").bind(SERVICE), mine) == b"mine"
    domicile.bring_back("eu-b")
    domicile.backends["eu-b"].fail_before["purge"] = lambda _: BackendUnavailable("eu-b")
    work(domicile)

    with pytest.raises(GONE):
        get(domicile.store.tenant("acme-eu").bind(SERVICE), mine)
    work(domicile, hours=1)
    assert not is_complete(domicile, erasure)
    domicile.backends["eu-b"].fail_before.clear()
    work(domicile, hours=2)
    assert is_complete(domicile, erasure)
    assert packs_on(domicile) == []


def test_forgotten_bytes_that_only_a_silent_backend_has(
    domicile: Domicile, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no receipt while it is down, nor before they are gone."""
    t = domicile.tenant()
    t.put(PROMPT, b"somebody else's", subject="v")
    dump = Dump.of(domicile)
    domicile.take_down("eu-a")
    t.put(PROMPT, b"on eu-b alone", subject="u")
    domicile.bring_back("eu-a")
    erasure = erase(t)

    dump.restore(domicile)
    domicile.take_down("eu-b")
    assert recover_catalog(domicile).events == 1
    work(domicile, hours=1)
    assert not is_complete(domicile, erasure)
    (told,) = [region for region in domicile.store.status().regions if region.unread]
    assert told.unread == ("eu-b",)
    show(told)
    assert "eu-b did NOT ANSWER" in capsys.readouterr().out
    domicile.bring_back("eu-b")
    domicile.backends["eu-b"].fail_before["purge"] = lambda _: BackendUnavailable("eu-b")
    work(domicile, hours=1)
    assert not is_complete(domicile, erasure)
    domicile.backends["eu-b"].fail_before.clear()
    work(domicile, hours=2)
    assert is_complete(domicile, erasure)
    assert not any(region.unread for region in domicile.store.status().regions)
    assert len(packs_on(domicile)) == 2


@pytest.mark.parametrize("at", range(4))
def test_a_recovery_that_is_killed(
    domicile: Domicile, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Wherever it is killed, no store opens before the recovery is finished."""
    t = domicile.tenant()
    mine = t.put(PROMPT, b"mine", subject="u").id
    kept = t.put(PROMPT, b"kept").id
    dump = Dump.of(domicile)
    t.put(PROMPT, b"after the backup", subject="u")
    t.put(PROMPT, b"after it, and by itself")
    erasure = erase(t)
    dump.restore(domicile)

    step = [(recover, "replay"), (recover, "_note"), (recover, "_repair"), (identity, "accept")][at]
    real = getattr(*step)

    def killed(*given: object) -> object:
        real(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(*step, killed)
    with pytest.raises(KeyboardInterrupt):
        recover_catalog(domicile)
    monkeypatch.undo()
    with pytest.raises(CatalogRestored):
        domicile.open()
    recover_catalog(domicile)

    t = domicile.store.tenant("acme-eu").bind(SERVICE)
    with pytest.raises(Erased):
        get(t, mine)
    assert get(t, kept) == b"kept"
    work(domicile, hours=1)
    assert is_complete(domicile, erasure)
    assert len(packs_on(domicile)) == 2


def test_a_second_restore_of_the_same_backup(domicile: Domicile) -> None:
    """What the first recovery replayed, and later erasures, are replayed again."""
    t = domicile.tenant()
    first, second = (t.put(PROMPT, b"mine", subject=name).id for name in ("u", "v"))
    dump = Dump.of(domicile)
    erase(t)
    dump.restore(domicile)
    assert recover_catalog(domicile).events == 1
    erase(domicile.store.tenant("acme-eu").bind(SERVICE), Scope.subject("v"))

    dump.restore(domicile)
    report = recover_catalog(domicile)

    assert (report.events, report.missing) == (2, 0)
    for record_id in (first, second):
        with pytest.raises(Erased):
            get(domicile.store.tenant("acme-eu").bind(SERVICE), record_id)


def test_an_entry_that_is_missing_or_unreadable_is_told(domicile: Domicile) -> None:
    """The next entry names it; it is reported once, and the recovery continues."""
    t = domicile.tenant()
    t.put(PROMPT, b"mine", subject="u")
    dump = Dump.of(domicile)
    for name in ("u", "v", "w"):
        erase(t, Scope.subject(name))
    entries = sorted(ledger_on(domicile)["eu-a"])
    for backend in ("eu-a", "eu-b"):
        first, second, _ = sorted(ledger_on(domicile)[backend])
        domicile.backends[backend].inner.purge(first)
        domicile.backends[backend].inner.put(second, b"damaged", timeout=1)

    dump.restore(domicile)
    report = recover_catalog(domicile)

    assert len(entries) == 3
    assert (report.entries, report.events, report.unreadable, report.missing) == (2, 1, 1, 1)
    assert rehearse_recovery(domicile) is None
