"""A restored catalog loses no line that anybody was shown, and signs nothing before it has them."""

from pathlib import Path

import pytest

from storage.catalog import log
from storage.errors import CatalogRestored, LogInvalid
from storage.model import DataClass, LineKind
from storage.region import OpenRegion
from storage.testing import Domicile
from tests.support.actions import erase, work
from tests.support.catalogs.backups import Dump, recover_catalog, rehearse_recovery, start_recovery
from tests.support.catalogs.rows import rows_of, set_back
from tests.support.holds import open_held, place_hold
from tests.support.inspect.stored import home
from tests.support.transparency import (
    checkpoints_of,
    note_lines,
    numbers_of,
    publisher,
    verified,
)


def all_lines(region: OpenRegion) -> dict[int | None, tuple[str, str | None]]:
    """Return kind and text of the lines that have a number."""
    with region.catalog.begin() as connection:
        return {line.number: (line.kind, line.text) for line in log.numbered(connection, 0)}


def test_no_published_line_is_lost(domicile: Domicile, tmp_path: Path) -> None:
    """Lines of after the backup are back, with their texts, and the log goes on from there."""
    region = home(domicile)
    publisher(domicile).publish(note_lines(region, 3)[-1])
    dump = Dump.of(domicile)
    for count in (1, 270, 40):
        publisher(domicile).publish(note_lines(region, count)[-1])
    old, before = verified(region, tmp_path), all_lines(region)

    dump.restore(domicile)
    with pytest.raises(CatalogRestored):
        domicile.open()
    rehearsed = rehearse_recovery(domicile)
    report = recover_catalog(domicile)

    region = home(domicile)
    assert rehearsed is not None
    assert (rehearsed.lines, report.lines) == (311, 311)
    assert {number: all_lines(region)[number] for number in before} == before
    publisher(domicile).publish(*note_lines(region))
    size = verified(region, tmp_path, old)[1]
    assert size > old[1]
    assert LineKind.RECOVERY in {kind for kind, _ in all_lines(region).values()}
    work(domicile)
    work(domicile, hours=1)
    assert verified(region, tmp_path, old)[1] == size


def test_an_event_of_the_ledger_has_one_line(domicile: Domicile, tmp_path: Path) -> None:
    """Whether its line was published before the catalog was lost, or only appended."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"mine", subject="u")
    dump = Dump.of(domicile)
    published, appended = erase(t), None
    work(domicile)
    appended = erase(t)
    old = verified(home(domicile), tmp_path)

    dump.restore(domicile)
    report = recover_catalog(domicile)
    work(domicile, minutes=11)

    region = home(domicile)
    assert report.events == 2
    assert verified(region, tmp_path, old)[1] > old[1]
    texts = [text or "" for kind, text in all_lines(region).values() if kind == "erasure"]
    assert len(texts) == 2
    for erasure in (published, appended):
        assert sum(str(erasure.id) in text for text in texts) == 1


def test_an_opening_outlives_the_catalog(domicile: Domicile) -> None:
    """Nobody can undo that it was looked into by restoring a backup from before."""
    t = domicile.tenant()
    kept = t.put(DataClass.PROMPT, b"mine", subject="u").id
    placed = place_hold(domicile)
    dump = Dump.of(domicile)
    open_held(domicile, placed, kept)

    dump.restore(domicile)
    recover_catalog(domicile)

    openings = [text for kind, text in all_lines(home(domicile)).values() if kind == "opening"]
    assert len(openings) == 1
    assert "counsel-1" in (openings[0] or "")


def test_a_catalog_that_went_on_by_itself_is_found_out(domicile: Domicile) -> None:
    """Two processes each continued from the same backup: recovery refuses, and says why."""
    region = home(domicile)
    publisher(domicile).publish(*note_lines(region))
    dump = Dump.of(domicile)
    publisher(domicile).publish(*note_lines(region))
    kept = {
        name: {item.key: backend.get(item.key) for item in backend.scan()}
        for name, backend in domicile.backends.items()
    }
    lost = checkpoints_of(region)

    dump.restore(domicile)
    for backend in domicile.backends.values():
        for item in list(backend.scan("checkpoint/")):
            if int(item.key.split("/")[1]) == lost[-1].size:
                backend.purge(item.key)
    recover_catalog(domicile)
    region = home(domicile)
    while checkpoints_of(region)[-1].size < lost[-1].size:
        publisher(domicile).publish(*note_lines(region))
    for name, backend in domicile.backends.items():
        for key, data in kept[name].items():
            if key.startswith("checkpoint/") and not backend.list_key(key):
                backend.inner.put(key, data, timeout=10.0)
    domicile.stack.close()

    with pytest.raises(LogInvalid, match="forked"):
        start_recovery(domicile)


@pytest.mark.parametrize(
    "gone",
    [{"eu-a": ("checkpoint/", "log_")}, {"eu-a": ("checkpoint/",), "eu-b": ("log_",)}],
    ids=["all of it", "the checkpoint alone"],
)
def test_what_only_a_silent_backend_has_is_awaited(
    domicile: Domicile, tmp_path: Path, gone: dict[str, tuple[str, ...]]
) -> None:
    """Nothing is signed before it answers. Then its lines are back, and the log goes on.

    What another backend has is not purged meanwhile: it may continue what is not seen.
    """
    region = home(domicile)
    publisher(domicile).publish(*note_lines(region))
    dump = Dump.of(domicile)
    lines = note_lines(region, 2)
    publisher(domicile).publish(lines[-1])
    old = verified(region, tmp_path)
    for name, prefixes in gone.items():
        for item in list(domicile.backends[name].scan()):
            if item.key.startswith(prefixes):
                domicile.backends[name].purge(item.key)

    dump.restore(domicile)
    domicile.take_down("eu-b")
    recover_catalog(domicile)
    region = home(domicile)
    (late,) = note_lines(region)
    signed = checkpoints_of(region)
    work(domicile)
    assert checkpoints_of(region) == signed
    assert numbers_of(region, [late]) == [None]

    domicile.bring_back("eu-b")
    work(domicile)
    work(domicile, minutes=11)
    assert None not in numbers_of(region, [*lines, late])
    assert verified(region, tmp_path, old)[1] > old[1]


def test_a_catalog_that_was_set_back_in_place_is_recognized(domicile: Domicile) -> None:
    """By a checkpoint that it does not know, though no event of the ledger was lost."""
    region = home(domicile)
    publisher(domicile).publish(*note_lines(region))
    with region.catalog.begin() as connection:
        rows = rows_of(connection)
    publisher(domicile).publish(*note_lines(region))
    with region.catalog.begin() as connection:
        set_back(connection, rows)

    with pytest.raises(CatalogRestored, match="the log has entries"):
        domicile.open()
    assert recover_catalog(domicile).lines == 1
