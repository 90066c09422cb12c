"""Catalogs and connections that tests reuse are as good as new ones."""

import psycopg
import pytest

from storage.errors import UnknownTenant
from storage.testing import Domicile, Server, new_domicile
from storage.testing.connections import pid_of

HOME = "eu-central-1"
AWAY = "us-east-1"


def process(domicile: Domicile) -> int:
    """Return the process id of the server process of a connection that the store has."""
    with domicile.homes.served(HOME).region.catalog.begin() as connection:
        return pid_of(connection.connection)


def test_a_region_that_one_test_does_not_serve_is_new_for_the_next(domicile_server: Server) -> None:
    """Nothing of an earlier test is left in it."""
    with new_domicile(domicile_server, "memory") as both:
        both.tenant("acme-us", home=AWAY, residency="US")
    with new_domicile(domicile_server, "memory", regions=[HOME]) as one:
        assert one.homes.names == (HOME,)
        one.run_worker()

    with new_domicile(domicile_server, "memory") as both:
        assert both.homes.names == (HOME, AWAY)
        with pytest.raises(UnknownTenant):
            both.store.tenant("acme-us")


def test_a_connection_is_kept_without_the_state_of_its_session(domicile_server: Server) -> None:
    """Settings and locks of a session end with the test."""
    with new_domicile(domicile_server, "memory", regions=[HOME]) as first:
        with first.homes.served(HOME).region.catalog.begin() as connection:
            connection.exec_driver_sql("SET SESSION work_mem = '64kB'")
            connection.exec_driver_sql("SELECT pg_advisory_lock(7)")
        before = process(first)

    with new_domicile(domicile_server, "memory", regions=[HOME]) as second:
        with second.homes.served(HOME).region.catalog.begin() as connection:
            assert connection.exec_driver_sql("SHOW work_mem").scalar_one() != "64kB"
            locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            assert connection.exec_driver_sql(locks).scalar_one() == 0
        assert process(second) == before


def test_a_connection_that_was_lost_is_not_kept(domicile_server: Server) -> None:
    """The next test gets a new one."""
    with new_domicile(domicile_server, "memory", regions=[HOME]) as first:
        lost = process(first)
        url = first.settings.regions[HOME].catalog_url.get_secret_value()
    with psycopg.connect(url) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [lost])

    with new_domicile(domicile_server, "memory", regions=[HOME]) as second:
        assert process(second) != lost
