"""The PostgreSQL server of a catalog: its databases, its version and its date."""

import os
from collections.abc import Iterable
from datetime import date, datetime

from sqlalchemy import Connection, func, select, text

from storage.catalog.address import resolve
from storage.catalog.connections import TIMES, make_engine
from storage.catalog.tables import Moment
from storage.catalog.times import UNLIMITED


def create_databases(server_url: str, names: Iterable[str]) -> None:
    """Create databases on a server, except those that exist. The names need no quoting."""
    address = resolve("every region", server_url, hosts=(), environment=os.environ)
    engine = make_engine(address, 1, isolation_level="AUTOCOMMIT")  # as CREATE DATABASE demands
    exists = text("SELECT 1 FROM pg_database WHERE datname = :name")
    with engine.connect() as connection:
        connection.info[TIMES] = UNLIMITED
        for name in names:
            if connection.scalar(exists, {"name": name}) is None:
                connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()


def version(connection: Connection) -> str:
    """Return the version of the server, such as ``18.1``."""
    return str(connection.scalar(text("SHOW server_version")))


def today(connection: Connection) -> date:
    """Return the current date of the server."""
    return connection.execute(select(func.current_date())).scalar_one()


def now(connection: Connection) -> datetime:
    """Return the current time of the server."""
    return connection.execute(select(func.clock_timestamp(type_=Moment()))).scalar_one()


def analyze(connection: Connection) -> None:
    """Update the statistics of the planner, which contain samples of rows."""
    connection.execute(text("ANALYZE"))
