"""How much the catalog reads for a page of the records of a subject: about a page."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Connection, text

from storage.catalog import days, records
from storage.catalog.records import Narrow
from storage.model import DataClass, RecordId
from storage.testing import Domicile
from tests.support.catalogs.plans import records_read_by
from tests.support.inspect.stored import home

pytestmark = pytest.mark.one_region

NOON, DAYS = datetime(2026, 3, 1, 12, tzinfo=UTC), [date(2027, 3, 1), date(2027, 4, 1)]
SUBJECT, OLDER, PAGE = b"\1" * 33, b"\2" * 33, 50
MOST = PAGE + len(DAYS) + 1  # to find the next, one of each day; and where it begins
FILL = """
INSERT INTO record (expiry_day, tenant, uid, data_class, born, minted, origin, written, subject,
  object_id, start, length, size, streamed, incomplete, key_id, wrapped_key, fingerprint)
SELECT :day, 'acme', int8send(n) || int8send(n), 'prompt', 'eu-central-1', at, at, at, :subject,
  :pack, n, 1, 1, false, false, :pack, '', ''
FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint), :step) AS n,
  LATERAL (SELECT :noon + n * interval '1 ms' AS at) AS minted
"""


def fill(connection: Connection, subject: bytes, first: int, last: int) -> None:
    """Insert records of a subject, in turns on each day, a millisecond after the other."""
    pack = "00000000-0000-0000-0000-000000000001"
    given = {"subject": subject, "noon": NOON, "pack": pack, "last": last, "step": len(DAYS)}
    for n, day in enumerate(DAYS):
        connection.execute(text(FILL), given | {"day": day, "first": first + n})


def minted(number: int) -> RecordId:
    """Return the id of a record that ``fill`` inserted."""
    at = NOON + timedelta(milliseconds=number)
    return RecordId(DataClass.PROMPT, "eu-central-1", at, DAYS[number % 2], number.to_bytes(8) * 2)


def page(
    connection: Connection, *subjects: bytes, after: int | None = None
) -> tuple[list[int], list[int]]:
    """Return the numbers of a page, and how many records each query for it read."""
    found: list[int] = []
    last = None if after is None else minted(after)

    def read() -> None:
        narrow = Narrow(subjects=subjects)
        rows = records.page(connection, "acme", narrow, after=last, now=NOON, limit=PAGE)
        found.extend(row.start for row in rows)

    each = records_read_by(connection, read)
    return found, each


@pytest.mark.parametrize("analyzed", [False, True], ids=["as it was filled", "analyzed"])
def test_a_page_reads_about_as_many_records_as_it_has(
    domicile: Domicile,
    analyzed: bool,  # noqa: FBT001
) -> None:
    """The first and one in the middle, however many the subject has, and on several days."""
    with home(domicile).catalog.begin() as connection:
        days.make(connection, DAYS)
        fill(connection, SUBJECT, 0, 5999)
        if analyzed:
            connection.execute(text("ANALYZE record"))
        first = page(connection, SUBJECT)
        middle = page(connection, SUBJECT, after=2999)
        connection.rollback()

    assert first[0] == list(range(PAGE))
    assert middle[0] == list(range(3000, 3000 + PAGE))
    assert max(first[1] + middle[1]) <= MOST


def test_a_page_merges_the_versions_of_a_pseudonym(domicile: Domicile) -> None:
    """In order of minting, and each version is read in order."""
    with home(domicile).catalog.begin() as connection:
        days.make(connection, DAYS)
        fill(connection, OLDER, 0, 2999)
        fill(connection, SUBJECT, 3000, 5999)
        numbers, read = page(connection, SUBJECT, OLDER, after=2979)
        connection.rollback()

    assert numbers == list(range(2980, 2980 + PAGE))
    assert len(read) == 2
    assert max(read) <= MOST


def test_days_made_later_have_the_index(domicile: Domicile) -> None:
    """Each partition, also one of the next days."""
    indexes = text(
        "SELECT count(*) FROM pg_indexes "
        "WHERE tablename ~ '^record_[0-9]{8}$' AND indexdef LIKE :columns"
    )
    given = {"columns": "%(tenant, subject, minted) WHERE (subject IS NOT NULL)"}
    with home(domicile).catalog.begin() as connection:
        before = connection.scalar(indexes, given)
        days.make(connection, DAYS)
        made = len(days.partitions(connection, DAYS))
        after = connection.scalar(indexes, given)
        connection.rollback()

    assert (after or 0) - (before or 0) == made == len(DAYS)
