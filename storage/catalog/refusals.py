"""From an error of the driver to one of ours, which says what to do."""

import re

import psycopg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from storage.errors import (
    CatalogForbidden,
    CatalogUnavailable,
    CatalogUnsupported,
    DomicileError,
    NotFound,
    SettingsError,
    UnknownTenant,
)
from storage.policy import (
    AgreementReason,
    Consenting,
    ConsentReason,
    Exiting,
    ExitReason,
    Granting,
    GrantReason,
    Holding,
    HoldReason,
    Recording,
)

_TOO_LONG = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.QueryCanceled,
    psycopg.errors.IdleInTransactionSessionTimeout,
)

# by a function of the catalog; the message is one of our reasons
_BY_FUNCTION = ("DG001", "DH001", "DA001", "DX001", "DC001")
_UNKNOWN = {
    "unknown_grant": ("grant", "grant list"),
    "unknown_hold": ("hold", "hold list"),
    "unknown_exit": ("choice", "tenant exit list"),
}

_NOT_THERE = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
)

# libpq gives no code for a connection that fails, only the text of the server or the pooler
_NO_DATABASE = re.compile(r'database "(?P<a>[^"]*)" does not exist|no such database: (?P<b>\S+)')
_NO_LOGIN = re.compile(
    r"authentication failed|no password supplied|no such user"
    r'|role "[^"]*" is not permitted to log in|no pg_hba\.conf entry'
)
_UNKNOWN_LOGIN = re.compile(r'role "(?P<name>[^"]*)" does not exist')
_NO_TLS = re.compile(
    r"certificate verify failed|does not match host name|does not support SSL"
    r"|root certificate file|certificate present, but not private key"
)


def refusal(region: str, error: SQLAlchemyError) -> DomicileError | None:
    """Return our error for a failure of the database. None: the error is in our code."""
    cause = driver_error(error)
    if isinstance(cause, psycopg.Error) and cause.sqlstate in _BY_FUNCTION:
        return _by_function(cause)
    return _by_server(region, error, cause)


def _by_function(cause: psycopg.Error) -> DomicileError:
    reason = cause.diag.message_primary or ""
    if reason in _UNKNOWN:
        what, command = _UNKNOWN[reason]
        return NotFound(f"No such {what} in this region.", advice=f"See: domicile {command}")
    if (cause.sqlstate, reason) == ("DC001", "unknown_tenant"):
        return UnknownTenant(reasons=(reason,))
    return _refused(cause.sqlstate, reason).error()


def _refused(
    code: str | None, reason: str
) -> Recording | Exiting | Holding | Consenting | Granting:
    match code:
        case "DA001":
            return Recording((AgreementReason(reason),))
        case "DX001":
            return Exiting(ExitReason(reason))
        case "DH001":
            return Holding(HoldReason(reason))
        case "DC001":
            return Consenting(ConsentReason(reason))
        case _:
            return Granting((GrantReason(reason),))


def _by_server(
    region: str, error: SQLAlchemyError, cause: BaseException | None
) -> DomicileError | None:
    if isinstance(cause, psycopg.errors.InsufficientPrivilege):
        return CatalogForbidden(
            f"The login lacks a right on the catalog of {region}.",
            advice="Grant it the role for its work; migrations create the roles.",
        )
    if isinstance(cause, _NOT_THERE):
        return CatalogUnsupported(
            f"The catalog of {region} lacks a table, column or function that this code uses.",
            advice="Its schema is not what its revision says, or was changed just now. "
            "See: domicile doctor",
        )
    if isinstance(cause, _TOO_LONG):
        return CatalogUnavailable(
            f"The catalog of {region} took too long, or another session holds a lock.",
            advice="Try again. See what blocks it: pg_stat_activity and pg_locks.",
        )
    if isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None:
        unconnected = _unconnected(region, str(cause))
        if unconnected is not None:
            return unconnected
    down = isinstance(error, OperationalError | InterfaceError | PoolTimeout)
    # after a failover, the old primary may be read only
    if down or isinstance(cause, psycopg.errors.ReadOnlySqlTransaction):
        return unavailable(region)
    return None


def unavailable(region: str) -> CatalogUnavailable:
    """Return the error for a database that does not answer."""
    return CatalogUnavailable(
        f"The catalog of {region} does not answer.", advice="Try again; see: domicile doctor"
    )


def driver_error(error: BaseException | None) -> BaseException | None:
    """Return the error of the driver behind an error of SQLAlchemy."""
    return error.orig if isinstance(error, DBAPIError) else None


def disconnected(error: BaseException) -> bool:
    """Return whether an error leaves it unknown if a transaction was committed."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, DBAPIError) and cause.connection_invalidated:
            return True
        if isinstance(cause, OperationalError | InterfaceError):
            return True
        cause = cause.__cause__
    return False


def _unconnected(region: str, says: str) -> DomicileError | None:
    """Return the error for a connection that no repetition can make."""
    missing = _NO_DATABASE.search(says)
    if missing is not None:
        name = missing["a"] or missing["b"]
        return SettingsError(
            f"The database {name} of the catalog of {region} does not exist.",
            advice="Check catalog_url, or create the database, then run: domicile init",
        )
    unknown = _UNKNOWN_LOGIN.search(says)
    if unknown is not None:
        name = unknown["name"]
        return CatalogForbidden(
            f"The server refused the login to the catalog of {region}: it has no login {name}.",
            advice=f"Its owner makes it for an embedded Domicile: domicile roster login {name}. "
            "On a server of your own, check user and password in catalog_url.",
        )
    if _NO_LOGIN.search(says):
        return CatalogForbidden(
            f"The server refused the login to the catalog of {region}.",
            advice="Check user and password in catalog_url, and pg_hba.conf of the server.",
        )
    if _NO_TLS.search(says):
        return SettingsError(
            f"The server of the catalog of {region} has no certificate that can be trusted. "
            "It was sent nothing.",
            advice="Check the host and sslrootcert in catalog_url, and the server's certificate.",
        )
    return None


def connection_failure(error: BaseException | None) -> str:
    """Return why there was no connection. libpq names host, user and database, never a password."""
    while error is not None:
        if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
            return next((line.strip() for line in str(error).strip().splitlines()), "")
        error = error.__cause__
    return ""
