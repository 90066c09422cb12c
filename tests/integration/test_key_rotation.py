"""Key rotation: records under older versions are read, found and erased as before."""

import os
from typing import cast

import pytest
from sqlalchemy import text

from storage.crypto.root import Section, rotate
from storage.dependencies import Dependencies
from storage.errors import Erased, KeyUnavailable, LineageConflict, SettingsError
from storage.initialize import init
from storage.model import DataClass, ErasureState, Purpose, Reason, Scope
from storage.testing import Domicile, FakeClock
from tests.support.actions import work
from tests.support.holds import held_records, open_held, place_hold
from tests.support.inspect.stored import home

pytestmark = pytest.mark.one_region

HOME = "eu-central-1"
PROMPT, SERVE = DataClass.PROMPT, Purpose.SERVE
MEANS = Dependencies(clock=lambda _: FakeClock())


def rotated(domicile: Domicile, section: Section = "pseudonym") -> None:
    """Rotate the keys, tell the catalog, and open the store anew."""
    rotate(domicile.settings.regions[HOME].keys_file, os.urandom, region=HOME, section=section)
    init(domicile.settings, dependencies=domicile.dependencies)
    domicile.open()


def test_a_subject_is_found_under_every_version(domicile: Domicile) -> None:
    """A list and an erasure find the subject under each version."""
    before = domicile.tenant().put(PROMPT, b"before", subject="u", group="g").id
    rotated(domicile)
    t = domicile.tenant()
    after = t.put(PROMPT, b"after", subject="u", group="g").id

    assert {r.id for r in t.list(subject="u")} == {r.id for r in t.list(group="g")}
    assert {r.id for r in t.list(subject="u")} == {before, after}
    erasure = t.erase(Scope.subject("u"), reason=Reason.SUBJECT_REQUEST)
    for gone in (before, after):
        with pytest.raises(Erased):
            t.get(gone, purpose=SERVE)
    work(domicile)
    work(domicile, days=4)
    assert domicile.store.erasure(erasure.id).state is ErasureState.COMPLETE


def test_a_fence_holds_across_a_rotation(domicile: Domicile) -> None:
    """An id minted before an erasure is refused after it, in each process."""
    t = domicile.tenant()
    early = t.new_id(PROMPT)
    t.erase(Scope.subject("u"), reason=Reason.SUBJECT_REQUEST)
    t.erase(Scope.group("g"), reason=Reason.SUBJECT_REQUEST)
    rotated(domicile)
    t = domicile.tenant()

    for about in ({"subject": "u"}, {"group": "g"}):
        with pytest.raises(Erased):
            t.put(PROMPT, b"late", id=early, **about)  # type: ignore[arg-type]


def test_a_record_derives_from_one_of_before(domicile: Domicile) -> None:
    """It inherits the subject, though the subject's pseudonym has changed."""
    parent = domicile.tenant().put(PROMPT, b"before", subject="u").id
    rotated(domicile)
    t = domicile.tenant()
    child = t.put(DataClass.COMPLETION, b"after", subject="u", derived_from=[parent]).id

    with pytest.raises(LineageConflict):
        t.put(DataClass.COMPLETION, b"x", subject="someone else", derived_from=[parent])
    t.erase(Scope.subject("u"), reason=Reason.SUBJECT_REQUEST)
    with pytest.raises(Erased):
        t.get(child, purpose=SERVE)


def test_a_version_is_not_used_before_its_catalog_knows_it(domicile: Domicile) -> None:
    """Otherwise processes without that version would erase without it."""
    file = domicile.settings.regions[HOME].keys_file
    rotate(file, os.urandom, region=HOME, section="pseudonym")

    with pytest.raises(SettingsError, match="Run domicile init"):
        domicile.open()
    init(domicile.settings, dependencies=domicile.dependencies)
    domicile.open()


def test_a_process_that_knows_too_few_versions_says_so(domicile: Domicile) -> None:
    """Started before the rotation, it would miss what others have stored since."""
    t = domicile.tenant()
    rotate(domicile.settings.regions[HOME].keys_file, os.urandom, region=HOME, section="pseudonym")
    init(domicile.settings, dependencies=domicile.dependencies)

    with pytest.raises(KeyUnavailable, match="newest key file"):
        t.list(subject="u")
    with pytest.raises(KeyUnavailable, match="newest key file"):
        t.erase(Scope.subject("u"), reason=Reason.SUBJECT_REQUEST)
    assert domicile.store.erasures(HOME) == []


def test_an_older_copy_of_the_key_file(domicile: Domicile) -> None:
    """An older key file, restored from a backup, is refused: it lacks a version."""
    file = domicile.settings.regions[HOME].keys_file
    older = file.read_bytes()
    rotated(domicile)
    file.write_bytes(older)

    with pytest.raises(SettingsError, match="Restore the newest one"):
        domicile.open()
    with pytest.raises(SettingsError, match="Restore the newest one"):
        init(domicile.settings, dependencies=domicile.dependencies)


@pytest.mark.parametrize("section", ["root", "signing"])
def test_the_other_keys(domicile: Domicile, section: str) -> None:
    """Records stored before are readable after, and erasures get receipts."""
    before = domicile.tenant().put(PROMPT, b"before").id
    rotated(domicile, cast(Section, section))
    t = domicile.tenant()
    after = t.put(PROMPT, b"after").id

    assert [t.get(i, purpose=SERVE).body for i in (before, after)] == [b"before", b"after"]
    erasure = t.erase(Scope.tenant(), reason=Reason.CONTRACT_END)
    work(domicile)
    work(domicile, days=4)
    assert domicile.store.erasure(erasure.id).receipt


def test_a_hold_finds_its_subject_under_keys_that_came_later(domicile: Domicile) -> None:
    """A hold that covers the future covers records under newer keys at once."""
    t = domicile.tenant()
    before = t.put(PROMPT, b"before", subject="u", group="g").id
    by_subject = place_hold(domicile, future=True)
    by_group = place_hold(domicile, Scope.group("g"), future=True)
    past = place_hold(domicile)
    rotated(domicile)
    rotated(domicile)
    t = domicile.tenant()
    domicile.pass_time(minutes=1)
    after = t.put(PROMPT, b"after", subject="u", group="g").id
    t.put(PROMPT, b"other", subject="v", group="h")

    assert held_records(domicile, by_subject) == held_records(domicile, by_group) == {before, after}
    assert held_records(domicile, past) == {before}
    assert open_held(domicile, by_subject, after) == b"after"


def test_a_hold_that_is_placed_later_finds_what_was_stored_under_an_older_key(
    domicile: Domicile,
) -> None:
    """It looks for every pseudonym of the name."""
    before = domicile.tenant().put(PROMPT, b"before", subject="u").id
    rotated(domicile)

    assert held_records(domicile, place_hold(domicile)) == {before}


def test_a_sealed_name_opens_for_its_own_hold_alone(domicile: Domicile) -> None:
    """Moved to another hold in the catalog, it would change what that hold keeps."""
    domicile.tenant()
    one = place_hold(domicile, future=True)
    other = place_hold(domicile, Scope.subject("v"), future=True)
    with home(domicile).catalog.begin() as connection:
        connection.execute(
            text(
                "UPDATE hold SET sealed_name = (SELECT sealed_name FROM hold WHERE id = :other) "
                "WHERE id = :one"
            ),
            {"one": one.hold.id, "other": other.hold.id},
        )
    rotated(domicile)
    domicile.pass_time(minutes=1)
    after = domicile.tenant().put(PROMPT, b"after", subject="v").id

    assert (held_records(domicile, one), held_records(domicile, other)) == (set(), {after})
