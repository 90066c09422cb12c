"""Where ledger entries may go now."""

from dataclasses import dataclass

from storage.catalog import postures
from storage.errors import NoOpenBackend
from storage.policy import Standing, ledger_backends
from storage.region import OpenRegion


@dataclass(frozen=True, slots=True)
class Places:
    """``backends`` get entries; the ``accepted`` among them do although they are closed."""

    backends: tuple[str, ...]
    accepted: frozenset[str]


def find_places(region: OpenRegion, consequence: str) -> Places:
    """Return where entries go now. Call it outside of a transaction.

    Raises NoOpenBackend, with ``consequence``, if those are fewer than the region requires.
    """
    closed, required = region.postures.closed(), region.region.required
    states = {name: name not in closed for name in region.lawful()}
    accepted = frozenset[str]()
    if sum(states.values()) < required:
        with region.catalog.begin() as connection:
            accepted = postures.accepted(connection)
    found = ledger_backends(states, accepted, required)
    if len(found) < required:
        standings = region.standings().items()
        unlawful = {name: found.value for name, found in standings if found is not Standing.OPEN}
        raise NoOpenBackend(region.name, closed | unlawful, consequence)
    return Places(found, accepted & closed.keys())


def may_preserve(region: OpenRegion) -> bool:
    """Return whether a hold could be placed now: keys may be destroyed only while it could."""
    try:
        find_places(region, "")
    except NoOpenBackend:
        return False
    return True
