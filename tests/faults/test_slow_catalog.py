"""A database that is locked or stands still: no call hangs, and every answer is true."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from storage.catalog.refusals import disconnected
from storage.catalog.times import SERVE, UNLIMITED, WORK, Times
from storage.errors import CatalogUnavailable, OutcomeUnknown
from storage.model import DataClass
from storage.testing import Domicile, Server, new_domicile
from tests.support.actions import get, work
from tests.support.catalogs.limits import BOUND, calls, shorten_connecting, shorten_transactions
from tests.support.catalogs.standstill import go_on, stand_still, standing_still
from tests.support.faults.put_gates import TWO_DAYS
from tests.support.faults.transactions import COMMITTING, CatalogFaults, ran, watching
from tests.support.inspect.stored import home


@pytest.fixture(scope="module")
def stoppable() -> Iterator[Server]:
    """A server that the tests stop and continue."""
    server = Server()
    yield server
    server.close()


@pytest.fixture
def quick(stoppable: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Domicile]:
    """A store whose limits are short."""
    shorten_connecting(monkeypatch)
    with new_domicile(stoppable, "memory") as domicile:
        shorten_transactions(domicile)
        yield domicile


@contextmanager
def locked(domicile: Domicile, table: str) -> Iterator[None]:
    """Hold a lock on a table in another session."""
    with home(domicile).catalog.engine.connect() as other:
        other.info["times"] = UNLIMITED
        with other.begin():
            other.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
            yield


def test_a_table_that_is_locked(quick: Domicile, subtests: pytest.Subtests) -> None:
    """Calls that need it fail in a bounded time and say why; then the same store goes on."""
    t = quick.tenant()
    todo = calls(t, quick)
    with locked(quick, "record, object, fence, erasure"):
        for name, call in todo.items():
            with subtests.test(msg=name):
                begun = time.monotonic()
                with pytest.raises(CatalogUnavailable, match=r"holds a lock.*pg_locks"):
                    call()
                assert time.monotonic() - begun < BOUND
    for call in todo.values():
        call()


def test_a_server_that_stands_still(
    quick: Domicile, stoppable: Server, subtests: pytest.Subtests
) -> None:
    """Calls fail in a bounded time; when the server goes on, so does the same store."""
    t = quick.tenant()
    todo = calls(t, quick)
    with standing_still(stoppable.directory / "pg"):
        for name, call in todo.items():
            with subtests.test(msg=name):
                begun = time.monotonic()
                with pytest.raises(CatalogUnavailable):
                    call()
                assert time.monotonic() - begun < BOUND
    for call in todo.values():
        call()


def test_a_server_that_stands_still_in_a_transaction(quick: Domicile, stoppable: Server) -> None:
    """The connection is given up, and the transaction with it."""
    catalog = home(quick).catalog
    begun = time.monotonic()

    def half_done() -> None:
        with catalog.begin() as connection:
            connection.execute(text("CREATE TABLE half_done ()"))
            with standing_still(stoppable.directory / "pg"):
                connection.execute(text("SELECT 1"))

    with pytest.raises(CatalogUnavailable):
        half_done()
    with catalog.begin() as connection:
        assert connection.scalar(text("SELECT to_regclass('half_done')")) is None
    assert time.monotonic() - begun < BOUND


def test_a_server_that_stands_still_at_the_commit_of_a_put(
    quick: Domicile, stoppable: Server
) -> None:
    """The outcome is unknown, the caller is told so, and the repeated put gives the answer."""
    t = quick.tenant()
    t.put(DataClass.PROMPT, b"the day key is made")
    minted = t.new_id(DataClass.PROMPT)
    stopped: list[int] = []
    with watching(home(quick).catalog) as faults:
        faults.at_commit(
            COMMITTING, before=lambda _: stopped.extend(stand_still(stoppable.directory / "pg"))
        )
        try:
            with pytest.raises(OutcomeUnknown) as caught:
                t.put(DataClass.PROMPT, b"mine", id=minted)
        finally:
            go_on(stopped)

    assert caught.value.record_id == str(minted)
    assert t.put(DataClass.PROMPT, b"mine", id=minted).id == minted
    assert get(t, minted) == b"mine"


@pytest.mark.parametrize("kind", [SERVE, WORK, UNLIMITED], ids=["serve", "work", "unlimited"])
def test_limits_last_for_one_transaction(domicile: Domicile, kind: Times) -> None:
    """A session keeps nothing: behind a transaction pooler it belongs to others next."""
    catalog = home(domicile).catalog.within(kind)
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")

    def limits() -> list[float]:
        query = text("SELECT setting::int / 1000.0 FROM pg_settings WHERE name = :name")
        return [float(connection.scalar(query, {"name": name}) or 0) for name in names]

    with catalog.begin() as connection:
        assert limits() == [kind.lock or 0, kind.statement or 0, kind.idle or 0]
    with catalog.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        assert limits() == [0, 0, 0]


@pytest.mark.parametrize("limit", ["statement_timeout", "transaction_timeout"])
def test_a_migration_is_not_limited_by_the_login(domicile: Domicile, limit: str) -> None:
    """A login may have limits of its own, for services."""
    catalog = home(domicile).catalog
    with catalog.begin() as connection:
        connection.execute(text(f"SET SESSION {limit} = '300ms'"))
    with catalog.within(UNLIMITED).begin() as connection:
        connection.execute(text("SELECT pg_sleep(0.4)"))
        connection.execute(text(f"RESET {limit}"))


def test_workers_have_more_time(domicile: Domicile) -> None:
    """A piece of their work is larger than a call."""
    assert home(domicile).catalog.strict().times == WORK
    assert WORK.lock > SERVE.lock  # type: ignore[operator]


def test_a_commit_has_no_limit_of_the_server(domicile: Domicile, faults: CatalogFaults) -> None:
    """If the wait for a standby were canceled, the server would report success."""
    catalog = home(domicile).catalog
    at_commit = (
        "CREATE FUNCTION pg_temp.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "ASSERT current_setting('statement_timeout') = '0', 'limited'; RETURN NULL; END $$; "
        "CREATE TEMP TABLE late (n int) ON COMMIT DROP; "
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION pg_temp.look()"
    )
    with catalog.begin() as connection:
        connection.execute(text(at_commit))
        connection.execute(text("INSERT INTO late VALUES (1)"))


def test_a_commit_with_a_warning_is_no_success(domicile: Domicile) -> None:
    """So the server answers if somebody ended its wait for a synchronous standby."""
    at_commit = (
        "CREATE FUNCTION pg_temp.warn() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE WARNING 'not replicated'; RETURN NULL; END $$; "
        "CREATE TEMP TABLE late (n int) ON COMMIT DROP; "
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION pg_temp.warn()"
    )

    def commit() -> None:
        with home(domicile).catalog.begin() as connection:
            connection.execute(text(at_commit))
            connection.execute(text("INSERT INTO late VALUES (1)"))

    with pytest.raises(CatalogUnavailable) as caught:
        commit()
    assert disconnected(caught.value)  # its outcome is unknown
    assert domicile.tenant().put(DataClass.PROMPT, b"the next commit").stored


def test_a_repeated_put_is_as_durable_as_the_first(
    domicile: Domicile, faults: CatalogFaults
) -> None:
    """It writes too: only such a commit waits for a standby, and the first may have not."""
    t = domicile.tenant()
    minted = t.put(DataClass.PROMPT, b"mine").id
    written: list[object] = []
    query = text("SELECT backend_xid FROM pg_stat_activity WHERE pid = :pid")

    def look(pid: int) -> None:
        with faults.other.connect() as connection:
            written.append(connection.scalar(query, {"pid": pid}))

    faults.at_commit(ran("pg_advisory_xact_lock_shared"), before=look)
    t.put(DataClass.PROMPT, b"mine", id=minted)

    assert written not in ([], [None])


def test_an_old_reader_delays_a_drop_for_a_bounded_time(
    domicile: Domicile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The detaching is canceled at the server too, and the next round finalizes it."""
    monkeypatch.setattr("storage.catalog.days.DETACHING", 0.3)
    other = domicile.tenant("short-lived", retention=TWO_DAYS)
    other.put(DataClass.PROMPT, b"gone")
    catalog = home(domicile).catalog
    with catalog.engine.connect() as reader:
        reader.info["times"] = UNLIMITED
        with reader.begin():
            reader.execute(text("SELECT count(*) FROM record WHERE expiry_day = '2026-03-30'"))
            work(domicile, days=3)
            waiting = text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND state = 'active' AND query LIKE 'ALTER TABLE record DETACH%'"
            )
            assert reader.scalar(waiting) == 0
            pending = text("SELECT count(*) FROM pg_inherits WHERE inhdetachpending")
            assert reader.scalar(pending) == 1
    work(domicile, hours=1)
    with catalog.begin() as connection:
        assert connection.scalar(pending) == 0
