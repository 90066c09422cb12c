"""Rows of the log that somebody with a login to the catalog has forged: they count for nothing."""

from pathlib import Path

import pytest
from sqlalchemy import text

from storage.catalog import checkpoints
from storage.catalog.checkpoints import SignedRoot
from storage.cli.commands.status import show
from storage.crypto.log import origin
from storage.errors import LogInvalid
from storage.model import RegionStatus
from storage.region import OpenRegion
from storage.testing import Domicile
from storage.tlog.checkpoints import Checkpoint, sign_checkpoint
from storage.tlog.notes import Note, parse_note, sign
from tests.support.actions import work
from tests.support.catalogs.databases import as_role, catalog_of, with_urls
from tests.support.inspect.stored import HOME, home
from tests.support.logs import key
from tests.support.transparency import checkpoints_of, note_lines, numbers_of, publisher, verified

ROOT = b"r" * 32


def garbage(region: OpenRegion, size: int, true: SignedRoot) -> str:
    """Return what is no note at all."""
    return f"{region.name} {size} {true.size}"


def of_another_key(region: OpenRegion, size: int, _: SignedRoot) -> str:
    """Return a note that looks right, by another key under the same name."""
    return sign_checkpoint(Checkpoint(origin(region.name), size, ROOT), key("x")).decode()


def of_another_size(_: OpenRegion, __: int, true: SignedRoot) -> str:
    """Return the note of a true checkpoint."""
    return true.note


def signed_twice(region: OpenRegion, _: int, true: SignedRoot) -> str:
    """Return the note of a true checkpoint with a line of somebody else before it."""
    note = parse_note(true.note.encode())
    other = sign(note.text, origin(region.name), key("x"))
    return Note(note.text, (other, *note.signatures)).encode().decode()


FORGED = (garbage, of_another_key, of_another_size, signed_twice)


def forge(domicile: Domicile, size: int, root: bytes, note: str) -> None:
    """Add a checkpoint with nothing but the login of a service."""
    urls = {n: r.catalog_url.get_secret_value() for n, r in domicile.settings.regions.items()}
    roles = {n: as_role(url, "domicile_service") for n, url in urls.items()}
    with catalog_of(with_urls(domicile.settings, roles), HOME) as connection:
        connection.execute(
            text("INSERT INTO log_checkpoint VALUES (:size, :root, :note, now())"),
            {"size": size, "root": root, "note": note},
        )
        connection.commit()


def status(domicile: Domicile) -> RegionStatus:
    """Return the status of the home region."""
    return next(s for s in domicile.store.status().regions if s.region == HOME)


@pytest.mark.parametrize("forged", FORGED)
@pytest.mark.parametrize("ahead", [0, 1, 2, 1_000_000])
def test_a_forged_checkpoint_does_not_stop_the_log(
    domicile: Domicile, tmp_path: Path, ahead: int, forged: object
) -> None:
    """Whatever its size: also where the true one is to come. The log continues what was seen."""
    region = home(domicile)
    true = publisher(domicile).publish(note_lines(region, 3)[-1])
    seen = verified(region, tmp_path)
    size = true.size + ahead
    root = true.root if forged is signed_twice else ROOT
    forge(domicile, size, root, forged(region, size, true))  # type: ignore[operator]
    assert status(domicile).forged_checkpoints == 1

    for _ in range(3):
        (line,) = note_lines(region)
        signed = publisher(domicile).publish(line)  # a process that begins anew
        (number,) = numbers_of(region, [line])
        assert number == signed.size - 1
        seen = verified(region, tmp_path, seen)
        assert seen[1:] == (signed.size, signed.root)
    assert seen[1] == true.size + 3


def test_a_checkpoint_that_is_published_is_signed(domicile: Domicile) -> None:
    """A forged object and a forged row together are not what others get."""
    region = home(domicile)
    true = publisher(domicile).publish(note_lines(region)[-1])
    size = true.size + 5
    forge(domicile, size, ROOT, of_another_key(region, size, true))
    with region.catalog.begin() as connection:
        connection.execute(
            text("UPDATE object SET number = :size WHERE kind = 'checkpoint' AND number = :true"),
            {"size": size, "true": true.size},
        )
        assert checkpoints.published(connection, region.log_trust) is None
        assert checkpoints.newest(connection, region.log_trust) == true


def test_a_forged_checkpoint_hides_no_newer_one_from_the_guard(domicile: Domicile) -> None:
    """A catalog that was set back lacks one that its backends have, whatever else it has."""
    region = home(domicile)
    first = publisher(domicile).publish(note_lines(region)[-1])
    newer = publisher(domicile).publish(note_lines(region)[-1])
    forge(domicile, newer.size, ROOT, of_another_key(region, newer.size, newer))
    with region.catalog.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        gone = {"size": newer.size, "root": newer.root}
        connection.execute(
            text("DELETE FROM log_checkpoint WHERE size = :size AND root = :root"), gone
        )
        assert checkpoints.newest(connection, region.log_trust) == first
        assert checkpoints.of_size(connection, region.log_trust, newer.size) is None


def test_nothing_is_signed_when_the_key_of_the_newest_checkpoint_is_lost(
    domicile: Domicile,
) -> None:
    """Without it the newest that counts is an older one, and the lines after it may be pruned."""
    region = home(domicile)
    publisher(domicile).publish(note_lines(region, 300)[-1])
    with region.catalog.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("DELETE FROM log_line WHERE number < 256"))
        connection.execute(text("UPDATE log_state SET minimum = 256"))
        connection.execute(text("UPDATE log_checkpoint SET note = 'x'"))
    before = checkpoints_of(region)

    with pytest.raises(LogInvalid, match="lacks the next one"):
        publisher(domicile).publish(note_lines(region)[-1])

    assert checkpoints_of(region) == before


def test_numbers_follow_whatever_size_a_login_names(domicile: Domicile, tmp_path: Path) -> None:
    """A login that calls the function itself makes a batch longer, and leaves no gap."""
    region = home(domicile)
    true = publisher(domicile).publish(note_lines(region)[-1])
    lines = note_lines(region, 4)
    with region.catalog.begin() as connection:
        connection.execute(text("SELECT number_log_lines(2, 1000000)"))
        connection.execute(text("SELECT number_log_lines(1, 1000000)"))
    publisher(domicile).publish(lines[-1])

    assert sorted(filter(None, numbers_of(region, lines))) == [true.size + n for n in range(4)]
    assert verified(region, tmp_path)[1] == true.size + 4


def test_the_status_says_that_rows_are_forged(
    domicile: Domicile, capsys: pytest.CaptureFixture[str]
) -> None:
    """For people and for a monitor; nothing of it while all are signed."""
    work(domicile)
    assert status(domicile).forged_checkpoints == 0
    show(status(domicile))
    assert "log_checkpoint" not in capsys.readouterr().out
    forge(domicile, 10**9, ROOT, "x")

    show(status(domicile))
    told = " ".join(capsys.readouterr().out.split())
    assert "1 row of log_checkpoint that no key of the log has SIGNED" in told
