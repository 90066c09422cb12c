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
    """A cell that takes tenants: how many it has, and the most that it may have."""

    name: str
    tenants: int
    room: int | None

    @property
    def has_room(self) -> bool:
        """Whether it takes another tenant."""
        return self.room is None or self.tenants < self.room


def choose_cell(place: str, rule: CellRule, cells: Sequence[Cell]) -> str:
    """Return the cell for a new tenant. ``cells``: in the order of the topology.

    Raises PlacementUnsatisfied if none has room.
    """
    able = [cell for cell in cells if cell.has_room]
    if not able:
        raise PlacementUnsatisfied(
            f"No cell of {place} has room for another tenant.",
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
