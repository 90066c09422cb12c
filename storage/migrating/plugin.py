"""Alembic's plug-in: ``alembic check`` and ``--autogenerate`` compare regions too."""

from functools import cache
from sys import modules

from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import UpgradeOps
from alembic.runtime.plugins import Plugin
from alembic.util import PriorityDispatchResult

from regions.canonical import region_text
from regions.model import Topology
from storage.migrating.declarations import Declarations, Sources
from storage.migrating.operations import RegionOperation, operation_for

NAME = "domicile.regions"
SOURCES = "domicile_sources"
"""The option of a migration context with what is compared."""


@cache
def register() -> None:
    """Make the plug-in known to Alembic, once in a process."""
    Plugin.setup_plugin_from_module(modules[__name__], NAME)


def setup(plugin: Plugin) -> None:
    """Add the comparison. Alembic calls this."""
    plugin.add_autogenerate_comparator(compare, "autogenerate")


def compare(context: AutogenContext, operations: UpgradeOps) -> PriorityDispatchResult:
    """Add what makes the revisions declare what the files say."""
    sources: Sources = context.opts[SOURCES]
    if sources.declared is not None and sources.topology is not None:
        operations.ops.extend(differences(sources.declared, sources.topology))
    return PriorityDispatchResult.CONTINUE


def differences(declared: Declarations, topology: Topology) -> list[RegionOperation]:
    """Return the operations that lead from what is declared to a topology, sorted by region."""
    before = {name: each.text for name, each in declared.items() if not each.retired}
    after = {name: region_text(region) for name, region in topology.regions.items()}
    changed = (name for name in sorted(before | after) if before.get(name) != after.get(name))
    return [operation_for(name, before.get(name), after.get(name)) for name in changed]
