"""Bugs that somebody might write, and the tests that have to notice each."""

from tests.mutants.bugs import (
    connections,
    decisions,
    deletion,
    holds,
    places,
    process,
    recovery,
    writes,
)
from tests.mutants.bugs.bug import Bug

__all__ = ["BUGS", "Bug"]

BUGS: tuple[Bug, ...] = (
    *connections.BUGS,
    *decisions.BUGS,
    *writes.BUGS,
    *deletion.BUGS,
    *holds.BUGS,
    *recovery.BUGS,
    *places.BUGS,
    *process.BUGS,
)
