"""How Alembic is configured for the catalog of a region."""

from collections.abc import Callable
from typing import Any, Literal

from alembic import context
from alembic.operations import MigrationScript
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from storage.catalog import schema
from storage.catalog.tables import Moment, metadata
from storage.migrating import plugin
from storage.migrating.declarations import LABEL, Sources
from storage.migrating.operations import REGION, RegionOperation


def configure(
    connection: Connection, region: str | None, sources: Sources, applied: Callable[..., None]
) -> None:
    """Configure Alembic's context. ``applied``: called after each revision."""
    options: dict[str, Any] = {plugin.SOURCES: sources}
    if region is not None:
        options[REGION] = region
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_name=schema.is_ours,
        compare_server_default=True,
        render_item=render,
        autogenerate_plugins=["alembic.autogenerate.*", plugin.NAME],
        process_revision_directives=to_branch,
        on_version_apply=applied,
        **options,
    )


def render(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Render our time type as SQLAlchemy's: a revision must not import what may change later."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, Moment) else False


def to_branch(
    _context: MigrationContext, _heads: object, directives: list[MigrationScript]
) -> None:
    """Put a new revision that declares regions on their branch, unless another head was named."""
    for directive in directives:
        operations = directive.upgrade_ops.ops if directive.upgrade_ops is not None else []
        ours = [isinstance(operation, RegionOperation) for operation in operations]
        if ours and all(ours) and directive.head in (None, "head"):
            directive.head = f"{LABEL}@head"
