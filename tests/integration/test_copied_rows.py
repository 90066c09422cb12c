"""Rows that are written by COPY in a format of our own are those that SQLAlchemy would insert."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, insert, select

from storage.catalog import days, records
from storage.catalog import tables as t
from storage.catalog.copying import COLUMNS
from storage.catalog.records import Row, values_of
from storage.model import DataClass, RecordId
from storage.testing import Domicile
from tests.support.inspect.stored import home

pytestmark = pytest.mark.one_region

DAY = date(2026, 3, 30)
ENOUGH = 40  # rows of which COPY takes them
MOMENTS = st.datetimes(
    datetime(1970, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-11)), timezone(timedelta(hours=14))]),
)
BYTES = st.binary(max_size=200)
NUMBERS = st.integers(0, 2**62)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """Draw a row of that day."""
    data_class = draw(st.sampled_from([DataClass.PROMPT, DataClass.COMPLETION, DataClass.EVENT]))
    minted = draw(MOMENTS)
    record_id = RecordId(
        data_class, "eu-central-1", minted, DAY, draw(st.binary(min_size=16, max_size=16))
    )
    taken = draw(st.booleans())
    return Row(
        record_id,
        draw(TEXT),
        minted if draw(st.booleans()) else draw(MOMENTS),
        draw(MOMENTS),
        draw(st.none() | BYTES),
        draw(st.none() | BYTES),
        tuple(draw(st.lists(st.binary(min_size=16, max_size=16), max_size=5))),
        draw(st.uuids()),
        draw(NUMBERS),
        draw(NUMBERS),
        draw(NUMBERS),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.uuids()),
        draw(BYTES),
        draw(st.none() | BYTES),
        draw(BYTES),
        draw(st.none() | BYTES),
        draw(st.dates()) if taken else None,
        draw(st.binary(min_size=32, max_size=32)) if taken else None,
    )


def stored(connection: Connection) -> list[dict[str, object]]:
    """Return all rows, and remove them."""
    found = connection.execute(select(t.record).order_by(t.record.c.uid)).mappings().all()
    connection.execute(delete(t.record))
    return [dict(row) for row in found]


def test_all_columns_are_written() -> None:
    """A new column would be left out in silence."""
    by_default = {"metadata_version"}  # of a new row
    assert set(COLUMNS) | by_default == {column.name for column in t.record.columns}
    assert len(COLUMNS) == len(set(COLUMNS))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows())
def test_a_row_is_what_an_insert_makes_of_it(domicile: Domicile, row: Row) -> None:
    """Of every value, also those at the ends of what PostgreSQL takes."""
    some = [replace(row, id=replace(row.id, unique=UUID(int=n).bytes)) for n in range(ENOUGH)]
    with home(domicile).catalog.begin() as connection:
        days.make(connection, [DAY])
        added = records.add(connection, DAY, some)
        copied = stored(connection)
        connection.execute(insert(t.record), [values_of(one) for one in some])
        assert copied == stored(connection)
        assert added == {(row.tenant, one.id.unique) for one in some}
