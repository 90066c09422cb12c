"""The operations of revisions that declare regions: ``op.add_region`` and the like.

A revision runs in the catalog of every region. Each operation writes to that of its own region
alone: a row that says which text declares the region now. It makes no bucket and no key, because
no transaction could take them back: see ``domicile region provision``.
"""

from collections.abc import Callable
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import renderers
from alembic.operations import MigrateOperation, Operations
from alembic.util import CommandError
from sqlalchemy import Connection

from regions.canonical import canonical, digest_of, region_of
from storage.catalog import remains, stages
from storage.errors import RegionNotEmpty
from storage.policy import Stage, declared_stage, may_undeclare

REGION = "domicile_region"
"""The option of a migration context that names the region of its catalog."""

RECORD = "domicile_record"
"""The option with a function that is given each operation, instead of a catalog."""


class RegionOperation(MigrateOperation):
    """An operation on a region: ``old`` is the text that declared it before, ``new`` that after."""

    verb: str

    def __init__(self, name: str, old: str | None, new: str | None) -> None:
        self.name, self.old, self.new = name, old, new

    def reverse(self) -> "RegionOperation":
        """Return what takes the operation back."""
        return operation_for(self.name, self.new, self.old)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return what ``alembic check`` prints."""
        return self.verb, self.name


@Operations.register_operation("add_region")
class AddRegion(RegionOperation):
    """Declare a region."""

    verb = "add_region"

    @classmethod
    def add_region(cls, operations: Operations, name: str, *, digest: str, text: str) -> None:
        """Declare a region by its canonical text, of which ``digest`` is the SHA-256."""
        operations.invoke(cls(name, None, checked(name, text, digest)))


@Operations.register_operation("retire_region")
class RetireRegion(RegionOperation):
    """End a region, in which nothing may be left."""

    verb = "retire_region"

    @classmethod
    def retire_region(cls, operations: Operations, name: str, *, digest: str, text: str) -> None:
        """End a region. ``text`` declared it until now; ``digest`` is its SHA-256."""
        operations.invoke(cls(name, checked(name, text, digest), None))


@Operations.register_operation("change_region")
class ChangeRegion(RegionOperation):
    """Change a region: its backends, its replicas, its stewards."""

    verb = "change_region"

    @classmethod
    def change_region(
        cls, operations: Operations, name: str, *, digest: str, old: str, new: str
    ) -> None:
        """Change a region from one text to another, of which ``digest`` is the SHA-256."""
        operations.invoke(cls(name, checked(name, old), checked(name, new, digest)))


def operation_for(name: str, old: str | None, new: str | None) -> RegionOperation:
    """Return the operation from one text of a region to another. None: it is not declared."""
    if old is None:
        return AddRegion(name, old, new)
    return RetireRegion(name, old, new) if new is None else ChangeRegion(name, old, new)


def checked(name: str, text: str, digest: str | None = None) -> str:
    """Return a text of a revision, which may be indented there, as a canonical one.

    Raises CommandError unless it is a region of that name, with that digest.
    """
    try:
        text = canonical(text)
        named = region_of(text).name
    except ValueError as error:
        raise CommandError(f"The text of {name} in a revision is not that of a region.") from error
    if digest is not None and digest_of(text) != digest:
        raise CommandError(f"The text of {name} in a revision is not the one of its digest.")
    if named != name:
        raise CommandError(f"The text of {name} in a revision is that of {named}.")
    return text


def _applied(write: Callable[[Connection, RegionOperation], None]) -> Callable[..., None]:
    """Return what runs an operation: in the catalog of its region, or for who records it."""

    def apply(operations: Operations, operation: RegionOperation) -> None:
        options = operations.migration_context.opts
        record: Callable[[RegionOperation], None] | None = options.get(RECORD)
        if record is not None:
            record(operation)
        elif REGION not in options:
            raise CommandError("A region is declared in its own catalog: give a connection to it.")
        elif options[REGION] == operation.name:
            connection = operations.get_bind()
            stages.lock(connection)
            write(connection, operation)

    return apply


def _declare(connection: Connection, operation: RegionOperation) -> None:
    """Note that the region is declared. One that is in use already stays so."""
    assert operation.new is not None
    used = stages.has_tenants(connection)
    stage = declared_stage(stages.latest(connection), used=used)
    stages.add(connection, stage, digest_of(operation.new))


def _retire(connection: Connection, operation: RegionOperation) -> None:
    """Note that a revision ends the region. Raises CommandError unless it may."""
    assert operation.old is not None
    left = remains.of_region(connection) | remains.own(connection)
    end = may_undeclare(operation.name, stages.latest(connection), left)
    try:
        end.demand()
    except RegionNotEmpty as error:
        raise CommandError(f"{error.message} {error.advice}") from error
    stages.add(connection, Stage.RETIRED, digest_of(operation.old))


def _change(connection: Connection, operation: RegionOperation) -> None:
    """Note the new text. The stage stays."""
    assert operation.new is not None
    stage = stages.latest(connection) or Stage.ROUTABLE
    stages.add(connection, stage, digest_of(operation.new))


Operations.implementation_for(AddRegion)(_applied(_declare))
Operations.implementation_for(RetireRegion)(_applied(_retire))
Operations.implementation_for(ChangeRegion)(_applied(_change))


def source_of(operation: RegionOperation) -> str:
    """Return the lines of a revision that call the operation."""
    digest = digest_of(operation.new or operation.old or "")
    if operation.old is not None and operation.new is not None:
        texts = {"old": operation.old, "new": operation.new}
    else:
        texts = {"text": operation.old or operation.new or ""}
    given = [f'    {name}=r"""\n{text}\n""",' for name, text in texts.items()]
    head = f'op.{operation.verb}(\n    "{operation.name}",\n    digest="{digest}",\n'
    return head + "\n".join(given) + "\n)"


@renderers.dispatch_for(AddRegion)
@renderers.dispatch_for(RetireRegion)
@renderers.dispatch_for(ChangeRegion)
def _render(_context: AutogenContext, operation: RegionOperation) -> str:
    return source_of(operation)
