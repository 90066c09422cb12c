"""OpenAI's Files with the client of OpenAI as it is: each method, sync and async."""

import asyncio
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from openai import APIStatusError, AsyncOpenAI, NotFoundError
from openai.types import FileObject

from storage.model import DataClass, KeyScope, Purpose, RecordId
from storage.testing import fail
from tests.support.faults.transactions import COMMITTING
from tests.support.serving import Service, service

__all__ = ["service"]

pytestmark = pytest.mark.one_region

BODY = b'{"messages": []}\n' * 1000


def upload(service: Service, body: bytes = BODY, name: str = "train.jsonl") -> FileObject:
    """Upload a file."""
    with service.openai() as client:
        return client.files.create(file=(name, body), purpose="fine-tune")


def test_a_file_from_its_upload_to_its_deletion(service: Service) -> None:
    """What is uploaded is what is told, listed and downloaded, until it is deleted."""
    with service.openai() as client:
        made = client.files.create(file=("train.jsonl", BODY), purpose="fine-tune")
        shown = client.files.retrieve(made.id)
        body = client.files.content(made.id).read()
        ready = client.files.wait_for_processing(made.id)
        gone = client.files.delete(made.id)

        with pytest.raises(Exception) as caught:
            client.files.retrieve(made.id)
        assert list(client.files.list()) == []

    assert (made.filename, made.purpose, made.bytes) == ("train.jsonl", "fine-tune", len(BODY))
    assert (made.object, made.status) == ("file", "processed")
    assert made.created_at == int(service.domicile.clock.now().timestamp())
    assert shown == made == ready
    assert body == BODY
    assert (gone.id, gone.object, gone.deleted) == (made.id, "file", True)
    assert getattr(caught.value, "status_code", None) == 410


def test_the_same_for_asyncio(service: Service) -> None:
    """The same methods of the asynchronous client."""

    async def use(client: AsyncOpenAI) -> None:
        made = await client.files.create(file=("train.jsonl", BODY), purpose="fine-tune")
        assert await client.files.retrieve(made.id) == made
        assert (await client.files.content(made.id)).read() == BODY
        assert [file.id async for file in client.files.list()] == [made.id]
        assert (await client.files.wait_for_processing(made.id)).status == "processed"
        assert (await client.files.delete(made.id)).deleted

    async def run() -> None:
        async with service.async_openai() as client:
            await use(client)

    asyncio.run(run())


def test_every_kind_of_source_that_the_client_takes(service: Service, tmp_path: Path) -> None:
    """A path, an open file, bytes with a name; names in any script."""
    path = tmp_path / "übung — 訓練.jsonl"
    path.write_bytes(BODY)
    with service.openai() as client, path.open("rb") as opened:
        sent = (path, opened, (path.name, BODY), (path.name, io.BytesIO(BODY), "text/plain"))
        found = [client.files.create(file=one, purpose="batch") for one in sent]
        bodies = {client.files.content(one.id).read() for one in found}

    assert {one.filename for one in found} == {path.name}
    assert bodies == {BODY}


@pytest.mark.parametrize("size", [0, 1, 65_536, 262_144, 262_145, 5_000_000])
def test_files_of_every_size(service: Service, size: int) -> None:
    """The empty one, and those around the pieces in which it is read and sent."""
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    made = upload(service, body)

    with service.openai() as client:
        assert client.files.content(made.id).read() == body
    assert made.bytes == size


def test_a_body_that_looks_like_the_form_around_it(service: Service) -> None:
    """Line ends, hyphens, and what begins like a boundary stay what they are."""
    body = b"\r\n--\r\n------\r\n\r\n--" * 5000 + b"\r\n"

    made = upload(service, body)

    with service.openai() as client:
        assert client.files.content(made.id).read() == body


