"""Decide to which cell of a region a new tenant goes.

A cell is a region of the topology that shares the name of another to the outside: a second catalog
for a place that outgrew the first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from regions.model import CellRule
from storage.errors import PlacementUnsatisfied
from storage.model import PlacementReason, PlaceStatus, RegionStatus


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: how many tenants it has, the most that it may have, and whether it is routable."""

    name: str
    tenants: int
    room: int | None
    routable: bool = True

    @property
    def takes_another(self) -> bool:
        """Whether it takes another tenant."""
        return self.routable and (self.room is None or self.tenants < self.room)


def choose_cell(place: str, rule: CellRule, cells: Sequence[Cell]) -> str:
    """Return the cell for a new tenant. ``cells``: in the order of the topology.

    Raises PlacementUnsatisfied if none takes another tenant.
    """
    able = [cell for cell in cells if cell.takes_another]
    if not able:
        names = ", ".join(cell.name for cell in cells)
        raise PlacementUnsatisfied(
            f"No cell of {place} has room for another tenant. Full or not routable: {names}.",
            reasons=(PlacementReason.NO_ROOM,),
            advice=f"Add a region with place = {place!r}, or raise the room of a cell.",
        )
    if rule is CellRule.FILL:
        return able[0].name
    return min(able, key=lambda cell: cell.tenants).name


def add_up(place: str, cells: Iterable[RegionStatus]) -> PlaceStatus:
    """Return what the cells of a place have together."""
    found = tuple(cells)
    return PlaceStatus(
        place=place,
        cells=tuple(cell.region for cell in found),
        records=sum(cell.records for cell in found),
        files=sum(cell.files for cell in found),
        bytes=sum(cell.bytes for cell in found),
        open_erasures=sum(cell.open_erasures for cell in found),
        deferred_erasures=sum(cell.deferred_erasures for cell in found),
        holds=sum(cell.holds for cell in found),
    )
