"""``domicile://tenant/...``: files that are read, and written once."""

import gc
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from storage import (
    DataClass,
    FineTuning,
    InvalidRequest,
    Purpose,
    Reason,
    Scope,
    Unavailable,
)
from storage.contrib import fsspec as ours
from storage.contrib.fsspec import DomicileFileSystem
from storage.testing import SERVICE, Domicile

pytestmark = pytest.mark.one_region

PATH = "acme-eu/sets/train.jsonl"
ACTOR = {"id": "job", "kind": "customer", "employer": "acme", "location": "EU"}


@pytest.fixture
def fs(domicile: Domicile) -> DomicileFileSystem:
    """The files of a tenant."""
    domicile.tenant()
    return made(domicile)


def made(domicile: Domicile, **options: object) -> DomicileFileSystem:
    """A file system, as fsspec makes it by its protocol."""
    given = {"purpose": "serve", "actor": SERVICE, "store": domicile.store} | options
    found: DomicileFileSystem = fsspec.filesystem("domicile", **given)
    return found


def test_what_was_written_is_read(fs: DomicileFileSystem) -> None:
    """In text, in binary, through a buffer, and as an archive."""
    with fs.open(PATH, "w") as text:
        text.write('{"n": 1}\n')
    with fs.open("acme-eu/all.zip", "wb") as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("one.txt", "one")

    assert fs.cat_file(PATH) == b'{"n": 1}\n'
    assert fs.cat_file(PATH, start=-4, end=-1) == b" 1}"
    assert fs.read_text(f"domicile://{PATH}") == '{"n": 1}\n'
    with fs.open(PATH) as file:
        assert io.BufferedReader(file).readline() == b'{"n": 1}\n'
    with fs.open("acme-eu/all.zip") as file, zipfile.ZipFile(file) as archive:
        assert archive.read("one.txt") == b"one"
    assert fs.ls("acme-eu", detail=False) == ["acme-eu/all.zip", "acme-eu/sets"]
    assert fs.glob("acme-eu/*/*.jsonl") == [PATH]
    assert fs.size(PATH) == 9
    assert fs.created(PATH) == fs.modified(PATH)


def test_the_file_is_one_of_the_api(domicile: Domicile, fs: DomicileFileSystem) -> None:
    """With the name that it was given, under the tenant of the path."""
    fs.pipe_file(PATH, b"data")
    tenant = domicile.tenant()
    (found,) = tenant.list()
    record = tenant.get(found.id, purpose=Purpose.SERVE)
    assert (found.data_class, record.body) == (DataClass.FINE_TUNING_FILE, b"data")
    assert record.metadata == {"filename": "sets/train.jsonl"}
    assert fs.info(PATH)["id"] == found.id


def test_an_id_is_a_path_of_any_record(domicile: Domicile, fs: DomicileFileSystem) -> None:
    """No name has to be looked for."""
    prompt = domicile.tenant().put(DataClass.PROMPT, b"Which lake?").id
    assert fs.cat_file(f"acme-eu/{prompt}") == b"Which lake?"
    assert fs.info(f"acme-eu/{prompt}")["size"] == 11
    assert fs.ls("acme-eu") == []


def test_the_first_file_keeps_a_name(domicile: Domicile, fs: DomicileFileSystem) -> None:
    """What a path says does not change by what is written later."""
    tenant = domicile.tenant()
    first = tenant.put_file(io.BytesIO(b"first"), filename="a.txt")
    second = tenant.put_file(io.BytesIO(b"second"), filename="a.txt")
    assert fs.cat_file("acme-eu/a.txt") == b"first"
    assert set(fs.find("acme-eu")) == {"acme-eu/a.txt", f"acme-eu/{second.id}"}

    tenant.delete(first.id)
    assert fs.cat_file("acme-eu/a.txt") == b"second"


@pytest.mark.parametrize(
    "name", ["../up", "/root", "a/../../up", "a//b", "a/", ".", "a\\..\\b", "nul\0"]
)
def test_a_name_that_is_no_path_is_none(
    domicile: Domicile, fs: DomicileFileSystem, name: str, tmp_path: Path
) -> None:
    """A customer chose it; who downloads its files writes nothing elsewhere."""
    stored = domicile.tenant().put_file(io.BytesIO(b"data"), filename=name)
    assert fs.find("acme-eu") == [f"acme-eu/{stored.id}"]
    fs.get("acme-eu/", str(tmp_path / "a" / "b"), recursive=True)
    files = [one for one in tmp_path.rglob("*") if one.is_file()]
    assert files == [tmp_path / "a" / "b" / str(stored.id)]