class TestList:
    @pytest.fixture
    def ids(self, service: Service) -> list[str]:
        """Seven files, a second apart; every second one for a batch."""
        found = []
        with service.openai() as client:
            for number in range(7):
                purpose = ("fine-tune", "batch")[number % 2]
                file = (f"{number}.jsonl", b"{}")
                found.append(client.files.create(file=file, purpose=purpose).id)  # type: ignore[arg-type]
                service.domicile.pass_time(seconds=1)
        return found

    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 10_000])
    def test_the_client_pages_through_all(
        self, service: Service, ids: list[str], limit: int
    ) -> None:
        """Each file once, newest first unless asked otherwise."""
        with service.openai() as client:
            newest = [file.id for file in client.files.list(limit=limit)]
            oldest = [file.id for file in client.files.list(limit=limit, order="asc")]
            first = client.files.list(limit=limit)

        assert newest == ids[::-1]
        assert oldest == ids
        assert len(first.data) == min(limit, 7)
        assert first.has_more == (limit < 7)

    @pytest.mark.parametrize("limit", [1, 2, 100])
    def test_those_of_a_purpose(self, service: Service, ids: list[str], limit: int) -> None:
        """Others are passed over, also where a page has none of them."""
        with service.openai() as client:
            found = [file.id for file in client.files.list(purpose="batch", limit=limit)]

        assert found == ids[1::2][::-1]

    def test_after_one(self, service: Service, ids: list[str]) -> None:
        """Also after one that was deleted."""
        with service.openai() as client:
            client.files.delete(ids[3])
            found = [file.id for file in client.files.list(after=ids[3], order="asc")]

        assert found == ids[4:]

    def test_names_of_the_page(self, service: Service, ids: list[str]) -> None:
        """``first_id`` and ``last_id`` are those of the data; an empty page has none."""
        with service.http() as client:
            page = client.get("/v1/files", params={"limit": 3}).json()
            end = client.get("/v1/files", params={"after": ids[0]}).json()

        assert (page["object"], page["has_more"]) == ("list", True)
        assert (page["first_id"], page["last_id"]) == (ids[6], ids[4])
        assert end == {
            "object": "list",
            "data": [],
            "first_id": None,
            "last_id": None,
            "has_more": False,
        }

    def test_a_file_of_the_library_is_there_too(self, service: Service) -> None:
        """It has the name that it was stored under, and no purpose."""
        tenant = service.domicile.store.tenant("acme-eu")
        put = tenant.put_file(io.BytesIO(b"x"), filename="own.jsonl")
        tenant.put(DataClass.PROMPT, b"no file")

        with service.openai() as client:
            (found,) = client.files.list()

        assert (found.id, found.filename, found.purpose) == (str(put.id), "own.jsonl", "")


class TestRanges:
    @pytest.mark.parametrize(
        ("asked", "start", "stop"),
        [
            ("bytes=0-0", 0, 1),
            ("bytes=10-19", 10, 20),
            ("bytes=16990-", 16990, 17000),
            ("bytes=-5", 16995, 17000),
            ("bytes=-99999", 0, 17000),
            ("bytes=16999-99999", 16999, 17000),
            ("BYTES=1-2", 1, 3),
        ],
    )
    def test_one_range(self, service: Service, asked: str, start: int, stop: int) -> None:
        """Exactly those bytes, and which they are."""
        made = upload(service)

        with service.http() as client:
            got = client.get(f"/v1/files/{made.id}/content", headers={"range": asked})

        assert got.status_code == 206
        assert got.content == BODY[start:stop]
        assert got.headers["content-range"] == f"bytes {start}-{stop - 1}/17000"
        assert got.headers["content-length"] == str(stop - start)

    @pytest.mark.parametrize(
        "asked",
        [
            *("bytes=17000-", "bytes=-0", "bytes=5-4", "bytes=-", "bytes=", "bytes=0-1,5-6"),
            *("bytes=a-b", "bytes=1-2-3", "bytes=٣-٤", "bytes=" + 30 * "9" + "-"),
        ],
    )
    def test_what_is_no_range_of_it(self, service: Service, asked: str) -> None:
        """416, with the size, and nothing of the file."""
        made = upload(service)

        with service.http() as client:
            url = f"/v1/files/{made.id}/content"
            got = client.get(url, headers={b"range": asked.encode()})

        assert got.status_code == 416
        assert got.headers["content-range"] == "bytes */17000"
        assert got.json()["error"]["code"] == "invalid_range"

    @pytest.mark.parametrize(
        "headers",
        [
            {"range": "lines=1-2"},
            {"range": "bytes=0-9", "if-range": '"another"'},
        ],
    )
    def test_what_asks_for_the_whole(self, service: Service, headers: dict[str, str]) -> None:
        """An unknown unit, and a range of what may have been something else."""
        made = upload(service)

        with service.http() as client:
            got = client.get(f"/v1/files/{made.id}/content", headers=headers)

        assert (got.status_code, got.content) == (200, BODY)
        assert got.headers["accept-ranges"] == "bytes"

    def test_a_download_that_goes_on(self, service: Service) -> None:
        """With the tag of the first answer."""
        made = upload(service)

        with service.http() as client:
            url = f"/v1/files/{made.id}/content"
            tag = client.get(url).headers["etag"]
            got = client.get(url, headers={"range": "bytes=100-", "if-range": tag})

        assert (got.status_code, got.content) == (206, BODY[100:])


