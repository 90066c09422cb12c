"""A database that is down or busy, and processes that race: one clear error, no partial work."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO, StringIO

import psycopg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from storage import embedded
from storage.bootstrap import open_store, worker_of
from storage.client.store import Store
from storage.client.tenant import BoundTenant
from storage.errors import (
    CatalogUnavailable,
)
from storage.logs import make_logger
from storage.model import (
    NewRecord,
    PutFailure,
    Reason,
    RecordId,
    Scope,
)
from storage.settings import Settings
from storage.testing import SERVICE, Domicile, Server, new_domicile
from tests.support.refusals import (
    BODY,
    HOME,
    MIB,
    PLANTED,
    PROMPT,
    SERVE,
    WRITES,
    all_left,
    error_text,
    finish_all_work,
    ready_tenant,
)


@pytest.fixture(scope="module")
def mortal() -> Iterator[Server]:
    """A PostgreSQL server that the test stops and starts."""
    server = Server()
    yield server
    server.close()


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    """Stop the server meanwhile."""
    server._leave()
    try:
        yield
    finally:
        _, server._leave = embedded.start(server.directory / "pg")


def calls(t: BoundTenant, store: Store, record: RecordId) -> dict[str, Callable[[], object]]:
    """Return all calls that a service makes."""
    return {
        **{name: partial(write, t) for name, write in WRITES.items()},
        "get": lambda: t.get(record, purpose=SERVE),
        "open": lambda: t.open(record, purpose=SERVE),
        "list": lambda: t.list(subject=PLANTED),
        "explain": lambda: t.explain(record),
        "erase": lambda: t.erase(Scope.subject(PLANTED), reason=Reason.SUBJECT_REQUEST),
        "a tenant that is not in memory": lambda: store.tenant("other").bind(SERVICE),
        "erasure": lambda: store.erasure("0199c9d3-0000-7000-8000-000000000000"),
        "status": store.status,
        "tenants": lambda: store.admin.tenants.list(HOME),
    }


def test_a_database_that_is_down(
    mortal: Server, subtests: pytest.Subtests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call raises a retryable error. The same store continues when the server is back."""
    monkeypatch.setattr("storage.client.homes._CACHED", 1e9)  # seconds
    with new_domicile(mortal, "memory") as domicile:
        t = ready_tenant(domicile)
        record = t.put(PROMPT, b"hello").id
        finish_all_work(domicile)
        before = all_left(domicile)
        with stopped(mortal):
            for name, call in calls(t, domicile.store, record).items():
                with subtests.test(msg=name):
                    with pytest.raises(CatalogUnavailable) as caught:
                        call()
                    assert (caught.value.retryable, caught.value.outcome) == (True, "not_stored")
                    assert "domicile doctor" in caught.value.advice
                    assert PLANTED not in error_text(caught.value)
            (failure,) = t.put_many([NewRecord(PROMPT, BODY)])
            done = domicile.store.erase(Scope.account("acme"), reason=Reason.CONTRACT_END)
            with pytest.raises(CatalogUnavailable):
                domicile.run_worker()

        assert isinstance(failure, PutFailure)
        assert isinstance(failure.error, CatalogUnavailable)
        assert (done.erasures, done.not_reached) == ((), (HOME, "us-east-1"))
        assert all_left(domicile) == before
        for name, call in calls(t, domicile.store, record).items():
            if name not in ("a tenant that is not in memory", "erasure"):
                call()
        finish_all_work(domicile)


def test_a_worker_logs_an_outage_once_for_each_region_and_round(mortal: Server) -> None:
    """One short line with the reason of the driver, and no traceback."""
    out = StringIO()
    with new_domicile(mortal, "memory") as domicile:
        worker = worker_of(domicile.homes, make_logger(out))
        with stopped(mortal):
            for _ in range(2):
                with pytest.raises(CatalogUnavailable):
                    worker.run_once()

    logged = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["event"] for line in logged] == ["catalog_unavailable"] * 4
    assert [line["region"] for line in logged] == [HOME, "us-east-1"] * 2
    assert all("connection" in line["reason"] for line in logged)
    assert "exception" not in out.getvalue()
    assert len(out.getvalue()) < 4 * 500


def test_a_database_that_goes_down_while_a_file_is_stored(mortal: Server) -> None:
    """Nothing of the file is left when both are back."""
    with new_domicile(mortal, "memory") as domicile:
        t = ready_tenant(domicile)
        before = all_left(domicile)
        outage = stopped(mortal)

        def stream() -> Iterator[bytes]:
            yield bytes(3 * MIB)
            outage.__enter__()

        with pytest.raises(CatalogUnavailable):
            t.put_file(stream())
        outage.__exit__(None, None, None)
        finish_all_work(domicile)

        assert all_left(domicile) == before


