"""Run by Alembic: for the connection that it is given, or else for every region of the settings."""

from typing import Literal

from alembic import context
from sqlalchemy import Connection

from storage.bootstrap import catalog_urls
from storage.catalog.engine import Catalog
from storage.catalog.schema import is_ours
from storage.catalog.tables import Moment, metadata
from storage.settings import Settings


def render(kind: str, item: object, _context: object) -> str | Literal[False]:
    """A revision must not import a type that the code may change later."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, Moment) else False


def migrate(connection: Connection) -> None:
    """All revisions that are asked for, in one transaction."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_object=is_ours,
        compare_server_default=True,
        render_item=render,
    )
    with context.begin_transaction():
        context.run_migrations()


def migrate_all() -> None:
    """Every region that this process has settings for."""
    for region, url in catalog_urls(Settings()).items():
        catalog = Catalog(region, url, connections=1)
        with catalog.begin() as connection:
            migrate(connection)
        catalog.close()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    migrate_all()