class TestRetries:
    def test_the_client_repeats_what_may_succeed_later(self, service: Service) -> None:
        """503 with ``retry-after``: it repeats by itself, and the file is there once."""
        for name in ("eu-a", "eu-b"):
            service.domicile.backends[name].inject(fail, "upload.finish", times=1)

        made = upload(service)

        with service.openai() as client:
            assert [file.id for file in client.files.list()] == [made.id]
            assert client.files.content(made.id).read() == BODY

    def test_a_repetition_with_a_key_stores_once(self, service: Service) -> None:
        """With Idempotency-Key, the file has the same id."""
        key = {"Idempotency-Key": "upload-1"}
        with service.openai() as client:
            first, again = (
                client.files.create(file=("a.jsonl", BODY), purpose="fine-tune", extra_headers=key)
                for _ in range(2)
            )
            found = [file.id for file in client.files.list()]

        assert first == again
        assert found == [first.id]

    def test_another_file_with_the_same_key_is_a_conflict(self, service: Service) -> None:
        """409, which the client does not repeat: the answer says so."""
        with service.http() as client:
            got = [
                client.post(
                    "/v1/files",
                    headers={"idempotency-key": "upload-1"},
                    data={"purpose": "fine-tune"},
                    files={"file": ("a.jsonl", body)},
                )
                for body in (b"one", b"two")
            ]

        assert [one.status_code for one in got] == [200, 409]
        assert got[1].headers["x-should-retry"] == "false"
        assert got[1].json()["error"]["code"] == "id_conflict"

    def test_one_with_an_end_tells_the_first_end(self, service: Service) -> None:
        """Whenever it is repeated."""
        with service.openai() as client:
            ends = []
            for _ in range(2):
                made = client.files.create(
                    file=("a.jsonl", BODY),
                    purpose="fine-tune",
                    expires_after={"anchor": "created_at", "seconds": 7200},
                    extra_headers={"Idempotency-Key": "upload-1"},
                )
                ends.append((made.id, made.expires_at))
                service.domicile.clock.advance(timedelta(minutes=30))
            assert ends[0][1] == ends[1][1] == client.files.retrieve(ends[0][0]).expires_at

    def test_an_unknown_outcome_is_not_repeated(self, service: Service) -> None:
        """Another upload would be another file, and nobody would know the first."""
        with service.domicile.catalog_faults() as faults, service.http() as client:
            faults.at_commit(COMMITTING, after=faults.vanish)
            got = client.post(
                "/v1/files", data={"purpose": "fine-tune"}, files={"file": ("a.jsonl", BODY)}
            )
            faults.down = False
        error = got.json()["error"]

        assert (got.status_code, error["code"]) == (503, "outcome_unknown")
        assert got.headers["x-should-retry"] == "false"
        (made,) = service.domicile.tenant().list()
        assert str(made.id) in error["message"]


