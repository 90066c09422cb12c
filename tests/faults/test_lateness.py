"""Two days with much trouble; ``make lateness`` simulates more than a year."""

from storage.testing import Server
from tests.lateness.life import Life, one_region


def test_nothing_is_later_than_the_configuration_promises(domicile_server: Server) -> None:
    """Nothing is readable or stored for too long, and the status shows what is overdue."""
    with one_region(domicile_server) as domicile:
        life = Life(domicile, seed=8)
        tally = life.live(2)

    assert tally.violations == []
    assert min(tally.counts[what] for what in ("records", "reads", "erasures", "outages")) > 0
