"""A catalog in which people with logins of their own execute raw SQL."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from storage.catalog import schema
from storage.errors import (
    AgreementRefused,
    CatalogForbidden,
    ExitRefused,
    GrantRefused,
    HoldRefused,
    NotFound,
)
from tests.support.catalogs.databases import HOME, Throwaway, opened

LOGINS = {
    "kim": "domicile_admin",  # a roster keeper
    "alice": "domicile_admin",
    "bob": "domicile_admin",
    "carol": "domicile_admin",  # her entry has ended
    "dave": "domicile_admin",  # suspended
    "zoe": "domicile_admin",  # her first day is to come
    "nina": "domicile_admin",  # not in the roster
    "klass": "domicile_admin",  # a machine
    "sam": "domicile_service",  # not in the roster: a service
    "wim": "domicile_worker",
}
ENTER = (
    "SELECT enter_roster(:who, :kind, :role, 'us', 'EU', :login, :document, :since, :until, "
    ":stopped, {now})"
)
REQUEST = (
    "SELECT request_grant(:id, :tenant, :purpose, :actor, 'tenant', '{{}}', :hold, :case, :most, "
    "repeat('a', 64), 'sealed', :hours, {now})"
)
APPROVE = "SELECT approve_grant(:id, decode(repeat('00', 64), 'hex'), {now})"
FOR_CUSTOMER = "SELECT approve_grant_for_customer(:id, :tenant, :actor, {now})"
REVOKE = "SELECT revoke_grant(:id, {now})"
USE = "SELECT use_grant(:id, decode(:uid, 'hex'), :actor, {now})"
STATEMENTS: dict[str, dict[str, Any]] = {
    ENTER: {
        "who": "erin",
        "kind": "employee",
        "role": "safety",
        "login": None,
        "document": None,
        "since": "2026-01-01",
        "until": None,
        "stopped": False,
    },
    REQUEST: {
        "tenant": "acme",
        "purpose": "abuse_investigation",
        "actor": "alice",
        "hold": None,
        "case": None,
        "most": 2,
        "hours": 24,
    },
    APPROVE: {},
    FOR_CUSTOMER: {"tenant": "acme", "actor": "customer-1"},
    REVOKE: {},
    USE: {"uid": "00", "actor": "alice"},
}


class People:
    """A catalog with logins: what each does is committed, unless it is refused."""

    def __init__(self, server: Throwaway, database: str) -> None:
        """Use a database of a server."""
        self._server = server
        self._database = database

    def do(
        self,
        session: str,
        statement: str,
        now: str = "clock_timestamp()",
        **given: Any,  # noqa: ANN401
    ) -> str:
        """Execute a statement. Return what it returns, or why it was refused."""
        values = STATEMENTS.get(statement, {}) | given
        try:
            with opened(HOME, self._server.url_of(self._database, session)) as connection:
                *first, last = statement.format(now=now).split(";")
                for one in first:
                    connection.execute(text(one))
                done = connection.execute(text(last), values)
                return str(done.scalar() if done.returns_rows else done.rowcount)
        except (AgreementRefused, ExitRefused, GrantRefused, HoldRefused) as error:
            (reason,) = error.reasons
            return reason
        except NotFound:
            return "unknown_grant"
        except CatalogForbidden:
            return "forbidden"
        except IntegrityError as error:
            return str(error.orig.diag.constraint_name)  # type: ignore[union-attr]

    def request(self, session: str = "alice", **given: Any) -> UUID:  # noqa: ANN401
        """Request a grant, which is not refused."""
        new = uuid4()
        assert self.do(session, REQUEST, id=new, **given) == ""
        return new


@pytest.fixture(scope="module")
def people(alone: Throwaway) -> Iterator[People]:
    """A catalog with a roster, and tenants."""
    with opened(HOME, alone.make("people")) as connection:
        schema.upgrade(connection)
        tenants = (
            "INSERT INTO tenant (id, account, home, residency, service, dedicated, retention, "
            "version, created, traits) VALUES (:id, 'a', 'eu', 'EU', 'api', false, '{}', 1, now(), "
            ":traits)"
        )
        for tenant, traits in (
            ("acme", []),
            ("asks", ["customer_approved"]),
            ("shut", ["no_human_review"]),
            ("mild", ["modified_abuse_monitoring"]),
        ):
            connection.execute(text(tenants), {"id": tenant, "traits": traits})
        for login, role in LOGINS.items():
            connection.execute(text(f"CREATE ROLE {login} LOGIN IN ROLE {role}"))
    found = People(alone, "people")
    others: dict[str, dict[str, Any]] = {
        "kim": {"role": "roster_keeper"},
        "carol": {"until": "2026-02-01"},
        "dave": {"stopped": True},
        "zoe": {"since": "2999-01-01"},
        "klass": {"kind": "machine"},
    }
    for who in ("kim", "alice", "bob", "carol", "dave", "zoe", "klass"):
        assert found.do("postgres", ENTER, who=who, login=who, **others.get(who, {})) == ""
    yield found
    alone.execute("DROP DATABASE people")
    for login in LOGINS:
        alone.execute(f"DROP ROLE {login}")
