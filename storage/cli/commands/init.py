"""``init``: create what the settings name."""

from collections.abc import Mapping
from typing import Annotated

from typer import Option

from storage.cli.error_handling import end_with_failed, failed_regions
from storage.cli.options import AsJson
from storage.cli.output import good, print_json, print_note, print_text
from storage.cli.progress import busy
from storage.errors import DomicileError
from storage.initialize import Ready, init_each
from storage.policy import Stage
from storage.settings import load_settings


def init(
    through: Annotated[
        str | None,
        Option(
            metavar="REVISION",
            help="Also run the migrations up to this one after which older code does not work.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create the catalog, keys, backends and partitions of every region in the settings.

    It can be repeated: it never replaces what exists. A region that fails keeps no other from being
    made; repeat the command when its cause is gone. Without settings it creates the embedded
    default under DOMICILE_HOME.

    It also migrates catalogs, as far as code of an older version goes on working with them. It
    reports the migration that waits until no such code runs: then name it with --through.
    """
    settings = load_settings()
    with busy("Preparing catalogs, keys and backends..."):
        results = dict(init_each(settings, through=through))
    regions = {name: each for name, each in results.items() if isinstance(each, Ready)}
    failed = {name: each for name, each in results.items() if isinstance(each, DomicileError)}
    made = [ready.created for ready in regions.values() if ready.created is not None]
    waiting = {name: ready.waiting for name, ready in regions.items() if ready.waiting is not None}
    nameless = {name: ready.nameless for name, ready in regions.items() if ready.nameless}
    if as_json:
        document = {"home": str(settings.home), "embedded": settings.embedded}
        files = {"new_key_files": list(map(str, made))}
        done = {"regions": list(regions)} | files | {"waiting": waiting}
        passed_over = {"nameless": {name: list(passed) for name, passed in nameless.items()}}
        print_json(document | done | passed_over | failed_regions(failed))
        end_with_failed(failed, as_json=as_json)
        return
    _show(regions)
    for name, revision in waiting.items():
        print_note(f"Migration {revision} of {name} waits: older code does not work after it.")
        print_note(f"When no code before {revision} runs: domicile init --through {revision}")
    for name, passed in nameless.items():
        print_note(f"These of {name} have no sealed name that Domicile wrote: they do not match")
        print_note("what is stored under the new pseudonym key.")
        for what in passed:
            print_note(f"  {what}")
    if made:
        print_note("Back up the new key files now: without them no stored data can be decrypted.")
    for file in made:
        print_note(f"  {file}")
    end_with_failed(failed, as_json=as_json)


def _show(regions: Mapping[str, Ready]) -> None:
    """Show which regions are ready, and the stage of those that no service may open."""
    stages = {name: ready.stage for name, ready in regions.items() if ready.stage is not None}
    closed = {name: stage for name, stage in stages.items() if not stage.opens}
    for name in regions:
        print_text(closed.get(name) or good("ready"), name)
    declared = " ".join(name for name, stage in closed.items() if stage is not Stage.RETIRED)
    if declared:
        print_note(f"No service opens these yet. Run: domicile region provision {declared}")
