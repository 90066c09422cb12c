"""Bugs that somebody might write, and the tests that have to notice each."""

from tests.mutants.bugs import (
    alembic,
    cells,
    connections,
    decisions,
    dedicated,
    deletion,
    drains,
    endings,
    holds,
    listings,
    notices,
    objections,
    places,
    postures,
    process,
    recovery,
    regions_apart,
    storages,
    sweeps,
    tlog,
    upgrades,
    writes,
)
from tests.mutants.bugs.bug import Bug

__all__ = ["BUGS", "Bug"]

BUGS: tuple[Bug, ...] = (
    *alembic.BUGS,
    *cells.BUGS,
    *connections.BUGS,
    *decisions.BUGS,
    *dedicated.BUGS,
    *writes.BUGS,
    *deletion.BUGS,
    *drains.BUGS,
    *endings.BUGS,
    *holds.BUGS,
    *recovery.BUGS,
    *listings.BUGS,
    *notices.BUGS,
    *objections.BUGS,
    *places.BUGS,
    *postures.BUGS,
    *process.BUGS,
    *regions_apart.BUGS,
    *storages.BUGS,
    *sweeps.BUGS,
    *tlog.BUGS,
    *upgrades.BUGS,
)
