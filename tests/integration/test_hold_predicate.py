"""Which rows a hold covers: the SQL predicate against a few lines of Python."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Table, insert, select, update

from storage.catalog import hold_predicate, holds, records
from storage.catalog import tables as t
from storage.catalog.records import Row
from storage.events import NewHold
from storage.model import DataClass, RecordId, ScopeKind
from storage.testing import Domicile
from tests.support.inspect.stored import home

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPEN, EXPIRING = date(2026, 3, 30), date(2026, 3, 29)  # both have partitions
TENANTS, NAMES = ("acme-eu", "other"), (b"one", b"two")
CLASSES = (DataClass.PROMPT, DataClass.COMPLETION)
HOURS = st.none() | st.integers(-2, 2)


@dataclass(frozen=True)
class Case:
    """A hold: ``hours`` are relative to noon."""

    tenant: str
    scope: ScopeKind
    value: bytes
    classes: tuple[DataClass, ...]
    since: int | None
    until: int | None
    cutoff: int | None
    released: bool
    late: bool  # it was placed after ``EXPIRING`` had begun to go

    def covers(self, row: Row, table: Table) -> bool:
        """Return the expected answer of the SQL."""
        hours = (row.id.minted - NOON) / timedelta(hours=1)
        by = {
            ScopeKind.TENANT: True,
            ScopeKind.SUBJECT: row.subject == self.value,
            ScopeKind.GROUP: row.group == self.value,
            ScopeKind.RECORD: row.id.unique == self.value.ljust(16),
        }
        return (
            not self.released
            and self.tenant == row.tenant
            and by[self.scope]
            and (not self.classes or row.id.data_class in self.classes)
            and (self.since is None or hours >= self.since)
            and (self.until is None or hours < self.until)
            and (self.cutoff is None or hours <= self.cutoff)
            and not (self.late and table is t.record and row.id.day == EXPIRING)
        )


cases = st.builds(
    Case,
    st.sampled_from(TENANTS),
    st.sampled_from([ScopeKind.TENANT, ScopeKind.SUBJECT, ScopeKind.GROUP, ScopeKind.RECORD]),
    st.sampled_from(NAMES),
    st.sampled_from([(), CLASSES[:1], CLASSES]),
    HOURS,
    HOURS,
    HOURS,
    st.booleans(),
    st.booleans(),
)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """A row of any table; ``day`` is its partition in ``record``."""
    minted = NOON + timedelta(hours=draw(st.integers(-2, 2)))
    day = draw(st.sampled_from([OPEN, EXPIRING]))
    unique = draw(st.sampled_from(NAMES)).ljust(16)
    record_id = RecordId(draw(st.sampled_from(CLASSES)), "eu-central-1", minted, day, unique)
    names = st.none() | st.sampled_from(NAMES)
    return Row(
        record_id,
        draw(st.sampled_from(TENANTS)),
        minted,
        minted,
        draw(names),
        draw(names),
        (),
        UUID(int=draw(st.integers(1, 3))),
        0,
        1,
        1,
        False,
        False,
        UUID(int=draw(st.integers(4, 6))),
        b"",
        None,
        b"",
    )


def store(connection: Connection, table: Table, row: Row) -> None:
    """Insert a row, with any object."""
    values = records.values_of(row)
    if table is t.file:
        del values["expiry_day"]
    connection.execute(insert(table).values(values))


def place(connection: Connection, number: int, case: Case) -> None:
    """Insert a hold."""

    def at(hours: int | None) -> datetime | None:
        return None if hours is None else NOON + timedelta(hours=hours)

    value = case.value.ljust(16) if case.scope is ScopeKind.RECORD else case.value
    new = NewHold(
        id=UUID(int=number),
        tenant=case.tenant,
        scope=case.scope,
        match_values=() if case.scope is ScopeKind.TENANT else (b"another", value),
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
    )
    holds.add(connection, new)
    if case.released:
        holds.release(connection, new.id, "why", NOON)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    some=st.lists(rows(), max_size=6, unique_by=lambda r: (r.tenant, r.id.unique, r.id.day)),
    placed=st.lists(cases, max_size=4),
)
def test_the_catalog_and_the_python_predicate_agree(
    domicile: Domicile, some: Sequence[Row], placed: Sequence[Case]
) -> None:
    """Asked by row, from the holds, and by object, for each table."""
    early = [case for case in placed if not case.late]
    with home(domicile).catalog.begin() as connection:
        for number, case in enumerate([*early, *(case for case in placed if case.late)], 1):
            place(connection, number, case)
        connection.execute(
            update(t.day).where(t.day.c.day == EXPIRING).values(state="expiring", holds=len(early))
        )
        expected: set[UUID] = set()
        for table in (t.record, t.held, t.file):
            own = list({(r.tenant, r.id.unique): r for r in some}.values())
            own = own if table is t.file else list(some)
            for n, row in enumerate(own):
                store(connection, table, replace(row, start=n))
            covered = {n for n, r in enumerate(own) if any(c.covers(r, table) for c in placed)}
            starts = select(table.c.start)
            assert set(connection.scalars(starts.where(hold_predicate.held(table)))) == covered
            driven = hold_predicate.covered(table, table.c.start).subquery()
            assert set(connection.scalars(select(driven.c[0]))) == covered
            expected |= {own[n].object_id for n in covered}
            if table is not t.record:  # no row says that these objects are day keys
                expected |= {own[n].key_id for n in covered}
        objects = dict.fromkeys((UUID(int=n) for n in range(1, 7)), OPEN)
        days = objects | {UUID(int=7): EXPIRING}
        assert hold_predicate.needed(connection, days) == expected
        connection.rollback()
