"""What ``env.py`` does: run a command of Alembic in the catalog of each region."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from alembic import context
from alembic.operations.ops import UpgradeOps
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from regions.model import Region
from storage import embedded
from storage.catalog import schema
from storage.catalog.engine import revision
from storage.catalog.shipped import this_code
from storage.catalog.times import UNLIMITED
from storage.dependencies import make_catalog
from storage.errors import DomicileError
from storage.migrating import plugin
from storage.migrating.arguments import Asked, asked_for
from storage.migrating.configuration import configure
from storage.migrating.declarations import Declarations, Sources, declarations
from storage.settings import Settings, load_settings, topology_of

_REFUSALS = (CommandError, DomicileError, RuntimeError, SQLAlchemyError)
"""What one region may raise while the others are migrated."""

_UNNAMED = "A downgrade destroys. Name each region: -x region=NAME downgrade"


def run(directory: Path | None = None) -> None:
    """Run a command in the connection that Alembic was given, or in every region of the settings.

    ``directory``: that of the topology, if its revisions are run too.

    Raises CommandError, after the last region, if a region failed. That one is as it was.
    """
    plugin.register()
    if context.is_offline_mode():
        raise CommandError(
            "--sql is not supported, because the first migration asks the server for its schema "
            "and its roles."
        )
    config = context.config
    script = ScriptDirectory.from_config(config)
    given = config.attributes.get("connection")
    if given is not None:
        sources = Sources(declarations(script), config.attributes.get("topology"))
        region = config.attributes.get("region")
        if region is not None:
            sources.check(region)
            sources.check_files()
        _migrate(given, region, sources)
        return
    asked = asked_for(config.cmd_opts)
    try:
        _run_all(directory, declarations(script), asked, config.print_stdout)
    except DomicileError as error:
        raise CommandError(str(error)) from error


def _run_all(
    directory: Path | None,
    declared: Declarations | None,
    asked: Asked,
    show: Callable[[str], None],
) -> None:
    """Run a command in each region that it is for. Raises CommandError if one of them fails."""
    if asked.downgrades and not asked.regions:
        raise CommandError(_UNNAMED)
    settings = _settings(directory, asked)
    topology = topology_of(settings)
    sources = Sources(declared, topology)
    regions = sources.regions()
    results: dict[str, str | None] = {}
    with _urls(settings, sources) as urls:
        chosen = asked.among(urls)
        for name in chosen[:1] if asked.compares else chosen:
            show(f"{name}:")
            if asked.checks and results:
                sources = Sources(None, topology)  # the revisions were compared already
            try:
                if asked.upgrades:
                    sources.check(name)
                _migrate_region(regions[name], urls[name], sources, asked, show)
                results[name] = None
            except _REFUSALS as error:
                results[name] = f"{type(error).__name__}: {error}".partition("\n")[0]
    _sum_up(results)


def _settings(directory: Path | None, asked: Asked) -> Settings:
    """Return the settings. Raises SettingsError, and CommandError if they name no region."""
    settings = load_settings()
    if settings.embedded and not asked.embedded:
        raise CommandError(
            "No region is set. Set DOMICILE_REGIONS__<REGION>__CATALOG_URL and __KEYS_FILE. "
            "If you mean the embedded PostgreSQL of DOMICILE_HOME, run: alembic -x embedded ..."
        )
    if asked.embedded and not settings.embedded:
        raise CommandError(
            "-x embedded is for the embedded PostgreSQL, and the settings name other catalogs. "
            "Leave it out, or unset DOMICILE_REGIONS__*."
        )
    if directory is None:
        return settings
    if settings.topology is not None and settings.topology.resolve() != directory.resolve():
        raise CommandError(
            f"DOMICILE_TOPOLOGY is {settings.topology}, but these revisions are in {directory}."
        )
    return settings.model_copy(update={"topology": directory})


@contextmanager
def _urls(settings: Settings, sources: Sources) -> Iterator[dict[str, str]]:
    """Yield the URL of each catalog, in the order of the settings. Raises CommandError.

    A region that is retired has no file. Its revision says what it was.
    """
    regions = sources.regions()
    if not settings.embedded:
        for name in settings.regions:
            if name not in regions:
                raise CommandError(f"The settings name {name}, which the topology does not have.")
        yield {name: own.catalog_url.get_secret_value() for name, own in settings.regions.items()}
        return
    if not (settings.home / "keys").exists():
        raise CommandError(f"DOMICILE_HOME {settings.home} has nothing yet. Run: domicile init")
    server, leave = embedded.start(settings.home / "postgres")
    try:
        yield {name: embedded.ensure_database(server, name) for name in regions}
    finally:
        leave()


def _migrate_region(
    region: Region, url: str, sources: Sources, asked: Asked, show: Callable[[str], None]
) -> None:
    """Run the command in the catalog of a region, in one transaction, and name the catalog."""
    catalog = make_catalog(region, url, 2).within(UNLIMITED)

    def applied(step: MigrationInfo) -> None:
        if not step.is_upgrade and not asked.regions:
            raise CommandError(_UNNAMED)
        show(f"  {'upgrade' if step.is_upgrade else 'downgrade'} {_names(step)}")

    def differing(operations: UpgradeOps) -> None:
        if asked.checks and operations.ops:
            found = operations.as_diffs()  # what changes a column is a list of them
            each = [diff[0] if isinstance(diff, list) else diff for diff in found]
            show(f"  differs: {', '.join(sorted({str(verb) for verb, *_ in each}))}")

    try:
        catalog.check_safe()
        with catalog.begin() as connection:
            schema.check_name(connection, region.name)
            if asked.checks and not revision(connection):
                raise CommandError("It has no schema yet. Run: alembic upgrade heads")
            schema_now = _migrate(connection, region.name, sources, applied, differing)
            if schema_now:
                schema.name_catalog(connection, region.name, uuid4(), schema_now)
    finally:
        catalog.close()


def _names(step: MigrationInfo) -> str:
    """Return the revisions before and after a step, and what the later one does."""
    later = step.up_revision
    done = later.doc if isinstance(later, Script) else ""
    before = ", ".join(step.source_revision_ids) or "nothing"
    after = ", ".join(step.destination_revision_ids) or "nothing"
    return f"{before} -> {after}: {done}"


def _migrate(
    connection: Connection,
    region: str | None,
    sources: Sources,
    applied: Callable[[MigrationInfo], None] = lambda _: None,
    differing: Callable[[UpgradeOps], None] = lambda _: None,
) -> str | None:
    """Run the command in a transaction of the caller.

    Return the revision of the schema if anything changed.
    """
    stepped = False

    def step_done(*, step: MigrationInfo, **_: object) -> None:
        nonlocal stepped
        if step.is_stamp:
            raise CommandError(
                "stamp is refused: the catalog would state a migration that did not run. "
                "Use upgrade or downgrade."
            )
        stepped = True
        applied(step)

    configure(connection, region, sources, step_done, differing)
    with context.begin_transaction():
        context.run_migrations()
    here = _schema_revision(context.get_context())
    if not stepped or here is None:
        return None
    schema.note(connection, here)
    return here


def _schema_revision(migration: MigrationContext) -> str | None:
    """Return the revision of the schema. Alembic's table may imply it by one that depends on it."""
    script = migration.script
    assert script is not None
    current = script.get_all_current(migration.get_current_heads())
    code = this_code()
    return next((each.revision for each in current if code.knows(each.revision)), None)


def _sum_up(results: Mapping[str, str | None]) -> None:
    """Raise CommandError if a region failed, with a line for each region."""
    failed = sum(result is not None for result in results.values())
    if not failed:
        return
    width = max(map(len, results))
    lines = [f"{name:{width}}  {result or 'done'}" for name, result in results.items()]
    raise CommandError(
        f"{failed} of {len(results)} regions failed, and are as they were. "
        "Correct the cause, and run the command again.\n" + "\n".join(lines)
    )
