"""``key rotate`` and ``receipt key``: the keys of a region, and what is published of them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from typer import Argument, Option

from storage import bootstrap
from storage.catalog import pseudonym_keys, signing_keys
from storage.catalog.engine import Catalog
from storage.cli.options import AsJson
from storage.cli.output import document, note, say
from storage.crypto import root
from storage.crypto.pseudonym import Pseudonyms
from storage.crypto.root import LocalRootKeys
from storage.errors import InvalidRequest, WrongRegion
from storage.evidence.keys import PublishedKey, export_jwk_set, export_pem
from storage.settings import RegionSettings, load_settings

_NEXT = {
    "root": "Start every process of the region again, and back up the key file.",
    "pseudonym": "Start every process of the region again, and back up the key file.",
    "signing": "Start the workers again, back up the key file, and publish: domicile receipt key",
}


def rotate(
    region: Annotated[str, Argument(metavar="REGION", help="Whose keys.")],
    section: Annotated[Literal["root", "pseudonym", "signing"], Option(help="Which of its keys.")],
    as_json: AsJson = False,
) -> None:
    """Add a new version of a key of a region. Older versions stay, and go on to open and verify.

    A process that runs uses what it read when it started, and may refuse until it is started again.
    """
    with _place(region) as place:
        if section == "pseudonym":
            version = _rotate_pseudonyms(region, place)
        else:
            version = root.rotate(place.keys_file, os.urandom, region=region, section=section)
    if as_json:
        document({"region": region, "section": section, "version": version})
        return
    say(f"{section} key version {version}")
    note(_NEXT[section])


def public(
    region: Annotated[str, Option(metavar="NAME", help="Whose receipts they verify.")],
    version: Annotated[int | None, Option(help="This one only.")] = None,
    as_json: AsJson = False,
) -> None:
    """The public keys of a region, current and older, to give to whoever checks its receipts.

    As PEM, the newest first; with --json as a JWK set that says from when to when each has signed.
    """
    with _place(region) as place:
        keys = _published(region, place)
    wanted = [key for key in keys if version in (None, key.version)]
    if not wanted:
        known = sorted(key.version for key in keys if key.version is not None)
        raise InvalidRequest(
            "There is no signing key of that version.",
            advice=f"There are: {', '.join(str(v) for v in known)}.",
        )
    if as_json:
        document({"region": region} | export_jwk_set(wanted))
        return
    for published in wanted:
        say(export_pem(published.key).strip())


@contextmanager
def _place(region: str) -> Iterator[RegionSettings]:
    settings = load_settings()
    with bootstrap.region_settings(settings, bootstrap.topology_of(settings)) as places:
        if region not in places:
            raise WrongRegion(home=region, advice=f"This process serves: {', '.join(places)}.")
        yield places[region]


def _rotate_pseudonyms(region: str, place: RegionSettings) -> int:
    """The catalog has to answer first: a version that it has not heard of stops every process."""
    with _catalog(region, place) as catalog, catalog.begin() as connection:
        pseudonym_keys.check(connection, region, _checks(region, place))
        version = root.rotate(place.keys_file, os.urandom, region=region, section="pseudonym")
        pseudonym_keys.register(connection, region, _checks(region, place))
    return version


def _checks(region: str, place: RegionSettings) -> dict[int, bytes]:
    keys = LocalRootKeys.load(place.keys_file, os.urandom, region=region)
    return Pseudonyms(keys.pseudonym_keys()).checks()


def _published(region: str, place: RegionSettings) -> list[PublishedKey]:
    """Newest first; at the end those that have signed, and that the key file has no more."""
    roots = LocalRootKeys.load(place.keys_file, os.urandom, region=region)
    with _catalog(region, place) as catalog, catalog.begin() as connection:
        signed = {raw: times for raw, *times in signing_keys.history(connection)}
    found = []
    for version, private in sorted(roots.signing_keys().items(), reverse=True):
        key = private.public_key()
        first, last = signed.pop(key.public_bytes_raw(), (None, None))
        found.append(PublishedKey(key, version, first, last))
    for raw, (first, last) in signed.items():
        found.append(PublishedKey(Ed25519PublicKey.from_public_bytes(raw), None, first, last))
    return found


@contextmanager
def _catalog(region: str, place: RegionSettings) -> Iterator[Catalog]:
    catalog = Catalog(region, place.catalog_url.get_secret_value(), connections=1)
    try:
        catalog.check()
        yield catalog
    finally:
        catalog.close()
