"""A catalog that is lost, restored from a backup and recovered, on the cluster and on the model."""

from contextlib import suppress
from copy import copy

from sqlalchemy import update

from storage.bootstrap import open_restored
from storage.catalog import tables as t
from storage.errors import CatalogRestored
from storage.recovery.recover import Report, finish, start
from tests.support.catalogs.rows import Rows, rows_of, set_back
from tests.support.faults.steps import Killed, Steps
from tests.support.stories.calls import EU
from tests.support.stories.cluster import Process
from tests.support.stories.openings import Openings
from tests.support.stories.single_thread import Inline
from tests.support.stories.staff_operations import Restore

_ELSEWHERE = "1/00000001/1/1"  # another server


class Restores(Openings):
    """Restores the catalog. What people did since the backup is lost, and no grant opens."""

    def restore(self, op: Restore, process: Process) -> None:
        """Back the catalog up, lose it, restore it and recover it, while all backends answer."""
        if not self.well(EU) or self.cluster.late_since is not None:
            return
        backup = self._rows() if op.lost else None
        roster, grants = dict(self.roster), [copy(grant) for grant in self.grants]
        for grant in grants:
            grant.approved_by, grant.opened = set(grant.approved_by), set(grant.opened)
        for lost in op.lost:
            self.play_within(lost, process)
        for ended in self.cluster.processes:
            with suppress(Killed):
                ended.stack.close()
        self._set_back(backup)
        with suppress(CatalogRestored):
            self.cluster.restart(0)
            raise AssertionError("a copy of a catalog is served")
        now = self.cluster.clock.now()
        report = self._recover()
        assert not report.lost_records, "what was acknowledged is lost"
        for number in range(len(self.cluster.processes)):
            self.cluster.restart(number)
        in_force = [grant for grant in grants if not grant.over(now)]
        assert report.revoked >= len(in_force), f"{report.revoked} of {len(in_force)} revoked"
        for grant in in_force:
            grant.revoked = True
        self.roster, self.grants = roster, grants
        self.acts_of_staff += 1
        self.lines.forget()
        self.lines.are_kept()

    def _rows(self) -> Rows:
        with self.cluster.looking(EU) as connection:
            return rows_of(connection)

    def _set_back(self, backup: Rows | None) -> None:
        """Set the catalog back, as a dump on another server; None: of this moment."""
        with self.cluster.looking(EU) as connection:
            if backup is not None:
                set_back(connection, backup)
            connection.execute(update(t.catalog_info).values(identity=_ELSEWHERE))

    def _recover(self) -> Report:
        """Do what ``domicile recover --confirm`` does."""
        cluster = self.cluster
        given = cluster.wiring(Steps(busy=True), probing=False)
        with open_restored(cluster.settings, dependencies=given, only=EU) as copies:
            object.__setattr__(copies[0], "pool", Inline())
            report = start(copies[0])
            assert report is not None, "nobody noticed that the catalog is a copy"
            assert not report.silent
            finish(copies[0], report.silent)
        return report
