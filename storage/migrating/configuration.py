"""How Alembic is configured for the catalog of a region."""

from collections.abc import Callable
from typing import Any, Literal

from alembic import context
from alembic.operations import MigrationScript
from alembic.operations.ops import UpgradeOps
from sqlalchemy import Connection

from storage.catalog import schema
from storage.catalog.tables import Moment, metadata
from storage.migrating import plugin
from storage.migrating.declarations import LABEL, Sources
from storage.migrating.operations import REGION, RegionOperation


def configure(
    connection: Connection,
    region: str | None,
    sources: Sources,
    applied: Callable[..., None],
    differing: Callable[[UpgradeOps], None],
) -> None:
    """Configure Alembic's context.

    ``applied``: called after each revision. ``differing``: called with what this catalog lacks, if
    the command compares.
    """
    options: dict[str, Any] = {plugin.SOURCES: sources}
    if region is not None:
        options[REGION] = region

    def compared(_context: object, _heads: object, directives: list[MigrationScript]) -> None:
        for directive in directives:
            differing(directive.upgrade_ops_list[-1])
            to_branch(directive)

    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_name=schema.is_ours,
        compare_server_default=True,
        render_item=render,
        autogenerate_plugins=["alembic.autogenerate.*", plugin.NAME],
        process_revision_directives=compared,
        on_version_apply=applied,
        **options,
    )


def render(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Render our time type as SQLAlchemy's: a revision must not import what may change later."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, Moment) else False


def to_branch(directive: MigrationScript) -> None:
    """Put a new revision that declares regions on their branch, unless another head was named."""
    operations = [each for ops in directive.upgrade_ops_list for each in ops.ops]
    ours = [isinstance(operation, RegionOperation) for operation in operations]
    if ours and all(ours) and directive.head in (None, "head"):
        directive.head = f"{LABEL}@head"
