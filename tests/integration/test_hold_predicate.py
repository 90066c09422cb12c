"""Which rows a hold covers: the SQL predicate against a few lines of Python."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Table, insert, select, update

from storage.catalog import days, hold_changes, hold_predicate, holds, identity, records
from storage.catalog import tables as t
from storage.catalog.records import Row
from storage.events import Approved, HoldNarrowing, HoldRelease, NewHold, StoredCarveOut
from storage.model import DataClass, RecordId, ScopeKind
from storage.testing import Domicile
from tests.support.inspect.stored import home

pytestmark = pytest.mark.one_region

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPEN, EXPIRING = date(2026, 3, 30), date(2026, 3, 29)  # both have partitions
ACCOUNTS = {"acme-eu": "acme", "acme-2": "acme", "other": "beta"}  # of the tenants that are known
TENANTS, NAMES = (*ACCOUNTS, "lost"), (b"one", b"two")
CLASSES = (DataClass.PROMPT, DataClass.COMPLETION)
HOURS = st.sampled_from([None, None, None, -2, -1, 0, 1, 2])


@dataclass(frozen=True)
class Part:
    """A carve-out: a row is in it if it matches all that is given."""

    tenants: tuple[str, ...]
    accounts: tuple[str, ...]
    classes: tuple[DataClass, ...]
    since: int | None
    until: int | None

    def has(self, row: Row) -> bool:
        """Return whether the row is in it."""
        if self.tenants or self.accounts:
            named = row.tenant in self.tenants or ACCOUNTS.get(row.tenant) in self.accounts
            if not named:
                return False
        if self.classes and row.id.data_class not in self.classes:
            return False
        return in_span(row, self.since, self.until)


@dataclass(frozen=True)
class Case:
    """A hold: ``hours`` are relative to noon. ``later``: carve-outs of narrowings."""

    tenant: str
    scope: ScopeKind
    value: bytes
    classes: tuple[DataClass, ...]
    since: int | None
    until: int | None
    cutoff: int | None
    released: bool
    late: bool  # it was placed after ``EXPIRING`` had begun to go
    excluded: tuple[Part, ...]
    later: tuple[Part, ...]

    def covers(self, row: Row, table: Table) -> bool:
        """Return the expected answer of the SQL."""
        if self.released or not self.is_about(row):
            return False
        if self.classes and row.id.data_class not in self.classes:
            return False
        if not in_span(row, self.since, self.until):
            return False
        if self.cutoff is not None and hours_of(row) > self.cutoff:
            return False
        if any(part.has(row) for part in (*self.excluded, *self.later)):
            return False
        return not (self.late and table is t.record and row.id.day == EXPIRING)

    def is_about(self, row: Row) -> bool:
        """Return whether its scope has the row. Nobody knows the account of a lost tenant."""
        match self.scope:
            case ScopeKind.REGION:
                return True
            case ScopeKind.ACCOUNT:
                mine = ACCOUNTS.get(self.tenant, "beta")
                return ACCOUNTS.get(row.tenant, mine) == mine
            case _:
                return row.tenant == self.tenant and self.is_named(row)

    def is_named(self, row: Row) -> bool:
        """Return whether the row is about what a hold on one tenant names."""
        named = {ScopeKind.SUBJECT: row.subject, ScopeKind.GROUP: row.group}
        if self.scope is ScopeKind.RECORD:
            return row.id.unique == self.value.ljust(16)
        return self.scope is ScopeKind.TENANT or named[self.scope] == self.value


def hours_of(row: Row) -> float:
    """Return when a row was minted, from noon."""
    return (row.id.minted - NOON) / timedelta(hours=1)


def in_span(row: Row, since: int | None, until: int | None) -> bool:
    """Return whether it was minted then."""
    hours = hours_of(row)
    return (since is None or hours >= since) and (until is None or hours < until)


classes = st.sampled_from([(), CLASSES[:1], CLASSES])
parts = st.builds(
    Part,
    st.lists(st.sampled_from(TENANTS), max_size=2).map(tuple),
    st.lists(st.sampled_from(["acme", "beta"]), max_size=1).map(tuple),
    classes,
    HOURS,
    HOURS,
).filter(lambda part: part != Part((), (), (), None, None))
some_parts = st.sampled_from([0, 0, 1, 2]).flatmap(
    lambda n: st.lists(parts, min_size=n, max_size=n).map(tuple)
)
cases = st.builds(
    Case,
    st.sampled_from(TENANTS),
    st.sampled_from([kind for kind in ScopeKind if kind is not ScopeKind.CLASS]),
    st.sampled_from(NAMES),
    classes,
    HOURS,
    HOURS,
    HOURS,
    st.sampled_from([False, False, False, True]),
    st.booleans(),
    some_parts,
    some_parts,
)


def grid() -> list[Row]:
    """A row for each tenant, class and hour, about all kinds of subjects, groups and days."""
    found = []
    named = (None, *NAMES)
    for n, (tenant, data_class, hour) in enumerate(product(TENANTS, CLASSES, range(-2, 3))):
        day, minted = (OPEN, EXPIRING)[n % 3 == 0], NOON + timedelta(hours=hour)
        unique = NAMES[n % 2].ljust(16) if n % 10 < 2 else n.to_bytes(16)
        record_id = RecordId(data_class, "eu-central-1", minted, day, unique)
        found.append(
            Row(
                record_id,
                tenant,
                minted,
                minted,
                named[n % 3],
                named[(n + n // 3) % 3],
                (),
                UUID(int=n + 1),
                n,
                1,
                1,
                False,
                False,
                UUID(int=n + 101),
                n.to_bytes(40),
                None,
                b"",
            )
        )
    return found


ROWS = grid()


def store(connection: Connection, table: Table) -> None:
    """Insert the rows."""
    values = [records.values_of(row) for row in ROWS]
    if table is t.file:
        values = [{k: v for k, v in row.items() if k != "expiry_day"} for row in values]
    connection.execute(insert(table), values)


def at(hours: int | None) -> datetime | None:
    """Return a time of the day."""
    return None if hours is None else NOON + timedelta(hours=hours)


def stored(part: Part) -> StoredCarveOut:
    """Return a carve-out as an event has it."""
    return StoredCarveOut(
        tenants=part.tenants,
        accounts=part.accounts,
        classes=part.classes,
        minted_from=at(part.since),
        minted_to=at(part.until),
    )


def place(connection: Connection, number: int, case: Case) -> None:
    """Insert a hold, and what changed it."""
    value = case.value.ljust(16) if case.scope is ScopeKind.RECORD else case.value
    wide = case.scope in (ScopeKind.ACCOUNT, ScopeKind.REGION)
    tenant = None if wide else case.tenant
    anything = wide or case.scope is ScopeKind.TENANT
    new = NewHold(
        id=UUID(int=number),
        tenant=tenant,
        account=ACCOUNTS.get(case.tenant, "beta") if case.scope is ScopeKind.ACCOUNT else None,
        scope=case.scope,
        match_values=() if anything else (b"another", value),
        sealed_name=None,
        classes=case.classes,
        minted_from=at(case.since),
        minted_to=at(case.until),
        cutoff=at(case.cutoff),
        matter="m",
        authority="a",
        issuer="i",
        placed=NOON,
        review=OPEN,
        exclude=tuple(map(stored, case.excluded)),
    )
    holds.add(connection, new, replayed=True)
    people = Approved(
        id=UUID(int=1000 + number), requested=NOON, requested_by="alice", approved_by="bob"
    )
    if case.later:
        narrowing = HoldNarrowing(
            id=new.id,
            tenant=tenant,
            why="why",
            carve_outs=tuple(map(stored, case.later)),
            at=NOON,
            change=people,
        )
        assert hold_changes.change(connection, narrowing, NOON, replayed=True)
    if case.released:
        release = HoldRelease(id=new.id, tenant=tenant, why="why", at=NOON)
        assert hold_changes.change(connection, release, NOON, replayed=True)


def announce(connection: Connection) -> None:
    """Insert the packs of the rows."""
    packs = [
        {
            "id": row.object_id,
            "kind": "pack",
            "state": "stored",
            "day": row.id.day,
            "backends": ["eu-a"],
            "announced": NOON,
            "deadline": NOON,
            "family": row.object_id,
        }
        for row in ROWS
    ]
    connection.execute(insert(t.object_), packs)


def packs_of(connection: Connection, day: date) -> tuple[set[UUID], set[UUID]]:
    """Return the packs of a day with held records, and those that may go."""
    held = hold_predicate.held_packs(connection, day, 1000)
    return set(held), set(days.purgeable_objects(connection, day, ["pack"], 1000))


def know(connection: Connection) -> None:
    """Insert the tenants, but the one that a restored catalog has lost."""
    for tenant, account in ACCOUNTS.items():
        connection.execute(
            insert(t.tenant).values(
                id=tenant,
                account=account,
                home="eu-central-1",
                residency="EU",
                service="api",
                dedicated=False,
                retention={},
                version=1,
                created=NOON,
            )
        )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(placed=st.lists(cases, min_size=1, max_size=3))
def test_the_catalog_and_the_python_predicate_agree(
    domicile: Domicile, placed: Sequence[Case]
) -> None:
    """Asked by row, from the holds, and by object, for each table."""
    early = [case for case in placed if not case.late]
    with home(domicile).catalog.begin() as connection:
        identity.set_unread(connection, ["eu-b"])  # only such a catalog replays changes of holds
        know(connection)
        announce(connection)
        for number, case in enumerate([*early, *(case for case in placed if case.late)], 1):
            place(connection, number, case)
        connection.execute(
            update(t.day).where(t.day.c.day == EXPIRING).values(state="expiring", holds=len(early))
        )
        expected: set[UUID] = set()
        for table in (t.record, t.held, t.file):
            store(connection, table)
            covered = {n for n, r in enumerate(ROWS) if any(c.covers(r, table) for c in placed)}
            starts = select(table.c.start)
            assert set(connection.scalars(starts.where(hold_predicate.held(table)))) == covered
            driven = hold_predicate.covered(table, table.c.start).subquery()
            assert set(connection.scalars(select(driven.c[0]))) == covered
            expected |= {ROWS[n].object_id for n in covered}
            if table is not t.record:  # no row says that these objects are day keys
                expected |= {ROWS[n].key_id for n in covered}
        for day in (OPEN, EXPIRING):
            own = [row for row in ROWS if row.id.day == day]
            kept = {r.object_id for r in own if any(c.covers(r, t.record) for c in placed)}
            assert packs_of(connection, day) == (kept, {r.object_id for r in own} - kept)
        objects = {row.object_id: row.id.day for row in ROWS} | {r.key_id: r.id.day for r in ROWS}
        assert hold_predicate.needed(connection, objects) == expected
        connection.rollback()