def test_a_name_that_is_an_id_is_none(domicile: Domicile, fs: DomicileFileSystem) -> None:
    """Otherwise one file could stand for another."""
    tenant = domicile.tenant()
    one = tenant.put_file(io.BytesIO(b"one"))
    two = tenant.put_file(io.BytesIO(b"two"), filename=str(one.id))
    assert fs.cat_file(f"acme-eu/{one.id}") == b"one"
    assert set(fs.find("acme-eu")) == {f"acme-eu/{one.id}", f"acme-eu/{two.id}"}
    with pytest.raises(InvalidRequest):
        fs.pipe_file(f"acme-eu/{one.id}", b"data")


@pytest.mark.parametrize("mode", ["wb", "xb"])
def test_nothing_is_overwritten(fs: DomicileFileSystem, mode: str) -> None:
    """Nor appended to, copied, renamed or removed."""
    fs.pipe_file(PATH, b"data")
    with pytest.raises(FileExistsError):
        fs.open(PATH, mode)
    with pytest.raises(NotImplementedError):
        fs.open(PATH, "ab")
    for change in (fs.cp, fs.mv):
        with pytest.raises(NotImplementedError):
            change(PATH, "acme-eu/other")
    for remove in (fs.rm, fs.rm_file):
        with pytest.raises(NotImplementedError):
            remove(PATH)
    with pytest.raises(NotImplementedError), fs.transaction:
        pass
    assert fs.find("acme-eu") == [PATH]
    assert fs.cat_file(PATH) == b"data"


def test_of_two_writers_of_a_name_one_wins(fs: DomicileFileSystem) -> None:
    """The other is told, and what it wrote is not stored."""
    one, two = fs.open(PATH, "wb"), fs.open(PATH, "wb")
    one.write(b"one")
    two.write(b"two")
    one.close()
    with pytest.raises(FileExistsError):
        two.close()
    assert fs.find("acme-eu") == [PATH]
    assert fs.cat_file(PATH) == b"one"


def test_a_block_that_raises_stores_nothing(domicile: Domicile, fs: DomicileFileSystem) -> None:
    """Half of a file would keep the name for good."""

    def fail_halfway() -> None:
        with fs.open(PATH, "wb") as file:
            file.write(b"x" * 3_000_000)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert list(domicile.tenant().list()) == []
    fs.pipe_file(PATH, b"data")


def test_large_files_pass_in_pieces(fs: DomicileFileSystem) -> None:
    """Whatever pieces they come in."""
    body = bytes(range(256)) * 50_000
    with fs.open(PATH, "wb") as file:
        for size in (1, 10, 5_000_000, 0, len(body)):
            file.write(body[:size])
    assert fs.size(PATH) == 5_000_011 + len(body)
    assert fs.cat_file(PATH, start=5_000_011) == body


def test_a_failed_write_is_told_and_does_not_hang(
    domicile: Domicile, fs: DomicileFileSystem
) -> None:
    """Also if far more is to be written than waits."""
    file = fs.open(PATH, "wb")
    domicile.take_down("eu-a", "eu-b")

    def write() -> None:
        with file:
            for _ in range(40):
                file.write(b"x" * 1_000_000)

    with pytest.raises(Unavailable):
        write()
    assert file.closed
    domicile.bring_back("eu-a", "eu-b")
    assert list(domicile.tenant().list()) == []


def test_what_was_erased_is_not_there(domicile: Domicile, fs: DomicileFileSystem) -> None:
    """Neither is its name, which the file system had read before."""
    fs.pipe_file(PATH, b"data")
    found = fs.info(PATH)["id"]
    domicile.tenant().erase(Scope.record(found), reason=Reason.CUSTOMER_REQUEST)
    assert not fs.exists(PATH)
    assert fs.ls("acme-eu") == []
    for path in (PATH, f"acme-eu/{found}"):
        with pytest.raises(FileNotFoundError):
            fs.open(path)
    assert fs._names == {"acme-eu": {}}
    with pytest.raises(FileExistsError, match="erased today"):
        fs.pipe_file(PATH, b"data")
    domicile.pass_time(days=1)
    fs.pipe_file(PATH, b"data")