def test_a_database_that_became_read_only(domicile: Domicile) -> None:
    """As after a failover: an outage that ends when it is writable again."""
    t = ready_tenant(domicile)
    engine = domicile.homes.served(HOME).region.catalog.engine
    with engine.begin() as connection:
        alter = f"ALTER DATABASE {engine.url.database} SET default_transaction_read_only"
        connection.execute(text(f"{alter} = on"))
    engine.dispose()
    try:
        for call in (
            lambda: t.put(PROMPT, BODY),
            lambda: t.put_file(BytesIO(BODY)),
            lambda: t.erase(Scope.subject("u"), reason=Reason.SUBJECT_REQUEST),
            domicile.run_worker,
        ):
            with pytest.raises(CatalogUnavailable):
                call()
    finally:
        with engine.begin() as connection:
            connection.execute(text("SET TRANSACTION READ WRITE"))
            connection.execute(text(f"{alter} = off"))
        engine.dispose()
    assert t.put(PROMPT, BODY).stored


def test_a_database_that_has_no_connection_left(domicile: Domicile) -> None:
    """A call that waits too long for one raises an error of our tree."""
    t = ready_tenant(domicile)
    catalog = domicile.homes.served(HOME).region.catalog
    pool = catalog.engine.pool
    assert isinstance(pool, QueuePool)
    pool._timeout = 0.1
    held = [catalog.engine.connect() for _ in range(pool.size())]
    try:
        with pytest.raises(CatalogUnavailable):
            t.put(PROMPT, BODY)
    finally:
        for connection in held:
            connection.close()
    assert t.put(PROMPT, BODY).stored


def test_a_deadlock_that_does_not_end(domicile: Domicile) -> None:
    """After several retries it is an outage, and no error of the driver."""
    tried: list[Connection] = []

    def work(connection: Connection) -> None:
        tried.append(connection)
        raise OperationalError("", None, psycopg.errors.DeadlockDetected())

    with pytest.raises(CatalogUnavailable):
        domicile.homes.served(HOME).region.catalog.run(work)

    assert len(tried) == 5


RACER = """
import json, sys
from storage import DataClass, IdConflict, open_store
from storage.testing import SERVICE

name, ids = sys.argv[1], json.loads(sys.argv[2])
with open_store() as store:
    tenant = store.tenant("acme-eu").bind(SERVICE)
    print("ready", flush=True)
    sys.stdin.readline()
    done = {}
    for number, record_id in enumerate(ids):
        body = name.encode() if number % 2 else b"the same"
        try:
            done[record_id] = tenant.put(DataClass.PROMPT, body, id=record_id).stored
        except IdConflict:
            done[record_id] = False
    print(json.dumps(done), flush=True)
"""


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment that gives a process the same settings."""
    found = {**os.environ, "DOMICILE_HOME": str(settings.home), "PYTHONPATH": os.getcwd()}  # noqa: PTH109
    for region, given in settings.regions.items():
        name = f"DOMICILE_REGIONS__{region.upper().replace('-', '_')}__"
        found[f"{name}CATALOG_URL"] = given.catalog_url.get_secret_value()
        found[f"{name}KEYS_FILE"] = str(given.keys_file)
    return found


def race(settings: Settings, ids: list[RecordId]) -> list[dict[str, bool]]:
    """Let two processes put under the same ids at once; return their answers."""
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, name, json.dumps([str(i) for i in ids])],
            env=environment(settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    return [json.loads(racer.communicate(timeout=60)[0]) for racer in racers]


def test_two_processes_race_with_the_same_ids(domicile_server: Server) -> None:
    """Same content: both get the same answer. Different content: one wins, and is readable."""
    settings = domicile_server.make()  # not given back: these processes have a real clock
    with open_store(settings) as store:
        t = Domicile(settings, _store=store).tenant()
        ids = [t.new_id(PROMPT) for _ in range(24)]
        one, two = race(settings, ids)

        for number, i in enumerate(str(i) for i in ids):
            body = t.get(i, purpose=SERVE).body
            if number % 2:
                assert (one[i], two[i]) == (body == b"one", body == b"two")
            else:
                assert (body, one[i], two[i]) == (b"the same", True, True)
        assert len(t.list(limit=1000)) == len(ids)
