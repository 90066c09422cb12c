"""Scrub on buckets with versions, and on backends whose contract has ended."""

from pathlib import Path

import pytest
from sqlalchemy import text

import regions
from storage.model import DataClass, RecordId
from storage.ports import ItemKind
from storage.testing import SERVICE, Domicile, Server, new_domicile
from storage.testing.harness import Kind
from tests.support.actions import get, put_file, work
from tests.support.inspect.stored import home
from tests.support.scrubs import keys_of, of_the_log, scrubbed, state_of, traces_of
from tests.support.topologies import small_topology


@pytest.fixture
def domicile_backends(request: pytest.FixtureRequest) -> Kind:
    """Buckets by default."""
    kind: Kind = getattr(request, "param", "s3")
    return kind


@pytest.fixture
def put(domicile: Domicile) -> RecordId:
    """Put a record on both backends of its region."""
    made = domicile.tenant().put(DataClass.PROMPT, b"mine", subject="u").id
    work(domicile)
    return made


def in_bucket(domicile: Domicile, backend: str = "eu-a") -> str:
    """Return the bucket of a backend."""
    return f"{backend}-{domicile.settings.home.name}"


def delete(domicile: Domicile, key: str) -> None:
    """Delete as another client does, which leaves a marker."""
    assert domicile._server is not None
    domicile._server._buckets.delete_object(in_bucket(domicile), key)


def rewrite(domicile: Domicile, key: str) -> None:
    """Write the same bytes again, which adds a version."""
    inner = domicile.backends["eu-a"].inner
    inner.put(key, inner.get(key), timeout=30)


def begin(domicile: Domicile, key: str) -> None:
    """Begin an upload that is never finished."""
    upload = domicile.backends["eu-a"].inner.upload(key, timeout=30)
    upload.write(bytes(9 * 1024 * 1024))


@pytest.mark.parametrize(
    ("plant", "kind", "found"),
    [
        (delete, ItemKind.MARKER, "missing/replacing"),
        (rewrite, ItemKind.VERSION, "leftover/replacing"),
        (begin, ItemKind.UPLOAD, "leftover/replacing"),
    ],
)
def test_versions_markers_and_uploads_go_with_their_replica(
    domicile: Domicile, put: RecordId, plant: object, kind: ItemKind, found: str
) -> None:
    """In a bucket with versions a plain delete removes no bytes."""
    (key,) = keys_of(domicile)
    assert callable(plant)
    plant(domicile, key)
    assert kind in {trace.kind for trace in traces_of(domicile, key)}

    assert scrubbed(domicile) == {found: 1}
    work(domicile, hours=1)

    assert traces_of(domicile, key) == []
    (new,) = keys_of(domicile)
    assert [trace.kind for trace in traces_of(domicile, new)] == [ItemKind.OBJECT]
    assert scrubbed(domicile, share=1.0) == {}
    assert get(domicile.store.tenant("acme-eu").bind(SERVICE), put) == b"mine"


def test_an_unfinished_upload_that_no_row_knows_of(domicile: Domicile) -> None:
    """After the grace period it is aborted, and versions and markers are removed."""
    backend = domicile.backends["eu-a"].inner
    for key in ("stray/1", "stray/2"):
        backend.put(key, b"one", timeout=30)
        backend.put(key, b"two", timeout=30)
    delete(domicile, "stray/2")
    begin(domicile, "stray/3")

    assert scrubbed(domicile) == {"orphan/waiting": 3}
    domicile.pass_time(days=3)
    assert scrubbed(domicile) == {"orphan/purged": 3}
    assert list(backend.scan("stray/")) == []


def test_names_that_are_no_keys_are_counted_and_not_kept(domicile: Domicile, put: RecordId) -> None:
    """No row ever named them. Their names may be anything, so they are not shown."""
    assert domicile._server is not None
    for name in ("Holiday Photos/1.JPG", "pack/ünicode", "~"):
        domicile._server.store(in_bucket(domicile), name, b"whose")

    assert scrubbed(domicile) == {"foreign/unmended": 3}
    assert [found.keys for found in state_of(domicile).tally.found.values()] == [[]]


