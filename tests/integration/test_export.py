"""An export has all that is kept of a subject, and nothing else."""

import asyncio
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from zipfile import BadZipFile, ZipFile

import pytest

from storage import (
    ActorKind,
    AsyncStore,
    BoundTenant,
    DataClass,
    DomicileError,
    Erased,
    GrantSpec,
    InvalidRequest,
    LineKind,
    Purpose,
    PurposeRefused,
    Reason,
    Scope,
    Unavailable,
)
from storage.testing import INVESTIGATOR, SERVICE, Domicile
from storage.testing.faults import Call

PROMPT, COMPLETION = DataClass.PROMPT, DataClass.COMPLETION
LINES = [b'{"n": %d}\n' % n * 40_000 for n in range(3)]


@pytest.fixture
def tenant(domicile: Domicile) -> BoundTenant:
    """A tenant with records of two subjects, and of none."""
    t = domicile.tenant()
    asked = t.put(PROMPT, "Grüße".encode(), subject="ann", metadata={"model": "m"})
    t.put(COMPLETION, b"\xff\x00", derived_from=[asked.id])
    t.put_file(LINES, filename="lines.jsonl", subject="ann")
    t.put(PROMPT, b"of ben", subject="ben")
    t.put(PROMPT, b"of nobody")
    t.put_file([b"of ben"], subject="ben")
    return t


def unzipped(pieces: Iterator[bytes]) -> dict[str, bytes]:
    """Return the members of an export; their checksums are right."""
    with ZipFile(io.BytesIO(b"".join(pieces))) as found:
        assert found.testzip() is None
        return {name: found.read(name) for name in found.namelist()}


def lines_of(found: dict[str, bytes]) -> list[dict[str, object]]:
    """Return its lines."""
    return [json.loads(line) for line in found["records.jsonl"].splitlines()]


def test_an_export_has_what_is_kept_of_the_subject(tenant: BoundTenant) -> None:
    """Text as text, other bytes in base64; what derives from it; files beside it."""
    infos = {info.data_class: info for info in tenant.list(subject="ann")}
    file = infos[DataClass.FINE_TUNING_FILE]

    found = unzipped(tenant.export("ann", purpose=Purpose.SERVE))

    prompt, completion = lines_of(found)
    assert (prompt["text"], prompt["metadata"]) == ("Grüße", {"model": "m"})
    assert prompt["id"] == infos[PROMPT].id
    assert prompt["written"] == infos[PROMPT].written.isoformat()
    assert (completion["base64"], completion["size"]) == ("/wA=", 2)
    assert set(found) == {"records.jsonl", f"files/{file.id}", f"files/{file.id}.json"}
    assert found[f"files/{file.id}"] == b"".join(LINES)
    assert json.loads(found[f"files/{file.id}.json"])["metadata"] == {"filename": "lines.jsonl"}


def test_an_export_of_nobody_is_empty(tenant: BoundTenant) -> None:
    """It is a ZIP all the same: that nothing is kept is an answer."""
    assert unzipped(tenant.export("nobody", purpose=Purpose.SERVE)) == {"records.jsonl": b""}


def test_more_than_a_page_is_exported(tenant: BoundTenant) -> None:
    """All of it, in the order of minting."""
    put = [tenant.put(PROMPT, b"%d" % n, subject="many").id for n in range(30)]
    listed = tenant.list

    def short(**narrow: object) -> object:
        return listed(**{**narrow, "limit": 7})  # type: ignore[arg-type]

    tenant.list = short  # type: ignore[method-assign,assignment]
    lines = lines_of(unzipped(tenant.export("many", purpose=Purpose.SERVE)))

    assert [line["id"] for line in lines] == put


def test_what_is_erased_before_its_turn_is_left_out(domicile: Domicile) -> None:
    """Records and files: the export goes on without them."""
    t = domicile.tenant()
    kept, gone = (t.put_file([b"x" * 5_000_000], subject="ann") for _ in range(2))
    pieces = t.export("ann", purpose=Purpose.SERVE)
    first = next(pieces)
    t.erase(Scope.record(gone.id), reason=Reason.SUBJECT_REQUEST)

    found = unzipped(iter([first, *pieces]))

    assert {name for name in found if name.startswith("files/")} == {
        f"files/{kept.id}",
        f"files/{kept.id}.json",
    }


def test_a_file_that_is_erased_on_the_way_ends_the_export(domicile: Domicile) -> None:
    """Half a file would look whole."""
    t = domicile.tenant()
    file = t.put_file([b"%09d" % n for n in range(800_000)], subject="ann")
    pieces = t.export("ann", purpose=Purpose.SERVE)
    had = [next(pieces)]
    t.erase(Scope.record(file.id), reason=Reason.SUBJECT_REQUEST)

    with pytest.raises(Erased):
        had.extend(pieces)
    with pytest.raises(BadZipFile):
        ZipFile(io.BytesIO(b"".join(had)))


