"""Where ledger entries may go now."""

from dataclasses import dataclass

from storage.catalog import postures
from storage.errors import NoOpenBackend
from storage.objects.places import shared
from storage.policy import Standing, ledger_backends
from storage.region import OpenRegion


@dataclass(frozen=True, slots=True)
class Places:
    """``backends`` get entries; the ``accepted`` among them do although they are closed."""

    backends: tuple[str, ...]
    accepted: frozenset[str]


def find_places(region: OpenRegion, consequence: str) -> Places:
    """Return where entries go now. Call it outside of a transaction.

    A backend whose posture is unknown does not answer, which the write then says. Raises
    NoOpenBackend, with ``consequence``, if they are fewer than the region requires even so.
    """
    postures_now, required = region.postures, region.region.required
    closed, unfit = postures_now.closed(), postures_now.unfit()
    accepted = _accepted(region) if closed else frozenset[str]()
    for against in (closed, unfit):
        states = {name: name not in against for name in shared(region)}
        found = ledger_backends(states, accepted, required)
        if len(found) >= required:
            return Places(found, accepted & closed.keys())
    standings = region.standings().items()
    unlawful = {name: found.value for name, found in standings if found is not Standing.OPEN}
    raise NoOpenBackend(region.name, {**closed, **unlawful}, consequence)


def may_preserve(region: OpenRegion) -> bool:
    """Return whether a hold could be placed now: keys may be destroyed only while it could."""
    try:
        places = find_places(region, "")
    except NoOpenBackend:
        return False
    closed = region.postures.closed().keys() - places.accepted
    return len(set(places.backends) - closed) >= region.region.required


def _accepted(region: OpenRegion) -> frozenset[str]:
    with region.catalog.begin() as connection:
        return postures.accepted(connection)
