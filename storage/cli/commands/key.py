"""``key``: new versions of a region's keys, and their way to a key service."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from storage.catalog import log, pseudonym_keys
from storage.cli.opening import catalog_of, settings_of
from storage.cli.options import AsJson
from storage.cli.output import print_json, print_note, print_text
from storage.crypto import root
from storage.crypto.pseudonym import Pseudonyms
from storage.keys import load_keys
from storage.settings import RegionSettings

_NEXT = {
    "root": "Restart every process of the region, and back up the key file.",
    "pseudonym": "Restart every process of the region, and back up the key file.",
    "signing": "Restart the workers, back up the key file, and publish: domicile receipt key",
}


def rotate(
    region: Annotated[
        str, Argument(metavar="REGION", help="The region whose key it is.", show_default=False)
    ],
    section: Annotated[
        Literal["root", "pseudonym", "signing"],
        Option(metavar="KEY", help="The key. One of: root, pseudonym, signing."),
    ],
    as_json: AsJson = False,
) -> None:
    """Add a new version of a key to a region's key file. The region's log gets a line about it.

    Older versions stay: they still decrypt and verify. A running process keeps the keys that it
    read at its start, and may refuse requests until you restart it.
    """
    with settings_of(region) as settings:
        if section == "pseudonym":
            version = _rotate_pseudonym_key(region, settings)
        elif section == "root":
            version = _rotate_root_key(region, settings)
        else:
            version = root.rotate(settings.keys_file, os.urandom, region=region, section=section)
    if as_json:
        print_json({"region": region, "section": section, "version": version})
        return
    print_text(f"{section} key version {version}")
    print_note(_NEXT[section])


def split(
    region: Annotated[
        str, Argument(metavar="REGION", help="The region whose keys they are.", show_default=False)
    ],
    file: Annotated[Path, Argument(metavar="FILE", help="The new key file, for the key service.")],
    as_json: AsJson = False,
) -> None:
    """Move the root keys of a region's key file to a file of their own, for a key service.

    The pseudonym and signing keys stay. Safe to repeat.
    """
    with settings_of(region) as settings:
        root.split(settings.keys_file, file, region=region)
        left = settings.keys_file
    if as_json:
        print_json({"region": region, "root": str(file), "rest": str(left)})
        return
    print_text(f"The root keys are in {file}.")
    print_note("Give it to the key service, and back up both files. A running process keeps them.")


def _rotate_root_key(region: str, settings: RegionSettings) -> int:
    """Commit the line first: a version that no line is about may never wrap anything."""
    catalog = catalog_of(region, settings)

    def announce(version: int) -> None:
        with catalog.begin() as connection:
            log.note_keys(connection, "root", [version], datetime.now(UTC), os.urandom)

    try:
        catalog.check()
        return root.rotate(
            settings.keys_file, os.urandom, region=region, section="root", announce=announce
        )
    finally:
        catalog.close()


def _rotate_pseudonym_key(region: str, settings: RegionSettings) -> int:
    """Check the catalog first: a version that it does not know stops every process."""
    catalog = catalog_of(region, settings)
    try:
        catalog.check()
        with catalog.begin() as connection:
            pseudonym_keys.check(connection, region, _checks(region, settings))
            version = root.rotate(
                settings.keys_file, os.urandom, region=region, section="pseudonym"
            )
            new = pseudonym_keys.register(connection, region, _checks(region, settings))
            log.note_keys(connection, "pseudonym", new, datetime.now(UTC), os.urandom)
    finally:
        catalog.close()
    return version


def _checks(region: str, settings: RegionSettings) -> dict[int, bytes]:
    keys = load_keys(settings, os.urandom, region=region)
    return Pseudonyms(keys.pseudonym_keys()).checks()
