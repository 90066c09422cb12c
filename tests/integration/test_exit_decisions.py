"""What the catalog decides about an exit in SQL is what the policy says, in every case."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import product
from uuid import UUID

import pytest
from sqlalchemy import Connection, func, insert, select, text, update

from storage.catalog import agreements, exits
from storage.catalog import tables as t
from storage.model import Agreement, ExitState
from storage.policy import ExitReason, current, may_carry_out
from storage.region import OpenRegion
from storage.testing import Domicile
from tests.support.inspect.stored import home

pytestmark = pytest.mark.one_region

CHOICE = UUID(int=1)
STEPS = {
    ExitState.CHOSEN: (),
    ExitState.NOTIFIED: ("notice",),
    ExitState.CONFIRMED: ("notice", "confirmation"),
    ExitState.CARRIED_OUT: ("notice", "confirmation", "erasure"),
}
DPAS: dict[str, tuple[int, int | None] | None] = {  # from and until which day, counted from today
    "none": None,
    "in force": (-30, None),
    "ends tomorrow": (-30, 1),
    "ended": (-30, 0),
    "ended on the day of the exit": (-30, -20),
    "ended on the day after it": (-30, -19),
    "was renewed, and has ended": (-10, -5),
    "was called off": (-10, -10),
    "begins later": (9, 90),
}


def record(region: OpenRegion, connection: Connection, state: ExitState, on: date) -> None:
    """Insert a choice with its steps."""
    now = region.clock.now()
    made = {"login": "any", "actor": "alice", "at": now, "document": "d" * 64}
    choice = {"id": CHOICE, "tenant": "leaver", "kind": "delete", "exit_on": on}
    connection.execute(insert(t.exit_choice).values(**choice, **made, erasure=UUID(int=2)))
    for step in STEPS[state]:
        said = {
            "actor": None if step == "erasure" else "bob",
            "document": "e" * 64 if step == "notice" else None,
        }
        given = made | said | {"choice_id": CHOICE, "step": step}
        connection.execute(insert(t.exit_step).values(**given))


def sign(region: OpenRegion, connection: Connection, dpa: tuple[int, int | None]) -> None:
    """Record an agreement that is in force from one day until another."""
    today = region.clock.now().date()
    begins, ends = (None if n is None else today + timedelta(days=n) for n in dpa)
    new = Agreement("dpa", today - timedelta(days=60), ends, begins)
    called_off = UUID(int=4) if begins == ends else None
    if called_off is not None:
        planned = replace(new, until=None)
        agreements.add(connection, called_off, "leaver", planned, supersedes=None)
    agreements.add(connection, UUID(int=3), "leaver", new, supersedes=called_off)


@pytest.mark.parametrize("state", STEPS)
def test_the_catalog_carries_out_what_the_policy_would(
    domicile: Domicile, state: ExitState
) -> None:
    """In each state of a choice, day, agreement and catalog: and with the same reason."""
    region = home(domicile)
    domicile.tenant("leaver", agreements=[])
    found = set()
    for days, dpa, newest, recovered, recovering in product(
        (1, 0, -1, -20), DPAS.values(), (True, False), (False, True), (False, True)
    ):
        with region.catalog.engine.connect() as connection, connection.begin() as undone:
            today = region.clock.now().date()
            record(region, connection, state, today + timedelta(days=days))
            if dpa is not None:
                sign(region, connection, dpa)
            if not newest:
                later = text(
                    "INSERT INTO exit_choice (id, tenant, kind, exit_on, document, erasure, actor, "
                    "login, at) SELECT gen_random_uuid(), tenant, kind, exit_on, document, "
                    "gen_random_uuid(), actor, login, at FROM exit_choice"
                )
                connection.execute(later)
            if recovered:
                last = select(func.max(t.exit_step.c.number)).scalar_subquery()
                connection.execute(update(t.catalog_info).values(last_exit_step=last))
            if recovering:
                connection.execute(update(t.catalog_info).values(unread=["eu-a"]))

            known = exits.find(connection, CHOICE, today)
            assert known is not None
            choice, is_newest = known
            history = current(agreements.of_tenant(connection, "leaver"))
            decided = may_carry_out(
                choice,
                [entry.agreement for entry in history],
                today,
                newest=is_newest,
                recovering=recovering,
            )

            due = CHOICE in connection.scalars(exits.due(today)).all()
            assert due is decided.allowed or recovering
            assert exits.begin(connection, CHOICE, region.clock.now()) is decided.reason
            found.add(decided.reason)
            undone.rollback()
    whatever = {ExitReason.REPLACED, ExitReason.CARRIED_OUT}
    assert found >= (whatever if state is ExitState.CARRIED_OUT else {ExitReason.DAY_AHEAD})
    assert (ExitReason.LAPSED in found) is (state is not ExitState.CARRIED_OUT)
    assert (ExitReason.ALLOWED in found) is (state is ExitState.CONFIRMED)
