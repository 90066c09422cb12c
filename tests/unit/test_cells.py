"""To which cell of a place a new tenant goes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.model import CellRule
from storage.errors import PlacementUnsatisfied
from storage.policy import Cell, choose_cell

CELLS = st.lists(
    st.tuples(st.integers(0, 9), st.none() | st.integers(0, 9)), min_size=1, max_size=5
).map(lambda some: [Cell(f"cell-{n}", tenants, room) for n, (tenants, room) in enumerate(some)])


@given(CELLS)
def test_fill_takes_the_first_with_room(cells: list[Cell]) -> None:
    """No later cell is used before the earlier ones are full."""
    able = [cell for cell in cells if cell.room is None or cell.tenants < cell.room]
    if able:
        assert choose_cell("eu", CellRule.FILL, cells) == able[0].name


@given(CELLS)
def test_spread_takes_the_one_with_the_fewest_tenants(cells: list[Cell]) -> None:
    """Among those with room."""
    able = [cell for cell in cells if cell.room is None or cell.tenants < cell.room]
    if able:
        chosen = choose_cell("eu", CellRule.SPREAD, cells)
        (found,) = [cell for cell in able if cell.name == chosen]
        assert found.tenants == min(cell.tenants for cell in able)


@given(CELLS, st.sampled_from(CellRule))
def test_a_full_place_refuses(cells: list[Cell], rule: CellRule) -> None:
    """It names what to do."""
    full = [Cell(cell.name, cell.tenants, cell.tenants) for cell in cells]
    with pytest.raises(PlacementUnsatisfied, match="No cell of eu has room") as caught:
        choose_cell("eu", rule, full)

    assert caught.value.reasons == ("no_room",)


@given(CELLS, st.sampled_from(CellRule))
def test_a_cell_that_is_not_routable_takes_nobody(cells: list[Cell], rule: CellRule) -> None:
    """It is as if it were not there."""
    closed = replace(cells[0], room=None, tenants=0, routable=False)
    others = [replace(cell, room=None) for cell in cells[1:]]
    if others:
        assert choose_cell("eu", rule, [closed, *others]) == choose_cell("eu", rule, others)
    else:
        with pytest.raises(PlacementUnsatisfied):
            choose_cell("eu", rule, [closed])
