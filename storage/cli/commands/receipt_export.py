"""``receipt export``: the evidence of a region as files, before its catalog goes."""

import json
from pathlib import Path
from typing import Annotated

from typer import Argument

from storage.catalog import exports
from storage.cli import files
from storage.cli.commands.receipt import published
from storage.cli.opening import catalog_of
from storage.cli.options import AsJson, OneRegion, check_region
from storage.cli.output import print_json, print_note
from storage.evidence.keys import export_jwk_set
from storage.settings import RegionSettings, load_settings, region_settings, topology_of
from storage.text import plural

_PAGE = 100
KEYS = "keys.json"


def export(
    directory: Annotated[Path, Argument(metavar="DIR", help="Where to. It is made if need be.")],
    region: OneRegion = None,
    as_json: AsJson = False,
) -> None:
    """Write every receipt and statement that was not exported yet, one file each.

    They are in a directory for each region, with the public keys that verify them. A file is noted
    as exported when it is on the disk for good: interrupted and run again, the command writes the
    rest. A region is retired only when everything was exported.
    """
    settings = load_settings()
    with region_settings(settings, topology_of(settings)) as served:
        if region is not None:
            check_region(region, served)
        written = {
            name: _export(name, own, directory / name)
            for name, own in served.items()
            if region in (None, name)
        }
    if as_json:
        print_json({"written": written})
        return
    for name, count in written.items():
        print_note(f"{name}: {plural(count, 'file')} written to {directory / name}.")


def _export(region: str, own: RegionSettings, directory: Path) -> int:
    """Write what was not exported, a page at a time. Return the number of files."""
    files.make_directory(directory)
    keys = json.dumps(export_jwk_set(published(region, own)), default=str, indent=2)
    files.write_new(directory / KEYS, [keys.encode()], force=True)
    catalog, written = catalog_of(region, own), 0
    try:
        while True:
            with catalog.begin() as connection:
                page = exports.unexported(connection, _PAGE)
            if not page:
                files.sync_directory(directory)
                return written
            for evidence in page:
                files.write_new(directory / evidence.name, [evidence.token.encode()], force=True)
            files.sync_directory(directory)
            with catalog.begin() as connection:
                exports.mark(connection, page)
            written += len(page)
    finally:
        catalog.close()