def test_keys_sort_by_their_bytes_whatever_the_database(domicile: Domicile) -> None:
    """As backends list them, whatever the collation of the database."""
    query = (
        "SELECT table_name FROM information_schema.columns "
        "WHERE column_name = 'key' AND collation_name = 'C' AND table_schema = 'public'"
    )
    with home(domicile).catalog.begin() as connection:
        assert set(connection.scalars(text(query))) == {"replica", "stray"}


class TestSubProcessors:
    @pytest.fixture
    def changed(
        self, domicile: Domicile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Domicile:
        """A topology with a third backend, in which the contract of the first ends on 2 March."""
        data = Path(regions.__file__).parent / "data"
        topology = small_topology(data, tmp_path, changes=True)
        domicile.settings = domicile.settings.model_copy(update={"topology": topology})
        domicile.open()
        domicile.tenant().put(DataClass.COMPLETION, b"mine", subject="u")
        work(domicile)
        return domicile

    @pytest.mark.parametrize("domicile_backends", ["memory"], indirect=True)
    def test_what_is_on_a_backend_whose_contract_has_ended_is_replicated_elsewhere(
        self, changed: Domicile
    ) -> None:
        """Its replicas go, the third backend gets them, and nothing is left to repair."""
        before = keys_of(changed), keys_of(changed, kind="day_key")
        logged = of_the_log(changed)
        changed.pass_time(days=1)

        assert scrubbed(changed) == {"wrong_place/replacing": 2 + logged}
        work(changed, hours=1)
        work(changed, hours=1)

        assert [len(keys) for keys in before] == [1, 1]
        assert list(changed.backends["eu-a"].inner.scan()) == []
        for kind in ("pack", "day_key"):
            assert [len(keys_of(changed, name, kind)) for name in ("eu-a", "eu-b", "eu-c")] == [
                0,
                1,
                1,
            ]
        assert all(scrubbed(changed, name, 1.0) == {} for name in ("eu-a", "eu-b", "eu-c"))
        (region, _) = changed.store.status().regions
        assert [backend.missing for backend in region.backends] == [0, 0, 0]

    @pytest.mark.parametrize("domicile_backends", ["memory"], indirect=True)
    def test_the_last_replica_goes_after_its_replacement_is_made(self, changed: Domicile) -> None:
        """A replica is first made on a lawful backend."""
        (pack,) = keys_of(changed, "eu-b")
        changed.backends["eu-b"].inner.purge(pack)
        logged = of_the_log(changed)
        changed.pass_time(days=1)

        assert scrubbed(changed) == {"wrong_place/moving": 1, "wrong_place/replacing": 1 + logged}
        assert len(keys_of(changed)) == 1
        work(changed, hours=1)
        assert len(keys_of(changed, "eu-c")) == 1
        assert scrubbed(changed) == {"wrong_place/replacing": 1}
        work(changed, hours=1)

        # the duty that empties eu-a has read eu-b, and replaced what was missing there
        assert all(scrubbed(changed, name, 1.0) == {} for name in ("eu-a", "eu-b", "eu-c"))

    @pytest.mark.parametrize("domicile_backends", ["memory"], indirect=True)
    def test_workers_empty_a_backend_whose_contract_has_ended(self, changed: Domicile) -> None:
        """Also of objects without another replica, which go a day later, not a week."""
        file = put_file(changed, "u")
        changed.run_worker()
        for key in keys_of(changed, "eu-b"):
            changed.backends["eu-b"].inner.purge(key)
        for _ in range(9):
            changed.pass_time(days=1)
            for _ in range(4):  # a piece of one backend each
                changed.run_worker()

        assert list(changed.backends["eu-a"].inner.scan()) == []
        assert get(changed.tenant(), file) == b"mine"


def test_with_one_backend_nothing_is_purged(domicile_server: Server) -> None:
    """Leftovers beside the only replica stay too, and are reported."""
    with new_domicile(domicile_server, "memory") as domicile:
        t = domicile.tenant()
        domicile.take_down("eu-b")
        t.put(DataClass.PROMPT, b"mine")
        (key,) = keys_of(domicile)
        rewrite(domicile, key)

        assert scrubbed(domicile) == {"leftover/unmended": 1}
        assert len(traces_of(domicile, key)) == 2
