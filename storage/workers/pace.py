"""How fast workers are: what the bounds of every deletion are computed from."""

from datetime import timedelta
from typing import Final

from storage.policy import Pace

LEASE: Final = timedelta(minutes=10)  # until another takes over from a worker that was killed
COPYING: Final = timedelta(minutes=30)  # for a copy, which puts it off as it goes
FIRST_RETRY: Final = timedelta(seconds=5)
LAST_RETRY: Final = timedelta(hours=1)
WAITING: Final = timedelta(minutes=1)


def pace(pause: float) -> Pace:
    """That of workers that rest for ``pause`` seconds between rounds, and keep up."""
    return Pace(timedelta(seconds=pause), LEASE, COPYING, LAST_RETRY, WAITING)
