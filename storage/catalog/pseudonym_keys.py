"""Which pseudonym keys a catalog is used with. Under another key, an erasure would find nobody."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from storage.catalog import tables as t
from storage.errors import KeyUnavailable, SettingsError

p = t.pseudonym_key.c


def check(connection: Connection, region: str, given: Mapping[int, bytes]) -> None:
    """That these are the keys of the catalog, none missing and none new. Raises SettingsError."""
    known = _known(connection)
    _compare(region, known, given)
    if given.keys() - known.keys():
        raise SettingsError(
            f"The key file of {region} has a pseudonym key that its catalog has not heard of.",
            advice="Run domicile init, then start every process of the region again.",
        )


def register(connection: Connection, region: str, given: Mapping[int, bytes]) -> None:
    """Let new versions be used from now on. Raises SettingsError if an older one is not there."""
    known = _known(connection)
    _compare(region, known, given)
    rows = [{"version": v, "check_value": given[v]} for v in given.keys() - known.keys()]
    if rows:
        connection.execute(insert(t.pseudonym_key).on_conflict_do_nothing(), rows)


def check_complete(connection: Connection, region: str, versions: Collection[int]) -> None:
    """That a process knows every version in use: others may have been told of a new one since.

    Raises KeyUnavailable. With the tenant's lock held, whatever is stored under a version that is
    registered later has been checked against the fence under all of them.
    """
    if _known(connection).keys() - set(versions):
        raise KeyUnavailable(
            f"Names in {region} are stored under a newer pseudonym key than this process has.",
            advice="Give it the newest key file, and start it again.",
        )


def _known(connection: Connection) -> dict[int, bytes]:
    return {row[0]: bytes(row[1]) for row in connection.execute(select(p.version, p.check_value))}


def _compare(region: str, known: Mapping[int, bytes], given: Mapping[int, bytes]) -> None:
    if any(given.get(version) != value for version, value in known.items()):
        raise SettingsError(
            f"The key file of {region} is not the one that its catalog is used with.",
            advice="Restore the newest one: with another, an erasure would find nobody.",
        )
