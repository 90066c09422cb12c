"""Two days of a life full of trouble: ``make lateness`` lives through a year and more."""

from storage.testing import Server
from tests.lateness.life import Life, one_region


def test_nothing_is_later_than_the_configuration_promises(domicile_server: Server) -> None:
    """Neither readable nor on a backend, and the status says what is overdue meanwhile."""
    with one_region(domicile_server) as domicile:
        life = Life(domicile, seed=4)
        tally = life.live(2)

    assert tally.violations == []
    assert min(tally.counts[what] for what in ("records", "reads", "erasures", "outages")) > 0
