"""Who owns the database, the backends and the key of a region's log cannot change what was seen.

``tests/unit/test_log_tampering.py`` has the same for the files alone.
"""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from storage.cli.log_folder import LogFolder
from storage.crypto.log import verifier
from storage.errors import LogInvalid
from storage.region import OpenRegion
from storage.testing import Domicile
from storage.tlog.checkpoints import Checkpoint, Trust
from storage.tlog.commitments import Opening
from storage.tlog.proofs import prove, verify_proof
from storage.tlog.verification import verify_log
from storage.transparency.reading import reader
from tests.support import foreign_log
from tests.support.foreign_log import Wrong
from tests.support.inspect.stored import home
from tests.support.tampering import SEEN, UNSEEN, checkpoint_of, entries_of, rewrite
from tests.support.transparency import export, note_lines, publisher

pytestmark = pytest.mark.one_region

MORE = 5
"""Lines after those that somebody has seen."""


def refused(region: OpenRegion, folder: Path, old: Checkpoint | None) -> bool:
    """Return whether both verifiers refuse a log. They must agree."""
    key = verifier(region.name, region.log_keys[0])
    before = None if old is None else (old.origin, old.size, old.root)
    try:
        verify_log(LogFolder(folder).read, Trust((key,)), old=old)
    except LogInvalid:
        with pytest.raises(Wrong):
            foreign_log.verify(folder, [str(key)], before)
        return True
    foreign_log.verify(folder, [str(key)], before)
    return False


def test_an_exported_log_cannot_be_changed_behind_an_old_checkpoint(
    domicile: Domicile, tmp_path: Path
) -> None:
    """Whatever is done to it with all bytes and the key. What nobody has seen can be changed."""
    region, log, seen = home(domicile), publisher(domicile), 300
    log.publish(note_lines(region, seen)[-1])
    old = checkpoint_of(export(region, tmp_path / "old"))
    log.publish(note_lines(region, MORE)[-1])
    whole = export(region, tmp_path / "whole")
    assert not refused(region, whole, old)
    for histories, caught in ((SEEN, True), (UNSEEN, False)):
        for name, history in histories.items():
            folder = shutil.copytree(whole, tmp_path / "changed")
            rewrite(folder, history(entries_of(folder), old.size), region.log_keys[0])
            assert not refused(region, folder, None), name
            assert refused(region, folder, old) == caught, name
            shutil.rmtree(folder)


NOTHING_SIGNED = (
    "TRUNCATE log_checkpoint, log_cosignature, log_tile",
    (
        "DELETE FROM replica WHERE object_id IN (SELECT id FROM object WHERE kind LIKE 'log%'"
        " OR kind = 'checkpoint')"
    ),
    "DELETE FROM object WHERE kind LIKE 'log%' OR kind = 'checkpoint'",
)
ANEW: dict[str, tuple[str, ...]] = {
    "forget all": ("TRUNCATE log_line",),
    "forget one": (
        "DELETE FROM log_line WHERE number = 3",
        "UPDATE log_line SET number = NULL",
    ),
    "say it otherwise": (
        (
            "UPDATE log_line SET (text, salt, commitment) ="
            " (SELECT text, salt, commitment FROM log_line WHERE number = 4) WHERE number = 3"
        ),
        "UPDATE log_line SET number = NULL",
    ),
}


@pytest.mark.parametrize("statements", ANEW.values(), ids=ANEW)
@pytest.mark.parametrize("lines", [1, 40])
def test_a_log_that_the_owner_of_the_database_begins_anew(
    domicile: Domicile, tmp_path: Path, statements: tuple[str, ...], lines: int
) -> None:
    """Domicile signs it, for nothing is left that says otherwise. Who has a checkpoint refuses."""
    region = home(domicile)
    publisher(domicile).publish(note_lines(region, 20)[-1])
    old = checkpoint_of(export(region, tmp_path / "old"))
    with region.catalog.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in (*NOTHING_SIGNED, *statements):
            connection.execute(text(statement))
    publisher(domicile).publish(note_lines(region, lines)[-1])
    anew = export(region, tmp_path / "new")

    assert not refused(region, anew, None)
    assert refused(region, anew, old)


def test_a_text_that_the_owner_of_the_database_changes_opens_nothing(domicile: Domicile) -> None:
    """The log has the hash of what it said. No text, and no other salt, opens it."""
    region, log = home(domicile), publisher(domicile)
    root = log.publish(note_lines(region, 3)[-1])
    with region.catalog.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        said = Opening(*_row(region, 1))
        change = "UPDATE log_line SET text = text || ' ' WHERE number = 1"
        connection.execute(text(change))
    trust = Trust((verifier(region.name, region.log_keys[0]),))
    proof = prove(reader(region), root.note.encode(), 1)

    verify_proof(proof, said.entry, trust)
    with pytest.raises(LogInvalid, match="not entry 1"):
        verify_proof(proof, Opening(*_row(region, 1)).entry, trust)


def _row(region: OpenRegion, number: int) -> tuple[bytes, str]:
    """Return the salt and the text of a line, as the catalog has them."""
    with region.catalog.begin() as connection:
        query = text("SELECT salt, text FROM log_line WHERE number = :number")
        salt, said = connection.execute(query, {"number": number}).one()
    return bytes(salt), said