def test_no_error_names_a_file(fs: DomicileFileSystem) -> None:
    """A name is sealed, and an error ends in a log."""
    fs.pipe_file("acme-eu/secret-name", b"data")
    told: list[str] = []
    attempts: list[Callable[[], object]] = [
        lambda: fs.open("acme-eu/secret-name", "wb"),
        lambda: fs.open("acme-eu/secret-name.other"),
        lambda: fs.open("acme-eu/secret-name", "ab"),
        lambda: fs.open("no-tenant/secret-name"),
        lambda: fs.rm("acme-eu/secret-name"),
    ]
    for attempt in attempts:
        with pytest.raises((OSError, NotImplementedError)) as caught:
            attempt()
        told.append(str(caught.value))
    assert not [text for text in told if "secret" in text]


def test_a_purpose_that_does_not_open_it_is_told(domicile: Domicile) -> None:
    """By the name, and by the id."""
    stored = domicile.tenant().put_file(io.BytesIO(b"data"), filename="a.txt")
    fs = made(domicile, purpose="train")
    for path in ("acme-eu/a.txt", f"acme-eu/{stored.id}"):
        with pytest.raises(PermissionError):
            fs.open(path)


def test_a_listing_for_fine_tuning_uses_no_file(domicile: Domicile) -> None:
    """Opening one for it notes the use, so the names stay closed; what is read is noted."""
    tenant = domicile.tenant()
    tenant.models.add("model-1", by="ann")
    used = tenant.put_file(io.BytesIO(b"used"), filename="used.jsonl").id
    other = tenant.put_file(io.BytesIO(b"other"), filename="other.jsonl").id
    fs = made(domicile, purpose="fine_tune", tuning={"job": "job-1", "model": "model-1"})
    listed = fs.ls("acme-eu", detail=False)
    assert sorted(listed) == sorted([f"acme-eu/{used}", f"acme-eu/{other}"])
    assert fs.cat_file(f"acme-eu/{used}") == b"used"
    assert len(tenant.explain(used).uses) == 1
    assert tenant.explain(other).uses == ()
    assert made(domicile, purpose="fine_tune", tuning=FineTuning("job-1", "model-1")) != fs


def test_an_outage_is_not_an_answer(domicile: Domicile, fs: DomicileFileSystem) -> None:
    """A file that cannot be looked for is not one that is missing."""
    fs.pipe_file(PATH, b"data")
    for ask in (fs.exists, fs.info, fs.find):
        with domicile.catalog_faults() as faults:
            faults.down = True
            faults.engine.pool.dispose()
            with pytest.raises(Unavailable):
                ask(PATH)


def test_an_unknown_tenant_has_no_files(fs: DomicileFileSystem) -> None:
    """And every path names one."""
    with pytest.raises(FileNotFoundError):
        fs.ls("other-eu")
    with pytest.raises(InvalidRequest):
        fs.ls("domicile://")


def test_too_many_files_are_told(
    domicile: Domicile, fs: DomicileFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not shown in part. An id is still found."""
    monkeypatch.setattr(ours, "MOST", 2)
    monkeypatch.setattr(ours, "_PAGE", 1)
    ids = [domicile.tenant().put_file(io.BytesIO(b"%d" % n)).id for n in range(2)]
    assert len(fs.ls("acme-eu")) == 2
    domicile.tenant().put_file(io.BytesIO(b"2"))
    with pytest.raises(InvalidRequest, match="more than 2 files"):
        fs.find("acme-eu")
    assert fs.cat_file(f"acme-eu/{ids[0]}") == b"0"


def test_without_a_store_it_opens_one(domicile_opened: Domicile) -> None:
    """From the settings of the process. A file that is open keeps it open."""
    domicile_opened.tenant()
    options = {"purpose": "serve", "actor": ACTOR}
    with fsspec.open(f"domicile://{PATH}", "wb", **options) as file:
        file.write(b"data")
    file = fsspec.open(f"domicile://{PATH}", "rb", **options).open()
    gc.collect()
    with file:
        assert file.read() == b"data"


@pytest.mark.parametrize(
    "options",
    [
        {"purpose": "fun"},
        {"actor": {"id": "job"}},
        {"actor": ACTOR | {"kind": "owner"}},
        {"tuning": {"model": "model-1"}},
    ],
)
def test_options_that_are_none_are_told(domicile: Domicile, options: dict[str, object]) -> None:
    """When the file system is made, not at the first read."""
    with pytest.raises(InvalidRequest):
        made(domicile, **options)


def test_under_zero_retention_nothing_is_said_to_be_stored(domicile: Domicile) -> None:
    """A file that is not there after it was written would surprise."""
    domicile.tenant("none-eu", retention={DataClass.FINE_TUNING_FILE: 0})
    fs = made(domicile)
    with pytest.raises(PermissionError, match="zero retention"):
        fs.pipe_file("none-eu/a.txt", b"data")
