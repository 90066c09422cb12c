"""Rows of the log that somebody with a login to the catalog has forged: they count for nothing."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from storage.catalog import checkpoints, log
from storage.catalog.checkpoints import SignedRoot
from storage.cli.commands.status import show
from storage.crypto.log import origin
from storage.errors import LogInvalid
from storage.model import RegionStatus
from storage.region import OpenRegion
from storage.testing import Domicile
from storage.tlog.checkpoints import Checkpoint, sign_checkpoint
from storage.tlog.notes import Note, parse_note, sign
from storage.transparency.reading import reader
from storage.workers.due import due
from tests.support.actions import work
from tests.support.catalogs.backups import Dump, recover_catalog
from tests.support.catalogs.databases import as_role, catalog_of, with_urls
from tests.support.inspect.stored import HOME, home
from tests.support.logs import key
from tests.support.transparency import checkpoints_of, note_lines, numbers_of, publisher, verified

pytestmark = pytest.mark.one_region

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


def as_service(domicile: Domicile, statement: str) -> int:
    """Execute a statement with nothing but the login of a service; return how many rows it adds."""
    urls = {n: r.catalog_url.get_secret_value() for n, r in domicile.settings.regions.items()}
    roles = {n: as_role(url, "domicile_service") for n, url in urls.items()}
    with catalog_of(with_urls(domicile.settings, roles), HOME) as connection:
        added = connection.execute(text(statement)).rowcount
        connection.commit()
        return added


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


TILE = "INSERT INTO log_tile SELECT id, {}, {}, {}, {}, {} FROM object WHERE kind = 'checkpoint'"
TILES = {  # level, index, width, start and length
    "wider": (0, 0, 200, 0, 6400),
    "wider, and shorter than that": (0, 0, 200, 0, 20),
    "full": (0, 0, 256, 0, 8192),
    "wider than full": (0, 0, 300, 0, 9600),
    "as wide": (0, 0, 3, 0, 96),
    "from before the object": (0, 0, 200, -7, 6400),
    "a bundle": (-1, 0, 200, 0, 7000),
    "a bundle, and shorter than that": (-1, 0, 200, 0, 20),
    "of no level": (-2, 0, 200, 0, 20),
    "of no place": (0, -1, 200, 0, 6400),
}
NO_PLACES = TILES.keys() - {"wider", "full", "as wide", "a bundle"}


@pytest.fixture
def unchecked(domicile: Domicile) -> Iterator[None]:
    """Let rows be as they could be before the catalog looked at new ones."""
    change = "ALTER TABLE log_tile {} TRIGGER log_tile_place_is_one"
    with home(domicile).catalog.begin() as connection:
        connection.execute(text(change.format("DISABLE")))
    yield
    with home(domicile).catalog.begin() as connection:
        connection.execute(text(change.format("ENABLE")))


def test_a_row_that_is_no_place_of_a_tile_is_refused(domicile: Domicile) -> None:
    """By the table itself."""
    publisher(domicile).publish(note_lines(home(domicile))[-1])
    for name in NO_PLACES:
        with pytest.raises(IntegrityError, match="log_tile_place_is_one"):
            as_service(domicile, TILE.format(*TILES[name]))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("forged", TILES.values(), ids=TILES)
def test_a_forged_place_of_a_tile_does_not_stop_the_log(
    domicile: Domicile, tmp_path: Path, forged: tuple[int, ...]
) -> None:
    """Also for a process that has read nothing yet, and for whoever exports it."""
    region = home(domicile)
    publisher(domicile).publish(note_lines(region, 3)[-1])
    seen = verified(region, tmp_path)
    assert as_service(domicile, TILE.format(*forged)) == 1

    publisher(domicile).publish(note_lines(region)[-1])

    assert verified(region, tmp_path, seen)[1] == seen[1] + 1


def test_a_tile_that_is_another_one_does_not_stop_the_log(domicile: Domicile) -> None:
    """Several rows name the edge of the log: those count that have the root of its checkpoint."""
    region = home(domicile)
    for _ in range(3):
        publisher(domicile).publish(note_lines(region)[-1])
    true = checkpoints_of(region)[-1]
    places = text(
        "UPDATE log_tile SET start = 0, length = 32 * :width, width = :width "
        "WHERE level = 0 AND width < :width"
    )
    with region.catalog.begin() as connection:
        connection.execute(text("SET LOCAL ROLE postgres"))
        assert connection.execute(places, {"width": true.size}).rowcount > 1

    assert publisher(domicile).publish(note_lines(region)[-1]).size == true.size + 1


def test_a_tile_that_is_nowhere_is_an_error_of_the_log(domicile: Domicile) -> None:
    """Not one of a computation with bytes that are something else."""
    region = home(domicile)
    root = publisher(domicile).publish(note_lines(region, 3)[-1])
    with region.catalog.begin() as connection:
        connection.execute(text("UPDATE log_tile SET start = 1 WHERE level = -1"))

    with pytest.raises(LogInvalid, match="is no bundle"):
        reader(region)(f"tile/entries/000.p/{root.size}")


@pytest.mark.parametrize(("count", "signed"), [(50_000, False), (2_000, True)])
def test_thousands_of_forged_checkpoints_do_not_stop_the_log(
    domicile: Domicile, tmp_path: Path, count: int, *, signed: bool
) -> None:
    """They are passed over in a few queries."""
    region = home(domicile)
    true = publisher(domicile).publish(note_lines(region, 3)[-1])
    seen = verified(region, tmp_path)
    signature = true.note.split()[-1]
    said = (
        f"'{origin(region.name)}' || E'\\n' || n || E'\\n' || encode(root, 'base64') "
        f"|| E'\\n\\n— {origin(region.name)} {signature}\\n'"
    )
    added = as_service(
        domicile,
        f"INSERT INTO log_checkpoint SELECT n, root, {said if signed else repr(chr(120))}, now() "  # noqa: S608
        f"FROM generate_series({true.size}, {true.size + count - 1}) n, "
        "decode(repeat('ff', 32), 'hex') root",
    )
    assert added == count

    assert publisher(domicile).publish(note_lines(region)[-1]).size == true.size + 1
    assert verified(region, tmp_path, seen)[1] == true.size + 1


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
    """A login that calls the function itself makes a batch longer, and leaves no gap.

    With a size that the lines do not have, it numbers none.
    """
    region = home(domicile)
    true = publisher(domicile).publish(note_lines(region)[-1])
    lines = note_lines(region, 4)
    with region.catalog.begin() as connection:
        number = text("SELECT number_log_lines(:most, :size)")
        for most, more in ((2, 0), (1, 1_000_000), (1, 2)):
            connection.execute(number, {"most": most, "size": true.size + more})
    assert numbers_of(region, lines).count(None) == 1
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


OLD = (
    "INSERT INTO log_line (id, kind, at, text, salt, commitment) VALUES "
    "(gen_random_uuid(), 'policy', '1970-01-02', '{}', decode(repeat('73', 32), 'hex'), "
    "decode(repeat('44', 33), 'hex'))"
)
NUMBER = "SELECT number_log_lines(1000, NULL)"


def texts(region: OpenRegion) -> list[str | None]:
    """Return the texts of the lines that have a number, in their order."""
    with region.catalog.begin() as connection:
        return [line.text for line in log.numbered(connection, 0)]


def test_no_text_is_forgotten_before_it_is_sealed(domicile: Domicile, tmp_path: Path) -> None:
    """Whatever time a line says, whatever size a checkpoint, and whoever has the lease."""
    publisher(domicile).publish(note_lines(home(domicile), 2)[-1])
    domicile.pass_time(days=40)
    as_service(domicile, OLD)
    as_service(domicile, NUMBER)
    forge(domicile, 1_000_000, ROOT, "x")
    until = (domicile.clock.now() + timedelta(seconds=20)).isoformat()
    as_service(domicile, f"UPDATE log_state SET holder = gen_random_uuid(), lease = '{until}'")  # noqa: S608
    work(domicile)
    assert texts(home(domicile))[-1] == "{}"

    domicile.pass_time(hours=1)
    publisher(domicile).publish(note_lines(home(domicile))[-1])
    verified(home(domicile), tmp_path)
    work(domicile)
    assert "{}" not in texts(home(domicile))


def test_what_is_not_sealed_is_not_due_to_be_forgotten(domicile: Domicile) -> None:
    """Else a worker would look for it until somebody seals it."""
    publisher(domicile).publish(note_lines(home(domicile), 2)[-1])
    as_service(domicile, OLD)
    as_service(domicile, NUMBER)
    assert due(home(domicile))["prune_log"] == 0

    publisher(domicile).publish(note_lines(home(domicile))[-1])
    assert due(home(domicile))["prune_log"] == 1


def test_a_text_that_was_forgotten_too_early_does_not_stop_the_log(
    domicile: Domicile, tmp_path: Path
) -> None:
    """A worker of an older version may have done it, or a login of one that names any size."""
    region = home(domicile)
    publisher(domicile).publish(note_lines(region, 2)[-1])
    as_service(domicile, OLD)
    as_service(domicile, NUMBER)
    with region.catalog.begin() as connection:
        connection.execute(text("SET LOCAL ROLE domicile_worker"))
        forget = "SELECT forget_log_lines('infinity', 9, 1000000)"
        assert (connection.scalar(text(forget)) or 0) > 0
    dump = Dump.of(domicile)

    publisher(domicile).publish(note_lines(region)[-1])

    seen = verified(region, tmp_path)
    dump.restore(domicile)
    recover_catalog(domicile)
    publisher(domicile).publish(note_lines(home(domicile))[-1])
    assert verified(home(domicile), tmp_path, seen)[1] > seen[1]
