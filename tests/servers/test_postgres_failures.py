"""A catalog whose server or pooler stands still or is killed, is locked, or waits for a standby."""

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from threading import Event

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from storage.catalog.times import Times
from storage.errors import CatalogUnavailable, OutcomeUnknown
from storage.model import DataClass
from storage.testing import Domicile
from tests.servers.postgres import Postgres, Program
from tests.support.actions import GONE, erase, get, is_complete, work
from tests.support.catalogs.limits import BOUND, calls, shorten_transactions
from tests.support.catalogs.standstill import standing_still
from tests.support.faults.transactions import COMMITTING, watching
from tests.support.inspect.stored import home, wait_until

pytestmark = pytest.mark.servers
SLACK = 3  # seconds, for a machine that does other things too


@contextmanager
def stopped(program: Program) -> Iterator[None]:
    """Let a program stand still meanwhile."""
    program.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        program.process.send_signal(signal.SIGCONT)


@contextmanager
def killed(program: Program) -> Iterator[None]:
    """Kill a program, and start it again."""
    program.kill()
    try:
        yield
    finally:
        program.start()


FAILURES: dict[str, Callable[[Postgres], AbstractContextManager[None]]] = {
    "the server stands still": lambda servers: standing_still(servers.data),
    "the server is killed": lambda servers: killed(servers.primary),
    "the pooler stands still": lambda servers: stopped(servers.pooler),
    "the pooler is killed": lambda servers: killed(servers.pooler),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("program", ["pooler"], indirect=True)
def test_each_call_ends_in_time(
    quick: Domicile, postgres: Postgres, failure: str, subtests: pytest.Subtests
) -> None:
    """It raises Unavailable; when the servers go on, so does the same store."""
    t = quick.tenant()
    todo = calls(t, quick)
    with FAILURES[failure](postgres):
        for name, call in todo.items():
            with subtests.test(msg=name):
                begun = time.monotonic()
                with pytest.raises(CatalogUnavailable):
                    call()
                assert time.monotonic() - begun < BOUND
    wait_until(lambda: works(t.list))
    for call in todo.values():
        call()


def works(call: Callable[[], object]) -> bool:
    """Return whether the catalog answers."""
    try:
        call()
    except CatalogUnavailable:
        return False
    return True


def test_a_table_that_is_locked(quick: Domicile, postgres: Postgres) -> None:
    """Each call says so in time; later ones succeed."""
    t = quick.tenant()
    todo = calls(t, quick)
    name = home(quick).catalog.engine.url.database
    with psycopg.connect(postgres.primary.login, dbname=name) as other:
        other.execute("LOCK TABLE record, object, fence, erasure")
        for call in todo.values():
            with pytest.raises(CatalogUnavailable, match=r"holds a lock.*pg_locks"):
                call()
    for call in todo.values():
        call()


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("program", ["pooler"], indirect=True)
def test_a_put_at_its_commit(quick: Domicile, postgres: Postgres, failure: str) -> None:
    """Its outcome is unknown, and is reported so; the same put gives the answer later."""
    t = quick.tenant()
    t.put(DataClass.PROMPT, b"the day key is made")
    minted = t.new_id(DataClass.PROMPT)
    with ExitStack() as failing, watching(home(quick).catalog) as faults:
        meanwhile = FAILURES[failure](postgres)
        faults.at_commit(COMMITTING, before=lambda _: failing.enter_context(meanwhile))
        with pytest.raises(OutcomeUnknown) as caught:
            t.put(DataClass.PROMPT, b"mine", id=minted)
        failing.close()
    assert caught.value.record_id == str(minted)
    wait_until(lambda: works(t.list))

    assert t.put(DataClass.PROMPT, b"mine", id=minted).id == minted
    assert get(t, minted) == b"mine"


# --- a synchronous standby


def test_a_put_whose_standby_is_down(quick: Domicile, postgres: Postgres) -> None:
    """It waits, and is never called stored: the server would lose it with its disk."""
    t = quick.tenant()
    with postgres.synchronous(), ExitStack() as down, watching(home(quick).catalog) as faults:
        kept = t.put(DataClass.PROMPT, b"the standby has it").id
        minted = t.new_id(DataClass.PROMPT)
        still = standing_still(postgres.standby_data)
        faults.at_commit(COMMITTING, before=lambda _: down.enter_context(still))
        begun = time.monotonic()
        with pytest.raises(OutcomeUnknown) as caught:
            t.put(DataClass.PROMPT, b"mine", id=minted)
        assert time.monotonic() - begun < BOUND
        assert caught.value.record_id == str(minted)
        assert get(t, kept) == b"the standby has it"
        down.close()
        assert t.put(DataClass.PROMPT, b"mine", id=minted).id == minted
        assert get(t, minted) == b"mine"


@pytest.mark.parametrize("end", ["pg_cancel_backend", "pg_terminate_backend"])
def test_a_put_whose_wait_for_the_standby_is_ended(
    quick: Domicile, postgres: Postgres, end: str
) -> None:
    """By somebody who ends what runs long: the server then calls the commit a success."""
    t = quick.tenant()
    t.put(DataClass.PROMPT, b"the day key is made")
    minted = t.new_id(DataClass.PROMPT)
    shorten_transactions(quick, Times(lock=0.2, statement=4, idle=60))
    query = SQL("SELECT {}(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
    ended, stopped = query.format(Identifier(end)), Event()
    with postgres.synchronous(), ExitStack() as down, ThreadPoolExecutor() as aside:

        def stop(_: int) -> None:
            down.enter_context(standing_still(postgres.standby_data))
            stopped.set()

        with watching(home(quick).catalog) as faults:
            faults.at_commit(COMMITTING, before=stop)
            putting = aside.submit(t.put, DataClass.PROMPT, b"mine", id=minted)
            assert stopped.wait(BOUND)
            wait_until(lambda: postgres.execute(ended) == [(True,)])
            with pytest.raises(OutcomeUnknown):
                putting.result()
        with pytest.raises(CatalogUnavailable):  # the row is there, but on this server alone
            t.put(DataClass.PROMPT, b"mine", id=minted)
        down.close()
        wait_until(lambda: works(lambda: t.put(DataClass.PROMPT, b"mine", id=minted)))
        assert get(t, minted) == b"mine"


def test_nothing_is_acknowledged_while_the_standby_is_down(
    quick: Domicile, postgres: Postgres
) -> None:
    """Neither a put nor an erasure. Repeated, each is done."""
    t = quick.tenant()
    gone = t.put(DataClass.PROMPT, b"mine", subject="u").id
    minted = t.new_id(DataClass.PROMPT)
    with postgres.synchronous():
        with standing_still(postgres.standby_data):
            with pytest.raises(CatalogUnavailable):
                t.put(DataClass.PROMPT, b"new", id=minted)
            with pytest.raises(CatalogUnavailable):
                erase(t)
        wait_until(lambda: works(lambda: t.put(DataClass.PROMPT, b"new", id=minted)))
        erasure = erase(t)
        assert get(t, minted) == b"new"
        with pytest.raises(GONE):
            get(t, gone)
        for hours in (1, 1):
            work(quick, hours=hours)
        assert is_complete(quick, erasure)


# --- with the limits of a service


@pytest.mark.parametrize("failure", ["the server stands still", "the pooler stands still"])
def test_the_documented_times(pooled: Domicile, postgres: Postgres, failure: str) -> None:
    """docs/operations.md says how long a call takes, and a put at its commit."""
    t = pooled.tenant()
    kept = t.put(DataClass.PROMPT, b"kept").id
    with FAILURES[failure](postgres):
        begun = time.monotonic()
        with pytest.raises(CatalogUnavailable):
            get(t, kept)
        assert time.monotonic() - begun < 25 + SLACK
    wait_until(lambda: works(t.list))
    with ExitStack() as failing, watching(home(pooled).catalog) as faults:
        meanwhile = FAILURES[failure](postgres)
        faults.at_commit(COMMITTING, before=lambda _: failing.enter_context(meanwhile))
        begun = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            t.put(DataClass.PROMPT, b"mine")
        assert time.monotonic() - begun < 40 + SLACK
        failing.close()
    wait_until(lambda: works(t.list))
