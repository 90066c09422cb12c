"""The pseudonym keys of a catalog. With another key, an erasure would match nothing."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import tables as t
from storage.errors import KeyUnavailable, SettingsError

p = t.pseudonym_key.c


def check(connection: Connection, region: str, given: Mapping[int, bytes]) -> None:
    """Raise SettingsError unless these are exactly the keys of the catalog."""
    known = _known(connection)
    _compare(region, known, given)
    if given.keys() - known.keys():
        raise SettingsError(
            f"The key file of {region} has a pseudonym key that its catalog does not know.",
            advice="Run domicile init, then start every process of the region again.",
        )


def register(connection: Connection, region: str, given: Mapping[int, bytes]) -> Collection[int]:
    """Add new versions; return them. Raises SettingsError if an older one is missing."""
    known = _known(connection)
    _compare(region, known, given)
    new = given.keys() - known.keys()
    rows = [{"version": version, "check_value": given[version]} for version in sorted(new)]
    if rows:
        connection.execute(insert(t.pseudonym_key).on_conflict_do_nothing(), rows)
    return sorted(new)


def check_complete(connection: Connection, region: str, versions: Collection[int]) -> None:
    """Raise KeyUnavailable unless a process has every version in use.

    Called under the tenant's lock. A record that is stored under a version registered later was
    then checked against the fences under all versions.
    """
    if _known(connection).keys() - set(versions):
        raise KeyUnavailable(
            f"The catalog of {region} uses a newer pseudonym key than this process has.",
            advice="Install the newest key file, and restart the process.",
        )


def _known(connection: Connection) -> dict[int, bytes]:
    return {row[0]: bytes(row[1]) for row in connection.execute(select(p.version, p.check_value))}


def _compare(region: str, known: Mapping[int, bytes], given: Mapping[int, bytes]) -> None:
    if any(given.get(version) != value for version, value in known.items()):
        raise SettingsError(
            f"The key file of {region} does not match its catalog.",
            advice="Restore the newest one. With another key, an erasure would match nothing.",
        )
