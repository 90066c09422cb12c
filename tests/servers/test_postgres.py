"""A catalog behind TLS, and behind a transaction pooler."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.pool import QueuePool

from storage.catalog.engine import Catalog
from storage.errors import SettingsError
from storage.evidence.receipts import verify
from storage.model import DataClass, NewRecord, PutResult, Scope
from storage.testing import Domicile
from tests.servers.postgres import PASSWORD, POOL, USER, Postgres, Program
from tests.support.actions import GONE, erase, get, work
from tests.support.catalogs.tls_server import Authority
from tests.support.holds import SOON, open_held, place_hold, release_holds, stored_keys
from tests.support.inspect.stored import home
from tests.support.scrubs import scrubbed

pytestmark = pytest.mark.servers
BY_THE_POOLER = {"application_name", "client_encoding"}
"""What the pooler itself sets for each client."""


# --- TLS


def connected(url: str) -> bool:
    """Connect; return whether the server says that the connection has TLS."""
    catalog = Catalog("eu-central-1", url)
    try:
        with catalog.begin() as connection:
            query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            return bool(connection.scalar(text(query)))
    finally:
        catalog.close()


def test_a_server_with_the_right_certificate(postgres: Postgres, program: Program) -> None:
    """Its certificate is for its name, and signed by whom the URL says."""
    assert connected(postgres.url("postgres", program))


Ask = Callable[[Postgres, Program, Path], tuple[Program, str]]
NOT_TRUSTED: dict[str, Ask] = {
    "another authority": lambda servers, program, folder: (
        program,
        servers.url("postgres", program, root=Authority(folder, "other").root),
    ),
    "another name": lambda servers, program, _: (
        program,
        servers.url("postgres", program, host="localhost"),
    ),
    "no TLS": lambda servers, _, __: (
        servers.standby,
        servers.url("postgres", servers.standby),
    ),
}
"""Who is asked, and how."""


@pytest.mark.parametrize("why", NOT_TRUSTED)
def test_a_server_that_cannot_be_trusted(
    postgres: Postgres, program: Program, tmp_path: Path, why: str
) -> None:
    """It is told neither who asks, nor a password."""
    asked, url = NOT_TRUSTED[why](postgres, program, tmp_path)
    before = len(asked.log.read_text())
    with pytest.raises(SettingsError, match=r"no certificate that can be trusted.*sent nothing"):
        connected(url)

    assert USER not in asked.log.read_text()[before:]


@pytest.mark.parametrize("mode", ["disable", "prefer", "require", "verify-ca"])
def test_another_host_needs_all_of_it(postgres: Postgres, mode: str) -> None:
    """Before anything is resolved or sent."""
    url = postgres.url("postgres", postgres.primary, host="db.example")
    with pytest.raises(SettingsError, match=r"does not demand sslmode=verify-full") as caught:
        Catalog("eu-central-1", url.replace("verify-full", mode))
    assert PASSWORD not in str(caught.value)


# --- a transaction pooler


def test_a_life_behind_a_transaction_pooler(pooled: Domicile, postgres: Postgres) -> None:
    """More threads than connections: no statement relies on what an earlier one left."""
    tenant = pooled.tenant(retention=SOON)
    file = tenant.put_file(BytesIO(b"a file"), subject="f").id

    def put(number: int) -> PutResult:
        return tenant.put(DataClass.PROMPT, b"%d" % number, subject=f"u{number % 3}")

    with ThreadPoolExecutor(8) as threads:
        puts = [one.id for one in threads.map(put, range(48))]
        bodies = list(threads.map(lambda one: get(tenant, one), puts))
    assert bodies == [b"%d" % n for n in range(48)]
    bulk = tenant.put_many(NewRecord(DataClass.COMPLETION, b"x") for _ in range(100))
    assert all(isinstance(one, PutResult) for one in bulk)
    pool = home(pooled).catalog.engine.pool
    assert isinstance(pool, QueuePool)
    assert pool.checkedin() > POOL >= len(connections(pooled))

    placed = place_hold(pooled, Scope.subject("u1"))
    erasure = erase(tenant, Scope.subject("u0"))
    with pytest.raises(GONE):
        get(tenant, puts[0])
    for hours in (1, 12, 1, 1):
        work(pooled, hours=hours)
    receipt = verify(
        pooled.store.erasure(erasure.id).receipt or "", home(pooled).signing.public_key()
    )
    assert receipt.deleted == 16
    assert open_held(pooled, placed, puts[1]) == b"1"
    assert scrubbed(pooled, share=1.0) == {}
    release_holds(pooled, placed)
    for _ in range(3):
        work(pooled, hours=1)
    assert get(tenant, file) == b"a file"
    assert {key.partition("/")[0] for key in stored_keys(pooled)} == {"pack", "file_key"}
    assert left_behind(postgres, pooled) <= BY_THE_POOLER


def connections(domicile: Domicile) -> list[int]:
    """Return the server processes of the pooler's connections to this catalog."""
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    with home(domicile).catalog.begin() as connection:
        return list(connection.scalars(text(query)))


def left_behind(postgres: Postgres, domicile: Domicile) -> set[str]:
    """Return what the sessions behind the pooler were left with: each gets the next client."""
    url = postgres.url(str(home(domicile).catalog.engine.url.database), postgres.pooler)
    query = (
        "SELECT name FROM pg_settings WHERE source = 'session' "
        "UNION ALL SELECT statement FROM pg_prepared_statements "
        "UNION ALL SELECT locktype FROM pg_locks WHERE locktype = 'advisory'"
    )
    with ExitStack() as all_of_them:
        links = [all_of_them.enter_context(psycopg.connect(url)) for _ in range(POOL)]
        return {str(row[0]) for link in links for row in link.execute(query).fetchall()}
