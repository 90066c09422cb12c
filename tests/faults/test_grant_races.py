"""Uses of a grant that race with each other and with its end, and entries that race in a roster."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection

from storage.catalog import grants, roster
from storage.errors import GrantRefused
from storage.model import Grant, GrantSpec, Purpose, Scope
from storage.testing import Domicile
from tests.support.catalogs.databases import HOME, catalog_of
from tests.support.faults.transactions import CatalogFaults
from tests.support.inspect.stored import wait_until
from tests.support.people import approve, as_person, make_logins, person, settings_for, staff

pytestmark = pytest.mark.one_region

ABUSE = GrantSpec("acme-eu", Purpose.ABUSE_INVESTIGATION, "alice", Scope.tenant(), "why", 1, 8)
ONE, OTHER = b"1" * 16, b"2" * 16


@pytest.fixture
def grant(domicile: Domicile) -> Grant:
    """A grant in force for one record."""
    domicile.tenant()
    staff(domicile.settings, domicile.clock.now(), "kim", "alice", "bob")
    make_logins(domicile.settings, "sam", role="domicile_service")
    with as_person(domicile, "alice") as store:
        asked = store.admin.grants.request(ABUSE)
    return approve(domicile, "bob", asked)


@contextmanager
def session(domicile: Domicile, login: str) -> Iterator[Connection]:
    """Begin a transaction of a login."""
    with catalog_of(settings_for(domicile.settings, login)) as connection:
        yield connection


def use(domicile: Domicile, grant: Grant, uid: bytes = ONE) -> bool:
    """Count a record, in a transaction of its own."""
    with session(domicile, "sam") as connection:
        return grants.use(connection, grant.id, uid, "alice", domicile.clock.now())


def revoke(domicile: Domicile, grant: Grant) -> None:
    """Revoke the grant, in a transaction of its own."""
    with session(domicile, "bob") as connection:
        grants.revoke(connection, grant.id, domicile.clock.now())


def meanwhile(
    faults: CatalogFaults, aside: ThreadPoolExecutor, act: Callable[[], object]
) -> Future[object]:
    """Start an act, which waits for a lock that a transaction of this test holds."""
    begun = aside.submit(act)
    wait_until(lambda: faults.lock_waiters() == 1)
    return begun


def reason(waited: Future[object]) -> str:
    """Return why an act was refused."""
    with pytest.raises(GrantRefused) as error:
        waited.result(30)
    (found,) = error.value.reasons
    return found


def test_two_records_do_not_share_the_last_use(
    domicile: Domicile, grant: Grant, faults: CatalogFaults, aside: ThreadPoolExecutor
) -> None:
    """The second waits for the first, and is one too many."""
    with session(domicile, "sam") as connection:
        assert grants.use(connection, grant.id, ONE, "alice", domicile.clock.now())
        waited = meanwhile(faults, aside, lambda: use(domicile, grant, OTHER))

    assert reason(waited) == "exhausted"


def test_the_same_record_is_counted_once(
    domicile: Domicile, grant: Grant, faults: CatalogFaults, aside: ThreadPoolExecutor
) -> None:
    """Two readers of one record need one use."""
    with session(domicile, "sam") as connection:
        assert grants.use(connection, grant.id, ONE, "alice", domicile.clock.now())
        waited = meanwhile(faults, aside, lambda: use(domicile, grant))

    assert waited.result(30) is False


def test_a_use_that_is_not_committed_takes_nothing(
    domicile: Domicile, grant: Grant, faults: CatalogFaults, aside: ThreadPoolExecutor
) -> None:
    """Whoever waits gets it."""
    with session(domicile, "sam") as connection:
        assert grants.use(connection, grant.id, ONE, "alice", domicile.clock.now())
        waited = meanwhile(faults, aside, lambda: use(domicile, grant, OTHER))
        connection.rollback()

    assert waited.result(30) is True


def test_a_use_that_comes_while_the_grant_is_revoked_is_refused(
    domicile: Domicile, grant: Grant, faults: CatalogFaults, aside: ThreadPoolExecutor
) -> None:
    """It waits, and then looks."""
    with session(domicile, "bob") as connection:
        grants.revoke(connection, grant.id, domicile.clock.now())
        waited = meanwhile(faults, aside, lambda: use(domicile, grant))

    assert reason(waited) == "revoked"


def test_a_revocation_waits_for_a_use_and_ends_what_comes_after(
    domicile: Domicile, grant: Grant, faults: CatalogFaults, aside: ThreadPoolExecutor
) -> None:
    """What was counted before it was opened in time; nothing more, not even the same record."""
    with session(domicile, "sam") as connection:
        assert grants.use(connection, grant.id, ONE, "alice", domicile.clock.now())
        waited = meanwhile(faults, aside, lambda: revoke(domicile, grant))
    waited.result(30)

    with pytest.raises(GrantRefused) as error:
        use(domicile, grant)
    assert error.value.reasons == ("revoked",)


def test_an_approval_that_comes_while_the_grant_is_revoked_is_refused(
    domicile: Domicile, grant: Grant, faults: CatalogFaults, aside: ThreadPoolExecutor
) -> None:
    """Nobody approves what is over."""
    with session(domicile, "bob") as connection:
        grants.revoke(connection, grant.id, domicile.clock.now())
        waited = meanwhile(faults, aside, lambda: late_approval(domicile, grant))

    assert reason(waited) == "revoked"


def late_approval(domicile: Domicile, grant: Grant) -> None:
    """Approve the grant, past the policy."""
    with session(domicile, "kim") as connection:
        grants.approve(connection, grant.id, bytes(64), domicile.clock.now())


@pytest.mark.parametrize("login", ["new", None])
def test_entries_come_one_after_the_other(
    domicile: Domicile,
    grant: Grant,
    faults: CatalogFaults,
    aside: ThreadPoolExecutor,
    login: str | None,
) -> None:
    """Two actors do not get one login, and the roster does not get too large."""
    other = person("two", login=login, suspended=login is not None)
    with as_person(domicile, "kim") as store:
        with session(domicile, "kim") as connection:
            now = domicile.clock.now()
            for n in range(21):
                roster.enter(connection, person(f"p{n}", login=None), now)
            roster.enter(connection, person("one", login=login), now)
            waited = meanwhile(faults, aside, lambda: store.admin.roster.enter(HOME, other))
        why = reason(waited)

    assert why == ("login_taken" if login else "roster_full")


def test_entries_by_raw_sql_come_one_after_the_other(
    domicile: Domicile, grant: Grant, faults: CatalogFaults, aside: ThreadPoolExecutor
) -> None:
    """Two keepers who call the function at once do not give one login to two actors."""

    def enter(actor: str) -> None:
        with session(domicile, "kim") as connection:
            roster.enter(connection, person(actor, login="new"), domicile.clock.now())

    with session(domicile, "kim") as connection:
        roster.enter(connection, person("one", login="new"), domicile.clock.now())
        waited = meanwhile(faults, aside, lambda: enter("two"))

    assert reason(waited) == "login_taken"
