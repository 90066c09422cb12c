"""``receipt export``: the evidence of a region as files, before its catalog goes."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from storage.catalog import exports
from storage.catalog.engine import Catalog
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
    every: Annotated[
        bool, Option("--all", help="Also write again what was exported before.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write every receipt and statement that was not exported yet, one file each.

    They are in a directory for each region, with the public keys that verify them. A file is noted
    as exported when it is on the disk for good: interrupted and run again, the command writes the
    rest. A region is retired only when everything was exported. If a directory was lost, --all
    writes all files again.
    """
    settings = load_settings()
    with region_settings(settings, topology_of(settings)) as served:
        if region is not None:
            check_region(region, served)
        done = {
            name: _export(name, own, directory / name, every=every)
            for name, own in served.items()
            if region in (None, name)
        }
    if as_json:
        before = {name: each.before for name, each in done.items()}
        written = {name: each.written for name, each in done.items()}
        print_json({"written": written, "exported_before": before})
        return
    for name, each in done.items():
        print_note(f"{name}: {plural(each.written, 'file')} written to {directory / name}.")
        if each.before and not every:
            were = "file was" if each.before == 1 else "files were"
            print_note(f"{each.before} {were} exported before. To write all again, add --all.")


@dataclass(frozen=True, slots=True)
class _Done:
    """How many files were written, and how many had been exported before."""

    written: int
    before: int


def _export(region: str, own: RegionSettings, directory: Path, *, every: bool) -> _Done:
    """Write what was not exported, a page at a time, and with ``every`` also what was."""
    files.make_directory(directory)
    keys = json.dumps(export_jwk_set(published(region, own)), default=str, indent=2)
    files.write_new(directory / KEYS, [keys.encode()], force=True)
    catalog, written = catalog_of(region, own), 0
    try:
        with catalog.begin() as connection:
            before = exports.count_exported(connection)
        for page in _exported(catalog) if every else ():
            _write(page, directory)
            written += len(page)
        while page := _unexported(catalog):
            _write(page, directory)
            with catalog.begin() as connection:
                exports.mark(connection, page, os.urandom)
            written += len(page)
        files.sync_directory(directory)
    finally:
        catalog.close()
    return _Done(written, before)


def _exported(catalog: Catalog) -> Iterator[list[exports.Evidence]]:
    """Yield what was exported before, a page at a time."""
    last = None
    while True:
        with catalog.begin() as connection:
            page = exports.exported(connection, _PAGE, last)
        if not page:
            return
        yield page
        last = page[-1]


def _unexported(catalog: Catalog) -> list[exports.Evidence]:
    with catalog.begin() as connection:
        return exports.unexported(connection, _PAGE)


def _write(page: Iterable[exports.Evidence], directory: Path) -> None:
    """Write files, and return when they are on the disk for good."""
    for evidence in page:
        files.write_new(directory / evidence.name, [evidence.token.encode()], force=True)
    files.sync_directory(directory)
