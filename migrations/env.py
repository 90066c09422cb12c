"""Alembic runs this file: for the connection that it is given, or else for every region served."""

from typing import Literal
from uuid import uuid4

from alembic import context
from sqlalchemy import Connection

from storage.bootstrap import make_catalog
from storage.catalog.schema import is_ours, name_catalog
from storage.catalog.tables import Moment, metadata
from storage.catalog.times import UNLIMITED
from storage.settings import load_settings, region_settings, topology_of


def render(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Render our time type as SQLAlchemy's: a revision must not import what may change later."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, Moment) else False


def migrate(connection: Connection) -> None:
    """Run the requested revisions in one transaction."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_name=is_ours,
        compare_server_default=True,
        render_item=render,
    )
    with context.begin_transaction():
        context.run_migrations()


def migrate_all() -> None:
    """Migrate every region that this process has settings for, each in its own transaction."""
    settings = load_settings()
    topology = topology_of(settings)
    with region_settings(settings, topology) as served:
        for region, own in served.items():
            url = own.catalog_url.get_secret_value()
            catalog = make_catalog(topology.regions[region], url, 1).within(UNLIMITED)
            with catalog.begin() as connection:
                migrate(connection)
                name_catalog(connection, region, uuid4())
            catalog.close()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    migrate_all()
