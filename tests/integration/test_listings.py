"""Listings: in order, from both ends, of a time, and what is known of one record."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from storage import (
    ActorKind,
    BoundTenant,
    Corrupt,
    Count,
    DataClass,
    Erased,
    Expired,
    InvalidRequest,
    NaiveDatetime,
    NotFound,
    Page,
    Purpose,
    PurposeRefused,
    Reason,
    RecordId,
    Scope,
    ScopeKind,
)
from storage.testing import Domicile

PROMPT, COMPLETION, FILE = DataClass.PROMPT, DataClass.COMPLETION, DataClass.FINE_TUNING_FILE


@pytest.fixture
def tenant(domicile: Domicile) -> BoundTenant:
    """A tenant with nothing."""
    return domicile.tenant()


@pytest.fixture
def ids(domicile: Domicile, tenant: BoundTenant) -> list[RecordId]:
    """Seven records, an hour apart: of two tables, on two days, of two subjects."""
    made = []
    for n in range(7):
        domicile.clock.advance(timedelta(hours=1))
        subject = "ann" if n % 2 else "ben"
        if n in {2, 5}:
            made.append(tenant.put_file([b"line"], filename=f"{n}.jsonl", subject=subject).id)
        else:
            made.append(tenant.put(PROMPT, b"%d" % n, subject=subject).id)
        if n == 3:
            domicile.clock.advance(timedelta(days=1))
    return made


def pages(tenant: BoundTenant, limit: int, **narrow: object) -> Iterator[Page]:
    """Yield all pages. As its caller would, follow ``has_more`` alone."""
    after: RecordId | None = None
    while True:
        page = tenant.list(after=after, limit=limit, **narrow)  # type: ignore[arg-type]
        yield page
        if not page.has_more:
            return
        after = page.cursor


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8])
@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("subject", [None, "ann"])
def test_pages_show_each_record_once_in_order(
    tenant: BoundTenant,
    ids: list[RecordId],
    limit: int,
    *,
    newest_first: bool,
    subject: str | None,
) -> None:
    """From either end, and no page is empty at the end."""
    wanted = [i for n, i in enumerate(ids) if subject is None or n % 2]
    found = list(pages(tenant, limit, newest_first=newest_first, subject=subject))

    shown = [info.id for page in found for info in page]
    assert shown == (wanted[::-1] if newest_first else wanted)
    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
    assert found[-1]


def test_a_page_begins_after_a_record_that_is_gone(
    tenant: BoundTenant, ids: list[RecordId]
) -> None:
    """A cursor still works after its record is erased."""
    first = tenant.list(newest_first=True, limit=3)
    assert first.cursor == ids[4]
    tenant.delete(ids[4])

    rest = tenant.list(newest_first=True, after=first.cursor)
    assert [info.id for info in rest] == ids[3::-1]
    assert not rest.has_more


def test_an_empty_page(tenant: BoundTenant) -> None:
    """There is nothing to go on after."""
    page = tenant.list()
    assert not page
    assert (page.has_more, page.cursor) == (False, None)


def test_records_of_a_time(tenant: BoundTenant, ids: list[RecordId]) -> None:
    """The range includes its start but not its end; either may be omitted."""
    begins, ends = ids[1].minted, ids[5].minted

    def shown(first: datetime | None, last: datetime | None) -> list[RecordId]:
        page = tenant.list(minted_from=first, minted_to=last)
        number = tenant.count(minted_from=first, minted_to=last)
        assert number == Count(len(page), stopped=False)
        return [info.id for info in page]

    assert shown(begins, ends) == ids[1:5]
    assert shown(begins, None) == ids[1:]
    assert shown(None, ends) == ids[:5]
    assert shown(begins, begins) == []


def test_bad_times_are_refused(tenant: BoundTenant) -> None:
    """A naive time is of no zone; a span that ends before it begins is a mistake."""
    now = datetime.now().astimezone()
    with pytest.raises(NaiveDatetime):
        tenant.list(minted_from=now.replace(tzinfo=None))
    with pytest.raises(InvalidRequest):
        tenant.list(minted_from="2026-03-01")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest):
        tenant.count(minted_from=now, minted_to=now - timedelta(seconds=1))


def test_a_count_stops(tenant: BoundTenant, ids: list[RecordId]) -> None:
    """It says whether there are more, and counts what a list would show."""
    assert tenant.count() == Count(7, stopped=False)
    assert tenant.count(most=7) == Count(7, stopped=False)
    assert tenant.count(most=6) == Count(6, stopped=True)
    assert tenant.count(most=1) == Count(1, stopped=True)
    assert tenant.count(subject="ann") == Count(3, stopped=False)
    assert tenant.count(data_class=FILE) == Count(2, stopped=False)
    tenant.delete(ids[0])
    assert tenant.count() == Count(6, stopped=False)
    for most in (0, -1, True, 2_000_000, 1.5):
        with pytest.raises(InvalidRequest):
            tenant.count(most=most)  # type: ignore[arg-type]


def test_a_head_says_what_a_list_says(tenant: BoundTenant, ids: list[RecordId]) -> None:
    """Of a record of either table, by its id or its text."""
    listed = {info.id: info for info in tenant.list()}
    assert [tenant.head(str(i)) for i in ids] == [listed[i] for i in ids]
    assert all(map(tenant.exists, ids))


@pytest.mark.parametrize("how", ["erased", "expired", "unknown", "of another tenant"])
def test_what_cannot_be_read_is_not_there(
    domicile: Domicile, tenant: BoundTenant, ids: list[RecordId], how: str
) -> None:
    """A head raises what ``get`` raises, and nothing exists that it says so of."""
    looked, known = tenant, ids[0]
    if how == "erased":
        tenant.erase(Scope.subject("ben"), reason=Reason.SUBJECT_REQUEST)
    elif how == "expired":
        domicile.clock.advance(timedelta(days=40))
    elif how == "unknown":
        known = tenant.new_id(PROMPT)
    else:
        looked = domicile.tenant("another")
    with pytest.raises((NotFound, Erased, Expired)) as of_get:
        looked.get(known, purpose=Purpose.SERVE)

    with pytest.raises(of_get.type):
        looked.head(known)
    assert not looked.exists(known)


def test_a_deletion_is_an_erasure_of_the_record(tenant: BoundTenant) -> None:
    """Records derived from it are erased too, and erasing it again raises nothing."""
    prompt = tenant.put(PROMPT, b"?", subject="ann").id
    answer = tenant.put(COMPLETION, b"!", derived_from=[prompt]).id
    other = tenant.put(PROMPT, b"other", subject="ann").id

    erasure = tenant.delete(str(prompt), ticket="T-1")

    assert erasure.scope is ScopeKind.RECORD
    assert [tenant.exists(i) for i in (prompt, answer, other)] == [False, False, True]
    tenant.delete(prompt)


@pytest.fixture
def named(tenant: BoundTenant) -> list[RecordId]:
    """A prompt with metadata, and a file with a name and other metadata."""
    prompt = tenant.put(PROMPT, b"a", metadata={"filename": "no file", "model": "m"})
    file = tenant.put_file([b"b"], filename="lines.jsonl", metadata={"owner": "ann"})
    return [prompt.id, file.id, tenant.put_file([b"c"]).id]


def test_a_list_for_a_purpose_shows_what_is_listed_of_the_metadata(
    tenant: BoundTenant, named: list[RecordId]
) -> None:
    """And nothing else of it; without a purpose nothing is opened."""
    assert [info.listed for info in tenant.list()] == [{}, {}, {}]

    page = tenant.list(purpose=Purpose.SERVE)

    assert [(info.id, info.listed) for info in page] == [
        (named[0], {}),
        (named[1], {"filename": "lines.jsonl"}),
        (named[2], {}),
    ]
    assert "lines.jsonl" not in repr(page)


def test_a_list_for_a_purpose_has_the_same_pages(
    tenant: BoundTenant, named: list[RecordId]
) -> None:
    """A page that is not whole opens no more than it shows."""
    page = tenant.list(purpose=Purpose.SERVE, newest_first=True, limit=2)

    assert [info.listed for info in page] == [{}, {"filename": "lines.jsonl"}]
    assert page.has_more


@pytest.mark.parametrize("purpose", [Purpose.TRAIN, Purpose.ABUSE_SCREENING])
@pytest.mark.usefixtures("named")
def test_a_list_opens_nothing_for_a_purpose_that_may_not(
    tenant: BoundTenant, purpose: Purpose
) -> None:
    """Not even the rows before the one that is refused."""
    with pytest.raises(PurposeRefused):
        tenant.list(purpose=purpose)


@pytest.mark.usefixtures("named")
def test_what_is_noted_one_by_one_is_not_listed(domicile: Domicile, tenant: BoundTenant) -> None:
    """A person's reads, and those of a fine-tuning job."""
    with pytest.raises(InvalidRequest, match="get each record"):
        tenant.list(purpose=Purpose.FINE_TUNE)
    person = replace(tenant.actor, id="p-1", kind=ActorKind.EMPLOYEE)
    with pytest.raises(InvalidRequest, match="get each record"):
        tenant.bind(person).list(purpose=Purpose.SERVE)


def test_another_tenants_list_shows_nothing_of_it(
    domicile: Domicile, tenant: BoundTenant, named: list[RecordId]
) -> None:
    """Metadata belongs to its tenant as the body does."""
    other = domicile.tenant("other")

    assert other.list(purpose=Purpose.SERVE) == tenant.list(after=named[-1])
    assert len(tenant.list(purpose=Purpose.SERVE)) == len(named)


def test_a_row_whose_metadata_was_changed_is_not_shown(
    domicile: Domicile, tenant: BoundTenant, named: list[RecordId]
) -> None:
    """The metadata of one row does not open in another one."""
    with domicile.homes.served("eu-central-1").region.catalog.begin() as connection:
        connection.execute(
            text(
                "UPDATE file SET sealed_metadata = (SELECT sealed_metadata FROM record LIMIT 1),"
                " metadata_version = 1 WHERE sealed_metadata IS NOT NULL"
            )
        )
    with pytest.raises(Corrupt):
        tenant.list(purpose=Purpose.SERVE)