def test_what_is_past_its_end_is_not_exported(domicile: Domicile, tenant: BoundTenant) -> None:
    """Files stay, records of thirty days do not."""
    domicile.clock.advance(timedelta(days=31))

    found = unzipped(tenant.export("ann", purpose=Purpose.SERVE))

    assert lines_of(found) == []
    assert len(found) == 3


def wrong_bytes(call: Call) -> bytes:
    """Return as many zeros."""
    data = call.proceed()
    assert isinstance(data, bytes)
    return bytes(len(data))


def test_what_is_lost_has_a_line_with_its_error(domicile: Domicile, tenant: BoundTenant) -> None:
    """It keeps nobody from the rest; what may be back later does."""
    for backend in domicile.backends.values():
        for kind in ("pack/", "file/"):
            backend.inject(wrong_bytes, "get", prefix=kind)
    found = unzipped(tenant.export("ann", purpose=Purpose.SERVE))

    lines = [*lines_of(found), *(json.loads(found[n]) for n in found if n.endswith(".json"))]
    assert [line["error"] for line in lines] == ["Corrupt"] * 3
    assert not any("text" in line or "base64" in line for line in lines)
    domicile.take_down("eu-a", "eu-b")
    with pytest.raises(Unavailable):
        list(tenant.export("ann", purpose=Purpose.SERVE))


def test_a_key_that_may_be_back_later_ends_the_export(
    domicile: Domicile, tenant: BoundTenant
) -> None:
    """A process that has not read it yet, while no backend answers."""
    with domicile.open_another() as store:
        other = store.tenant(tenant.id).bind(SERVICE)
        domicile.take_down("eu-a", "eu-b")
        with pytest.raises(DomicileError) as caught:
            list(other.export("ann", purpose=Purpose.SERVE))
    assert caught.value.retryable


@pytest.mark.parametrize("name", ["", None, 7, "x" * 5000])
def test_a_name_that_is_none_is_refused_at_once(tenant: BoundTenant, name: object) -> None:
    """Before anything is read."""
    with pytest.raises(InvalidRequest):
        tenant.export(name, purpose=Purpose.SERVE)  # type: ignore[arg-type]


@pytest.mark.parametrize("purpose", sorted(set(Purpose) - {Purpose.SERVE, Purpose.SUBJECT_REQUEST}))
def test_other_purposes_open_records_one_by_one(tenant: BoundTenant, purpose: Purpose) -> None:
    """A fine-tuning job notes each file; an investigator looks at one record after the other."""
    with pytest.raises(InvalidRequest, match="serve or subject_request"):
        tenant.export("ann", purpose=purpose)


def test_a_person_without_a_grant_exports_nothing(domicile: Domicile, tenant: BoundTenant) -> None:
    """The first record is refused, and that is on record."""
    person = replace(SERVICE, id="p-1", kind=ActorKind.EMPLOYEE)
    with pytest.raises(PurposeRefused):
        list(tenant.bind(person).export("ann", purpose=Purpose.SUBJECT_REQUEST))
    (line,) = domicile.store.admin.log.lines("eu-central-1", kind=LineKind.REFUSAL)
    assert json.loads(line.text or "")["actor"] == "p-1"


def test_a_person_exports_under_a_grant(domicile: Domicile, tenant: BoundTenant) -> None:
    """Each record counts against it, and has a line in the log."""
    spec = GrantSpec(
        "acme-eu",
        Purpose.SUBJECT_REQUEST,
        INVESTIGATOR.id,
        Scope.subject("ann"),
        "Ann asked for what we keep of her.",
        3,
        8,
        "CASE-1",
    )
    bound = tenant.bind(INVESTIGATOR, grant=domicile.grant(spec).id)

    found = unzipped(bound.export("ann", purpose=Purpose.SUBJECT_REQUEST))

    assert len(lines_of(found)) == 2
    told = domicile.store.admin.log.lines("eu-central-1", kind=LineKind.OPENING)
    named = {json.loads(line.text or "")["record"] for line in told}
    assert named == {str(info.id) for info in tenant.list(subject="ann")}
    with pytest.raises(PurposeRefused):
        list(bound.export("ben", purpose=Purpose.SUBJECT_REQUEST))


def test_asyncio_yields_the_same(domicile_async_store: AsyncStore, tenant: BoundTenant) -> None:
    """Piece by piece; and the same refusals."""

    async def pieces(subject: str) -> list[bytes]:
        t = (await domicile_async_store.tenant(tenant.id)).bind(SERVICE)
        return [piece async for piece in t.export(subject, purpose=Purpose.SERVE)]

    assert len(unzipped(iter(asyncio.run(pieces("ann"))))) == 3
    with pytest.raises(InvalidRequest):
        asyncio.run(pieces(""))
