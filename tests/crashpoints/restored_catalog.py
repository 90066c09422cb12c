"""A catalog that is lost, restored from a backup, and recovered."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import update

from storage.bootstrap import open_restored
from storage.catalog import tables as t
from storage.errors import CatalogRestored
from storage.recovery.recover import finish, start
from tests.crashpoints.checks import learn_samples
from tests.crashpoints.effects import Tape
from tests.crashpoints.facts import Fact
from tests.crashpoints.ground import HOME
from tests.crashpoints.stage import Stage
from tests.support.catalogs.rows import Rows, rows_of, set_back

_ELSEWHERE = "1/00000001/1/1"


@dataclass(frozen=True)
class Backup:
    """The rows of a catalog, and what was acknowledged until then."""

    rows: Rows
    told: Sequence[Fact]


def back_up(stage: Stage) -> Backup:
    """Back up the catalog."""
    learn_samples(stage)  # a restored row may name bytes that are gone
    with stage.looking(HOME) as connection:
        rows = rows_of(connection)
    return Backup(rows, [fact for fact in stage.facts if fact.told])


def restore(stage: Stage, backup: Backup, *, elsewhere: bool) -> None:
    """End all processes, and set the catalog back to a backup of the same UTC day.

    ``elsewhere``: as a dump on another server; otherwise as a snapshot of the server's disk.
    """
    with stage.looking(HOME) as connection:
        set_back(connection, backup.rows)
        if elsewhere:
            connection.execute(update(t.catalog_info).values(identity=_ELSEWHERE))
    stage.restored = True
    for fact in stage.facts:
        if fact.told and fact not in backup.told:
            fact.told, fact.sample = False, b""  # it may be put again, under another key


def recover(stage: Stage, tape: Tape) -> None:
    """Do what ``domicile recover --confirm`` does."""
    with open_restored(stage.settings, dependencies=stage.dependencies(tape), only=HOME) as copies:
        report = start(copies[0])
        if report is not None:
            assert not report.lost, "what was acknowledged before the backup is lost"
            finish(copies[0], report.silent)
    stage.restored = False


def make_good(stage: Stage) -> None:
    """Require that no store opens before recovery is finished; then recover again."""
    with suppress(CatalogRestored):
        stage.start()
        raise AssertionError("a copy of a catalog is served")
    recover(stage, Tape())
