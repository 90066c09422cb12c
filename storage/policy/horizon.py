"""How far ahead partitions are made, and when somebody must be told that they are not."""

from datetime import date, timedelta

from regions.model import Topology

_AHEAD = 14  # days beyond the longest retention of a class
_ALARM = 3


def horizon_wanted(topology: Topology, today: date) -> date:
    """The last day that should have a partition."""
    return today + timedelta(days=_longest(topology) + _AHEAD)


def horizon_alarm(topology: Topology, today: date, horizon: date | None) -> bool:
    """Whether records may soon find no partition made for them: no worker makes any."""
    return horizon is None or horizon < today + timedelta(days=_longest(topology) + _ALARM)


def _longest(topology: Topology) -> int:
    return max((rule.retention_days or 0 for rule in topology.classes.values()), default=0)
