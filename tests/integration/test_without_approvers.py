"""A file of approvers that cannot be used: people open nothing, and customers notice nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage.cli.examine import regions
from storage.cli.findings import Finding
from storage.errors import PurposeRefused
from storage.model import DataClass, GrantSpec, Purpose, Scope
from storage.policy import PermitReason
from storage.settings import topology_of
from storage.testing import INVESTIGATOR, Domicile

REGION = "eu-central-1"
ABUSE = Purpose.ABUSE_INVESTIGATION
SPEC = GrantSpec(
    "acme-eu", ABUSE, INVESTIGATOR.id, Scope.subject("u"), "Fraud", 9, 8, case="CASE-7"
)
BROKEN = {
    "missing": None,
    "empty": "",
    "not TOML": "[approvers",
    "a wrong key": '[approvers]\nines = "short"\n',
}
USELESS = BROKEN | {"without anybody": "[approvers]\n"}


def file_of(domicile: Domicile) -> Path:
    """Return the file of approvers of the region."""
    found = domicile.settings.regions[REGION].approvers_file
    assert found is not None
    return found


@contextmanager
def changed(file: Path, content: str | None) -> Iterator[None]:
    """Have other content in a file, or no file."""
    before = file.read_text()
    if content is None:
        file.unlink()
    else:
        file.write_text(content)
    yield
    file.write_text(before)


def examined(domicile: Domicile) -> list[Finding]:
    """Return what doctor says of the approvers of the region."""
    found = regions(domicile.settings, topology_of(domicile.settings))
    return [one for one in found if (one.check, one.what) == ("approvers", REGION)]


@pytest.mark.parametrize("content", USELESS.values(), ids=USELESS)
def test_customers_go_on_and_people_do_not(domicile: Domicile, content: str | None) -> None:
    """The error says what is missing and what to do. With the file all is as before."""
    old = domicile.tenant().put(DataClass.PROMPT, b"old", subject="u").id
    grant = domicile.grant(SPEC)
    with changed(file_of(domicile), content):
        domicile.open()
        t = domicile.tenant()
        new = t.put(DataClass.PROMPT, b"new").id
        assert [t.get(one, purpose=Purpose.SERVE).body for one in (old, new)] == [b"old", b"new"]
        person = domicile.store.tenant("acme-eu").bind(INVESTIGATOR, grant=grant.id)
        with pytest.raises(PurposeRefused) as caught:
            person.get(old, purpose=ABUSE)
        shown = domicile.store.status().regions[0]
    domicile.open()
    person = domicile.store.tenant("acme-eu").bind(INVESTIGATOR, grant=grant.id)

    assert caught.value.reasons == (PermitReason.APPROVER_NOT_PINNED,)
    broken = content != "[approvers]\n"
    assert ("No approver's key is pinned" in caught.value.message) == (not broken)
    assert ("The file of approvers cannot be used" in caught.value.message) == broken
    assert (str(file_of(domicile)) in caught.value.message) == broken
    assert "APPROVERS_FILE" in caught.value.advice
    assert ("Put the public key" in caught.value.advice) == (not broken)
    assert shown.unpinned
    assert person.get(old, purpose=ABUSE).body == b"old"


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_doctor_says_what_is_wrong_with_the_file(domicile: Domicile, content: str | None) -> None:
    """It names the file. That is no failure: the region works."""
    with changed(file_of(domicile), content):
        (broken,) = examined(domicile)
    (sound,) = examined(domicile)

    assert (broken.state, sound.state) == ("warn", "ok")
    assert str(file_of(domicile)) in broken.says
    assert broken.says.endswith("People open nothing.")
    assert "[approvers]" in broken.advice


@pytest.mark.parametrize(
    ("file", "folder", "state", "who"),
    [
        (0o644, 0o755, "ok", None),
        (0o664, 0o700, "warn", "its group"),
        (0o666, 0o700, "fail", "everybody"),
        (0o600, 0o770, "warn", "its group"),
        (0o600, 0o777, "fail", "everybody"),
        (0o600, 0o1777, "ok", None),
        (0o666, 0o1777, "fail", "everybody"),
    ],
)
def test_doctor_says_who_else_can_write_the_file(
    domicile: Domicile, file: int, folder: int, state: str, who: str | None
) -> None:
    """Or replace it: whoever can pins a key of his own."""
    pinned = file_of(domicile)
    before = pinned.stat().st_mode, pinned.parent.stat().st_mode
    pinned.chmod(file)
    pinned.parent.chmod(folder)
    (found,) = examined(domicile)
    pinned.chmod(before[0])
    pinned.parent.chmod(before[1])

    assert found.state == state
    assert (who is None) == ("proves nothing" not in found.says)
    assert who is None or f"{pinned} can be written or replaced by {who}" in found.says
    assert who is None or "chmod go-w" in found.advice


def test_doctor_misses_approvers_once_there_are_people(domicile: Domicile) -> None:
    """Before, nobody has to approve anything."""
    with changed(file_of(domicile), "[approvers]\n"):
        before = examined(domicile)
        domicile.tenant()
        domicile.stack.close()
    domicile.open()
    domicile.grant(SPEC)  # enters people
    with changed(file_of(domicile), "[approvers]\n"):
        (after,) = examined(domicile)

    assert before == []
    assert after.state == "warn"
    assert "domicile grant keygen" in after.advice