def test_a_key_for_reading_changes_nothing(service: Service) -> None:
    """It lists and reads; to store and to delete, it is refused."""
    made = upload(service)

    with service.http(service.key(scope=KeyScope.READ)) as client:
        reads = [
            client.get(f"/v1/files{path}").status_code
            for path in ("", f"/{made.id}", f"/{made.id}/content")
        ]
        form = {"data": {"purpose": "fine-tune"}, "files": {"file": ("a", b"x")}}
        refused = [client.post("/v1/files", **form), client.delete(f"/v1/files/{made.id}")]  # type: ignore[arg-type]

    assert reads == [200, 200, 200]
    assert [one.status_code for one in refused] == [403, 403]
    assert {one.json()["error"]["code"] for one in refused} == {"insufficient_scope"}


def test_what_is_erased_elsewhere_is_gone_here(service: Service) -> None:
    """A store and a service show the same."""
    made = upload(service)
    tenant = service.domicile.tenant()
    assert tenant.get(made.id, purpose=Purpose.SERVE).body == BODY

    tenant.delete(made.id)

    with service.http() as client:
        paths = (f"/{made.id}", f"/{made.id}/content")
        assert [client.get(f"/v1/files{path}").status_code for path in paths] == [410, 410]
        again = client.delete(f"/v1/files/{made.id}")  # the answer to the first may be lost
        assert (again.status_code, again.json()["deleted"]) == (200, True)
        assert client.get("/v1/files").json()["data"] == []


def test_nothing_is_stored_under_zero_retention(service: Service) -> None:
    """And the customer is told so, instead of getting an id that opens nothing."""
    service.domicile.tenant("zero", retention={DataClass.FINE_TUNING_FILE: 0})

    with service.http(service.key("zero")) as client:
        got = client.post("/v1/files", data={"purpose": "fine-tune"}, files={"file": ("a", b"x")})

    assert got.status_code == 403
    assert got.json()["error"]["code"] == "zero_retention"


def test_an_unknown_id_is_not_found(service: Service) -> None:
    """As the client has it."""
    made = upload(service)
    other = str(replace(RecordId.parse(made.id), unique=bytes(16)))

    with service.openai() as client, pytest.raises(NotFoundError):
        client.files.retrieve(other)


def test_a_file_may_expire(service: Service) -> None:
    """To the second: it is told, listed with it, and then neither read nor listed."""
    clock = service.domicile.clock
    with service.openai() as client:
        made = client.files.create(
            file=("train.jsonl", BODY),
            purpose="fine-tune",
            expires_after={"anchor": "created_at", "seconds": 3600},
        )
        assert made.expires_at == made.created_at + 3600
        assert client.files.retrieve(made.id) == made
        assert list(client.files.list()) == [made]
        clock.jump(datetime.fromtimestamp(made.expires_at - 5, UTC) - clock.now())
        assert client.files.content(made.id).read() == BODY
        clock.advance(timedelta(seconds=6))

        for read in (client.files.retrieve, client.files.content):
            with pytest.raises(APIStatusError) as caught:
                read(made.id)
            assert caught.value.status_code == 410
        assert list(client.files.list()) == []


def test_a_page_opens_no_file(service: Service) -> None:
    """Names and purposes come with the rows: a longer page asks the catalog no more often."""
    for n in range(3):
        upload(service, name=f"{n}.jsonl")

    with service.http() as client, service.domicile.catalog_faults() as faults:

        def asked(limit: int) -> tuple[list[str], int]:
            before = faults.statements
            page = client.get(f"/v1/files?order=asc&limit={limit}").json()
            return [file["filename"] for file in page["data"]], faults.statements - before

        asked(1)  # the use of the key is noted once a minute
        (one, few), (all_, as_many) = asked(1), asked(3)

    assert (one, all_) == (["0.jsonl"], ["0.jsonl", "1.jsonl", "2.jsonl"])
    assert as_many == few
