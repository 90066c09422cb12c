"""What goes wrong around a request: one clear error, which says what to do and shows nothing.

Arguments of the wrong type or form are in test_api_refusals.py; catalogs for other code in
test_migrations.py.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from importlib.resources import as_file, files
from io import BytesIO, StringIO
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from storage import embedded
from storage.backends.directory import DirectoryBackend
from storage.bootstrap import init, open_store
from storage.catalog import tables
from storage.crypto.root import create
from storage.errors import (
    BackendError,
    BackendForbidden,
    BackendMisplaced,
    BackendTimeout,
    BackendUnavailable,
    CatalogUnavailable,
    DomicileError,
    InvalidRequest,
    KeyUnavailable,
    MalformedId,
    MetadataTooLarge,
    NaiveDatetime,
    SettingsError,
    StreamFailed,
    TooFewReplicas,
    TopologyError,
    UnknownClass,
)
from storage.model import (
    DataClass,
    ErasureState,
    NewRecord,
    Purpose,
    PutFailure,
    Reason,
    RecordId,
    Scope,
)
from storage.ports import TraceKind
from storage.region import Limits
from storage.settings import Settings
from storage.store import Store
from storage.tenant import Tenant
from storage.testing import Domicile, FaultyBackend, Gate, Server, new_domicile

PROMPT, FILE, SERVE = DataClass.PROMPT, DataClass.FINE_TUNING_FILE, Purpose.SERVE
HOME, EU = "eu-central-1", ("eu-a", "eu-b")
PLANTED = "planted-secret"
BODY = PLANTED.encode() * 40
MIB = 1024 * 1024


def told(error: BaseException) -> str:
    """All that an error shows, and what caused it."""
    shown = ""
    here: BaseException | None = error
    while here is not None:
        shown += f"{here!s} {here!r} {here.args} "
        here = here.__cause__ or here.__context__
    return shown


def left(domicile: Domicile) -> list[object]:
    """Each row of each catalog, and all that is on each backend."""
    found: list[object] = []
    for served in domicile.store.regions.values():
        with served.open.catalog.begin() as connection:
            for table in tables.metadata.sorted_tables:
                rows = connection.execute(select(table)).all()
                found.append((served.open.name, table.name, sorted(map(str, rows))))
    return found + [(name, list(b.inner.scan())) for name, b in domicile.backends.items()]


def settle(domicile: Domicile) -> None:
    """Let everything land that still can, and the worker do all its work."""
    for _ in range(2):
        domicile.pass_time(minutes=30)
        domicile.run_worker()


def ready(domicile: Domicile) -> Tenant:
    """A tenant that has stored something today, and nothing is left to be done."""
    t = domicile.tenant()
    t.put(PROMPT, b"before", subject="u")
    settle(domicile)
    return t


WRITES: dict[str, Callable[[Tenant], object]] = {
    "put": lambda t: t.put(PROMPT, BODY, subject=PLANTED, metadata={PLANTED: PLANTED}),
    "put, large": lambda t: t.put(PROMPT, os.urandom(300 * 1024), group=PLANTED),
    "put_file": lambda t: t.put_file(BytesIO(bytes(3 * MIB)), filename=PLANTED),
}


# The topology


@dataclass(frozen=True)
class BadTopology:
    """What is replaced in which file, and what is said of it."""

    file: str
    old: str
    new: str
    key: str
    reason: str


TOPOLOGIES = {
    "not TOML": BadTopology(
        "classes.toml", "retention_days = 30", "retention_days = ", "", "is not valid TOML"
    ),
    "a key that nobody knows": BadTopology(
        "regions/eu-central-1.toml", "replicas = 2", "replikas = 2", "replikas", "not a known key"
    ),
    "another type": BadTopology(
        "regions/eu-central-1.toml", "\nrequired = 1", "\nrequired = 'one'", "required", "integer"
    ),
    "over the ceiling": BadTopology(
        "classes.toml", "ceiling_days = 30", "ceiling_days = 7",
        "classes.prompt.retention_days", "above the ceiling of 7",
    ),
    "a company that is not there": BadTopology(
        "regions/us-east-1.toml", 'sub_processor = "prairie-racks"', 'sub_processor = "nobody"',
        "backends.us-a.sub_processor", "nobody is not in sub_processors.toml",
    ),
    "another jurisdiction": BadTopology(
        "regions/eu-central-1.toml", 'keys = { sub_processor = "quellwerk", location = "EU" }',
        'keys = { sub_processor = "quellwerk", location = "US" }', "keys.location", "jurisdiction",
    ),
}  # fmt: skip


def test_a_bad_topology(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """The error names file, key and reason; nothing is made, not even the home directory."""
    monkeypatch.setenv("DOMICILE_HOME", str(tmp_path / "home"))
    with as_file(files("regions") / "data") as shipped:
        for number, (name, bad) in enumerate(TOPOLOGIES.items()):
            folder = tmp_path / str(number)
            shutil.copytree(shipped, folder)
            content = (folder / bad.file).read_text()
            assert bad.old in content
            (folder / bad.file).write_text(content.replace(bad.old, bad.new, 1))
            monkeypatch.setenv("DOMICILE_TOPOLOGY", str(folder))

            with subtests.test(msg=name):
                with pytest.raises(TopologyError) as caught, open_store():
                    pass
                error = caught.value
                assert (error.file, error.key) == (str(folder / bad.file), bad.key)
                assert bad.reason in error.reason
                assert f"{bad.file}: {bad.key}".rstrip(": ") in str(error)
                assert not error.retryable
    monkeypatch.setenv("DOMICILE_TOPOLOGY", str(tmp_path / "nowhere"))
    with pytest.raises(TopologyError, match=r"nowhere.*cannot be read"), open_store():
        pass
    assert not (tmp_path / "home").exists()


# Settings

REGION = "DOMICILE_REGIONS__EU_CENTRAL_1__"
URL = "postgresql://nobody@localhost:1/none"
GOOD = {f"{REGION}CATALOG_URL": URL, f"{REGION}KEYS_FILE": "keys/good"}


def with_url(url: str) -> dict[str, str]:
    """Settings that are good but for one URL."""
    return {**GOOD, f"{REGION}CATALOG_URL": url}


SETTINGS: dict[str, tuple[dict[str, str], str]] = {
    "a variable that nobody knows": ({"DOMICILE_REGION": PLANTED}, "DOMICILE_REGION is no setting"),
    "a part that nobody knows": ({**GOOD, f"{REGION}COLOUR": PLANTED}, f"{REGION}COLOUR: "),
    "a region without keys": ({f"{REGION}CATALOG_URL": PLANTED}, f"{REGION}KEYS_FILE: .*required"),
    "no JSON": ({"DOMICILE_REGIONS": f"{{{PLANTED}"}, "DOMICILE_.* cannot be read"),
    "too few connections": ({**GOOD, "DOMICILE_CONNECTIONS": "1"}, "DOMICILE_CONNECTIONS: "),
    "an unknown region": (
        {
            "DOMICILE_REGIONS__MOON_1__CATALOG_URL": PLANTED,
            "DOMICILE_REGIONS__MOON_1__KEYS_FILE": "k",
        },
        "regions that the topology has not: moon-1.*It has: eu-central-1, us-east-1",
    ),
    "an unknown backend": (
        {
            **GOOD,
            "DOMICILE_BACKENDS__EU_X__ACCESS_KEY": PLANTED,
            "DOMICILE_BACKENDS__EU_X__SECRET_KEY": PLANTED,
        },
        "backends that the topology has not: eu-x.*It has: eu-a, eu-b",
    ),
    "no URL": (with_url(PLANTED), "catalog_url of eu-central-1 is no URL of PostgreSQL"),
    "a URL of another database": (with_url(f"mysql://u:{PLANTED}@h/d"), "no URL of PostgreSQL"),
    "a port that is none": (with_url(f"postgresql://u:x@{PLANTED}:x@h/d"), "no URL of PostgreSQL"),
    "a half host": (with_url(f"postgresql://u:{PLANTED}@[::1/d"), "no URL of PostgreSQL"),
    "no key file": ({**GOOD, f"{REGION}KEYS_FILE": "keys/none"}, "There is no key file .*none"),
    "a key file for all to read": (
        {**GOOD, f"{REGION}KEYS_FILE": "keys/open"},
        "keys/open can be read or written by others.*chmod 600",
    ),
    "keys of another region": (
        {**GOOD, f"{REGION}KEYS_FILE": "keys/us"},
        "holds the keys of us-east-1, not of eu-central-1",
    ),
    "a damaged key file": (
        {**GOOD, f"{REGION}KEYS_FILE": "keys/damaged"},
        "is not a key file.*Restore",
    ),
}


def test_bad_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """The error names the setting, and never shows a value: it may be a secret."""
    keys = tmp_path / "keys"
    keys.mkdir()
    for name, region in {"good": HOME, "open": HOME, "us": "us-east-1"}.items():
        create(keys / name, os.urandom, region=region)
    (keys / "open").chmod(0o640)
    (keys / "damaged").write_text(PLANTED)
    (keys / "damaged").chmod(0o600)
    monkeypatch.chdir(tmp_path)
    for name, (environment, match) in SETTINGS.items():
        with subtests.test(msg=name), monkeypatch.context() as patch:
            for variable, value in {"DOMICILE_HOME": "home", **environment}.items():
                patch.setenv(variable, value)
            with pytest.raises(SettingsError, match=f"(?s){match}") as caught, open_store():
                pass
            assert PLANTED not in told(caught.value)
            assert not caught.value.retryable
    assert not (tmp_path / "home").exists()


def test_other_keys_of_the_same_region(domicile: Domicile) -> None:
    """Under them an erasure of a subject finds nobody, and its receipt says that all is gone."""
    domicile.tenant().put(PROMPT, b"hello", subject="u")
    place = domicile.settings.regions[HOME].keys_file
    place.unlink()
    create(place, os.urandom, region=HOME)

    with pytest.raises(SettingsError, match=r"not the one that its catalog is used with"):
        domicile.open()
    with pytest.raises(SettingsError, match=r"not the one that its catalog is used with"):
        init(domicile.settings)


# Ids, metadata, times


def answer(call: Callable[[], object]) -> tuple[type[BaseException], str]:
    """How a call is refused."""
    with pytest.raises(DomicileError) as caught:
        call()
    return caught.type, told(caught.value)


def test_an_id_of_another_tenant_is_as_one_that_is_absent(domicile: Domicile) -> None:
    """Nobody learns what others have, and nobody erases it."""
    mine, other = domicile.tenant(), domicile.tenant("other-eu", account="other")
    theirs = other.put(PROMPT, b"theirs").id
    file = other.put_file(BytesIO(b"theirs")).id
    absent = {PROMPT: mine.new_id(PROMPT), FILE: mine.new_id(FILE)}
    calls: list[Callable[[RecordId], object]] = [
        lambda i: mine.get(i, purpose=SERVE),
        lambda i: mine.open(i, purpose=SERVE),
        lambda i: mine.explain(i),  # noqa: PLW0108 - all of one shape
        lambda i: mine.put(PROMPT, b"", derived_from=[i]),
    ]

    for there in (theirs, file):
        for call in calls:
            found = answer(lambda call=call, i=there: call(i))  # type: ignore[misc]
            assert found == answer(lambda call=call, i=there: call(absent[i.data_class]))  # type: ignore[misc]
    erasure = mine.erase(Scope.record(theirs), reason=Reason.SUBJECT_REQUEST)
    settle(domicile)

    assert domicile.store.erasure(erasure.id).deleted == 0
    assert other.get(theirs, purpose=SERVE).body == b"theirs"
    # an id means nothing under another tenant: to store under it neither tells nor harms
    again = mine.new_id(PROMPT)
    assert other.put(PROMPT, b"", id=again).stored
    assert mine.put(PROMPT, b"mine", id=again).stored
    assert other.get(again, purpose=SERVE).body == b""


def test_a_class_that_the_topology_has_not(domicile: Domicile, tmp_path: Path) -> None:
    """It is refused before anything is read of it; the error names the classes that there are."""
    with as_file(files("regions") / "data") as shipped:
        shutil.copytree(shipped, tmp_path / "topology")
    classes = tmp_path / "topology" / "classes.toml"
    before, _, after = classes.read_text().partition('[[classes]]\nname = "fine_tuning_file"')
    classes.write_text(before + after.partition("\n\n")[2])
    domicile.settings = domicile.settings.model_copy(update={"topology": tmp_path / "topology"})
    domicile.open()
    t = domicile.tenant()
    there = left(domicile)

    for call in (lambda: t.new_id(FILE), lambda: t.put_file(chunks(error=AssertionError()))):
        with pytest.raises(UnknownClass, match="The classes are: completion, prompt"):
            call()
    assert left(domicile) == there


def test_metadata_may_have_4096_bytes(domicile: Domicile) -> None:
    """One more is refused before anything is read or written, whatever stores it."""
    t = ready(domicile)
    before = left(domicile)
    most, over = ({"a": "é" * 2000 + "x" * n} for n in (4096 - 4008, 4097 - 4008))
    read: list[int] = []

    def stream() -> Iterator[bytes]:
        read.append(1)
        yield b"x"

    for call in (
        lambda: t.put(PROMPT, b"", metadata=over),
        lambda: t.put_file(stream(), metadata=over),
        lambda: t.put_file(stream(), filename="n" * 4096),
        lambda: t.capture(PROMPT, metadata=over),
    ):
        with pytest.raises(MetadataTooLarge, match="4096 bytes"):
            call()
    (failure,) = t.put_many([NewRecord(PROMPT, b"", metadata=over)])
    assert isinstance(failure, PutFailure)
    assert isinstance(failure.error, MetadataTooLarge)
    assert (left(domicile), read) == (before, [])

    assert t.get(t.put(PROMPT, b"", metadata=most).id, purpose=SERVE).metadata == most


def test_a_time_without_a_zone_and_an_id_of_another_length() -> None:
    """An id says when it was minted: that is a moment. And all ids have one length."""
    naive = datetime(2026, 3, 1, 12)  # noqa: DTZ001
    day = date(2026, 3, 30)

    with pytest.raises(NaiveDatetime, match="tzinfo=UTC"):
        RecordId(PROMPT, HOME, naive, day, bytes(16))
    with pytest.raises(NaiveDatetime):
        RecordId.mint(PROMPT, HOME, naive, day, tenant="acme-eu", entropy=bytes)
    good = str(RecordId(PROMPT, HOME, naive.replace(tzinfo=UTC), day, bytes(16)))
    for size in (0, 11, 21, 4096):
        with pytest.raises(MalformedId):
            RecordId(PROMPT, HOME, naive.replace(tzinfo=UTC), day, bytes(size))
    for text_form in (good[:-8], good + "0" * 8, good + "0" * 8000):
        with pytest.raises(MalformedId):
            RecordId.parse(text_form)


# Streams


class Interrupted(BaseException):
    """What is no Exception, as KeyboardInterrupt."""


def chunks(*given: object, error: BaseException | None = None) -> Iterator[bytes]:
    """A stream of these, which may be none, and then of an error."""
    yield from given  # type: ignore[misc]
    if error is not None:
        raise error


STREAMS: dict[str, tuple[type[BaseException], Callable[[], object]]] = {
    "fails at once": (StreamFailed, lambda: chunks(error=OSError(PLANTED))),
    "fails midway": (StreamFailed, lambda: chunks(bytes(3 * MIB), error=OSError(PLANTED))),
    "fails with one of ours": (StreamFailed, lambda: chunks(b"x", error=InvalidRequest(PLANTED))),
    "is interrupted": (Interrupted, lambda: chunks(bytes(3 * MIB), error=Interrupted())),
    "gives text": (InvalidRequest, lambda: chunks(b"x", PLANTED)),
    "gives a number": (InvalidRequest, lambda: chunks(b"x", 7)),
    "is a file of text": (InvalidRequest, lambda: StringIO(PLANTED)),
    "is text": (InvalidRequest, lambda: PLANTED),
    "is nothing": (InvalidRequest, lambda: None),
}


def test_a_stream_that_fails_leaves_nothing(domicile: Domicile, subtests: pytest.Subtests) -> None:
    """Whatever it gives, and whenever it fails: after a round of the worker no byte, no row."""
    t = ready(domicile)
    for name, (error, stream) in STREAMS.items():
        before = left(domicile)
        with subtests.test(msg=name):
            with pytest.raises(error) as caught:
                t.put_file(stream())  # type: ignore[arg-type]
            if isinstance(caught.value, DomicileError):
                assert PLANTED not in str(caught.value)
                assert (caught.value.retryable, caught.value.outcome) == (False, "not_stored")
        settle(domicile)
        assert left(domicile) == before, name


# Backends


def failing(*methods: str, error: type[BackendError]) -> Callable[[FaultyBackend], None]:
    """Calls of these names fail, and nothing happens."""

    def spoil(backend: FaultyBackend) -> None:
        backend.fail_before = dict.fromkeys(methods, lambda _: error(backend.name))

    return spoil


def down(backend: FaultyBackend) -> None:
    """It does not answer."""
    backend.down = True


def full(backend: FaultyBackend) -> None:
    """It has no room."""
    backend.full = True


def late(backend: FaultyBackend) -> None:
    """What it is asked to write it answers nothing to, and writes later."""
    backend.land_late = True


SENDING = ("put", "upload", "upload.write", "upload.finish")
BACKENDS: dict[str, tuple[Callable[[FaultyBackend], None], str]] = {
    "down": (down, "BackendUnavailable"),
    "full": (full, "BackendFull"),
    "slow": (failing(*SENDING, error=BackendTimeout), "BackendTimeout"),
    "late": (late, "BackendTimeout"),
    "forbidden": (failing(*SENDING, error=BackendForbidden), "BackendForbidden"),
    "in another region": (failing(*SENDING, error=BackendMisplaced), "BackendMisplaced"),
}


def mend(domicile: Domicile) -> None:
    """All backends are as before; what they were late with lands."""
    for backend in domicile.backends.values():
        backend.down = backend.full = backend.land_late = False
        backend.fail_before = {}
        backend.land()


def test_when_no_backend_takes_it_nothing_is_stored(
    domicile: Domicile, subtests: pytest.Subtests
) -> None:
    """Whatever is wrong with them, and whatever is written; also while keys are made."""
    t, new = ready(domicile), domicile.tenant("new-eu", dedicated=True)  # which has no key today
    before = left(domicile)
    for fault, (spoil, code) in BACKENDS.items():
        for what, write in [*WRITES.items(), ("first put", WRITES["put"])]:
            for name in EU:
                spoil(domicile.backends[name])
            with subtests.test(msg=f"{fault}: {what}"):
                with pytest.raises(TooFewReplicas) as caught:
                    write(new if what == "first put" else t)
                assert caught.value.failures == dict.fromkeys(EU, code)
                assert (caught.value.retryable, caught.value.outcome) == (True, "not_stored")
                assert "Nothing is stored" in caught.value.message
                assert "never stored elsewhere" in caught.value.advice
                assert PLANTED not in told(caught.value)
            mend(domicile)
        settle(domicile)
        assert left(domicile) == before, fault


def test_when_one_backend_takes_it_it_is_stored(domicile: Domicile) -> None:
    """And on the other one too, when that is well again; no trace is left of what went wrong."""
    t = ready(domicile)
    for spoil, _ in BACKENDS.values():
        spoil(domicile.backends["eu-a"])
        put = t.put(PROMPT, BODY)
        file = t.put_file(BytesIO(BODY))
        mend(domicile)
        settle(domicile)
        for name in EU:
            domicile.take_down(name)
            assert t.get(put.id, purpose=SERVE).body == BODY
            assert t.get(file.id, purpose=SERVE).body == BODY
            domicile.bring_back(name)
    scanned = [sorted(t.size for t in domicile.backends[name].inner.scan("pack/")) for name in EU]
    assert scanned[0] == scanned[1]
    assert len(scanned[0]) == 1 + 2 * len(BACKENDS)


def test_a_read_when_no_backend_answers(domicile: Domicile) -> None:
    """It may be tried again, whether or not the key is known; the record is not given up."""
    t = ready(domicile)
    put = t.put(PROMPT, BODY)
    for error in (BackendUnavailable, BackendTimeout, BackendForbidden, BackendMisplaced):
        for backend in domicile.backends.values():
            failing("get", error=error)(backend)

        with pytest.raises(BackendUnavailable, match="No replica can be read now") as caught:
            t.get(put.id, purpose=SERVE)
        served = domicile.store.served(HOME)
        served.keys._opened.clear()
        with pytest.raises(KeyUnavailable, match="Try again") as unknown_key:
            t.get(put.id, purpose=SERVE)
        mend(domicile)

        assert (caught.value.retryable, unknown_key.value.retryable) == (True, True)
        assert t.get(put.id, purpose=SERVE).body == BODY
    settle(domicile)
    assert len(list(domicile.backends["eu-a"].inner.scan("pack/"))) == 2


class TestSlow:
    @pytest.fixture
    def domicile_limits(self) -> Limits:
        """An attempt takes no time."""
        return Limits(attempt=0.1)

    def test_a_backend_that_hangs(self, domicile: Domicile) -> None:
        """It holds up nobody, more often than there are threads; what lands late is purged."""
        t = ready(domicile)
        gate = Gate()
        for name in EU:
            domicile.backends[name].gates["put"] = gate
        before = left(domicile)
        with pytest.raises(TooFewReplicas) as caught:
            t.put(PROMPT, BODY)
        gate.open.set()
        settle(domicile)

        assert caught.value.failures == dict.fromkeys(EU, "BackendTimeout")
        assert left(domicile) == before

        domicile.backends["eu-b"].gates.clear()
        gate.open.clear()
        try:
            ids = [t.put(PROMPT, BODY).id for _ in range(20)]
        finally:
            gate.open.set()
        domicile.backends["eu-a"].gates.clear()
        settle(domicile)
        assert [t.get(i, purpose=SERVE).body for i in ids] == [BODY] * 20

    @pytest.mark.parametrize("call", ["upload", "upload.write", "upload.finish"])
    def test_a_backend_that_hangs_over_a_file(self, domicile: Domicile, call: str) -> None:
        """The file is stored on the other one; what was begun there is taken back."""
        t = ready(domicile)
        gate = domicile.backends["eu-a"].gates[call] = Gate()
        body = os.urandom(3 * MIB)
        try:
            file = t.put_file(BytesIO(body))
        finally:
            gate.open.set()
        settle(domicile)

        for name in EU:
            domicile.take_down(name)
            assert t.get(file.id, purpose=SERVE).body == body
            domicile.bring_back(name)
        region = domicile.store.served(HOME).open
        with region.catalog.begin() as connection:
            r = tables.replica.c
            known = set(connection.scalars(select(r.key).where(r.state != "gone")))
        found = [trace for name in EU for trace in domicile.backends[name].inner.scan()]
        assert {trace.key for trace in found} == known
        assert {trace.kind for trace in found} == {TraceKind.OBJECT}


# The catalog


@pytest.fixture(scope="module")
def mortal() -> Iterator[Server]:
    """A PostgreSQL that a test stops and starts."""
    server = Server()
    yield server
    server.close()


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    """It is down meanwhile."""
    server._leave()
    try:
        yield
    finally:
        _, server._leave = embedded.start(server.directory / "pg")


def calls(t: Tenant, store: Store, record: RecordId) -> dict[str, Callable[[], object]]:
    """All that a service does."""
    return {
        **{name: partial(write, t) for name, write in WRITES.items()},
        "get": lambda: t.get(record, purpose=SERVE),
        "open": lambda: t.open(record, purpose=SERVE),
        "list": lambda: t.list(subject=PLANTED),
        "explain": lambda: t.explain(record),
        "erase": lambda: t.erase(Scope.subject(PLANTED), reason=Reason.SUBJECT_REQUEST),
        "a tenant that is not in memory": lambda: store.tenant("other"),
        "erasure": lambda: store.erasure("0199c9d3-0000-7000-8000-000000000000"),
        "status": store.status,
        "tenants": lambda: store.admin.tenants.list(HOME),
    }


def test_a_database_that_is_down(
    mortal: Server, subtests: pytest.Subtests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call says so, and that one may try again; when it is back, the same store goes on."""
    monkeypatch.setattr("storage.store._REMEMBER", 1e9)  # seconds for which a tenant is known
    with new_domicile(mortal, "memory") as domicile:
        t = ready(domicile)
        record = t.put(PROMPT, b"hello").id
        settle(domicile)
        before = left(domicile)
        with stopped(mortal):
            for name, call in calls(t, domicile.store, record).items():
                with subtests.test(msg=name):
                    with pytest.raises(CatalogUnavailable) as caught:
                        call()
                    assert (caught.value.retryable, caught.value.outcome) == (True, "not_stored")
                    assert "domicile doctor" in caught.value.advice
                    assert PLANTED not in told(caught.value)
            (failure,) = t.put_many([NewRecord(PROMPT, BODY)])
            done = domicile.store.erase(Scope.account("acme"), reason=Reason.CONTRACT_END)
            with pytest.raises(CatalogUnavailable):
                domicile.run_worker()

        assert isinstance(failure, PutFailure)
        assert isinstance(failure.error, CatalogUnavailable)
        assert (done.erasures, done.not_reached) == ((), (HOME, "us-east-1"))
        assert left(domicile) == before
        for name, call in calls(t, domicile.store, record).items():
            if name not in ("a tenant that is not in memory", "erasure"):
                call()
        settle(domicile)


def test_a_database_that_goes_down_while_a_file_is_stored(mortal: Server) -> None:
    """Nothing of the file is left when both are back."""
    with new_domicile(mortal, "memory") as domicile:
        t = ready(domicile)
        before = left(domicile)
        outage = stopped(mortal)

        def stream() -> Iterator[bytes]:
            yield bytes(3 * MIB)
            outage.__enter__()

        with pytest.raises(CatalogUnavailable):
            t.put_file(stream())
        outage.__exit__(None, None, None)
        settle(domicile)

        assert left(domicile) == before


def test_a_database_that_became_read_only(domicile: Domicile) -> None:
    """As after a failover: that is an outage, and over when it is writable again."""
    t = ready(domicile)
    engine = domicile.store.served(HOME).open.catalog.engine
    with engine.begin() as connection:
        alter = f"ALTER DATABASE {engine.url.database} SET default_transaction_read_only"
        connection.execute(text(f"{alter} = on"))
    engine.dispose()
    try:
        for call in (
            lambda: t.put(PROMPT, BODY),
            lambda: t.put_file(BytesIO(BODY)),
            lambda: t.erase(Scope.subject("u"), reason=Reason.SUBJECT_REQUEST),
            domicile.run_worker,
        ):
            with pytest.raises(CatalogUnavailable):
                call()
    finally:
        with engine.begin() as connection:
            connection.execute(text("SET TRANSACTION READ WRITE"))
            connection.execute(text(f"{alter} = off"))
        engine.dispose()
    assert t.put(PROMPT, BODY).stored


def test_a_database_that_has_no_connection_left(domicile: Domicile) -> None:
    """Who waits for one too long is told so, by an error of the tree."""
    t = ready(domicile)
    catalog = domicile.store.served(HOME).open.catalog
    pool = catalog.engine.pool
    assert isinstance(pool, QueuePool)
    pool._timeout = 0.1
    held = [catalog.engine.connect() for _ in range(pool.size())]
    try:
        with pytest.raises(CatalogUnavailable):
            t.put(PROMPT, BODY)
    finally:
        for connection in held:
            connection.close()
    assert t.put(PROMPT, BODY).stored


def test_a_deadlock_that_does_not_end(domicile: Domicile) -> None:
    """What is tried in vain again and again is an outage, and no error of the driver."""
    tried: list[Connection] = []

    def work(connection: Connection) -> None:
        tried.append(connection)
        raise OperationalError("", None, psycopg.errors.DeadlockDetected())

    with pytest.raises(CatalogUnavailable):
        domicile.store.served(HOME).open.catalog.run(work)

    assert len(tried) == 5


# A full disk


@dataclass
class Disk:
    """How much of a disk is free."""

    free: int

    def mount(self, domicile: Domicile) -> None:
        """Put the backends of the EU on it, with a reserve of 64 MiB."""
        for name in EU:
            domicile.backends[name].inner = DirectoryBackend(
                name, domicile.settings.home / "backends" / name, clock=time.monotonic,
                entropy=os.urandom, reserve=64 * MIB, free=lambda _: self.free,
            )  # fmt: skip


def test_a_full_disk_takes_nothing_and_lets_go(domicile: Domicile) -> None:
    """Writes are refused while deletion goes on to its receipt, also by who starts only then."""
    disk = Disk(1024 * MIB)
    disk.mount(domicile)
    t = ready(domicile)
    gone = t.put_file(BytesIO(BODY), subject="v").id
    kept = t.put(PROMPT, BODY).id
    settle(domicile)
    disk.free = 64 * MIB
    before = left(domicile)
    for write in WRITES.values():
        with pytest.raises(TooFewReplicas) as caught:
            write(t)
        assert caught.value.failures == dict.fromkeys(EU, "BackendFull")
    settle(domicile)
    assert left(domicile) == before

    domicile.open()
    t = domicile.tenant()
    erasures = [
        t.erase(scope, reason=Reason.SUBJECT_REQUEST)
        for scope in (Scope.subject("u"), Scope.record(gone))
    ]
    settle(domicile)

    states = [domicile.store.erasure(erasure.id).state for erasure in erasures]
    assert states == [ErasureState.COMPLETE] * 2
    assert t.get(kept, purpose=SERVE).body == BODY
    assert [len(list(domicile.backends[name].inner.scan("pack/"))) for name in EU] == [1, 1]
    disk.free = 1024 * MIB
    assert t.put(PROMPT, BODY).stored


def test_a_full_disk_does_not_keep_what_shares_a_pack(domicile: Domicile) -> None:
    """To delete a part of a pack, the rest is written anew: that is what the reserve is for."""
    disk = Disk(1024 * MIB)
    disk.mount(domicile)
    t = domicile.tenant()
    list(t.put_many([NewRecord(PROMPT, BODY, subject=f"u{n}") for n in range(2)]))
    disk.free = 64 * MIB

    erasure = t.erase(Scope.subject("u0"), reason=Reason.SUBJECT_REQUEST)
    domicile.run_worker()
    domicile.pass_time(hours=73)
    settle(domicile)

    assert domicile.store.erasure(erasure.id).state is ErasureState.COMPLETE


# Two processes and one id

RACER = """
import json, sys
from storage import DataClass, IdConflict, open_store

name, ids = sys.argv[1], json.loads(sys.argv[2])
with open_store() as store:
    tenant = store.tenant("acme-eu")
    print("ready", flush=True)
    sys.stdin.readline()
    done = {}
    for number, record_id in enumerate(ids):
        body = name.encode() if number % 2 else b"the same"
        try:
            done[record_id] = tenant.put(DataClass.PROMPT, body, id=record_id).stored
        except IdConflict:
            done[record_id] = False
    print(json.dumps(done), flush=True)
"""


def environment(settings: Settings) -> dict[str, str]:
    """What a process of its own needs to have the same settings."""
    found = {**os.environ, "DOMICILE_HOME": str(settings.home), "PYTHONPATH": os.getcwd()}  # noqa: PTH109
    for region, given in settings.regions.items():
        name = f"DOMICILE_REGIONS__{region.upper().replace('-', '_')}__"
        found[f"{name}CATALOG_URL"] = given.catalog_url.get_secret_value()
        found[f"{name}KEYS_FILE"] = str(given.keys_file)
    return found


def race(settings: Settings, ids: list[RecordId]) -> list[dict[str, bool]]:
    """Two processes that put under the same ids at the same time: what each was told."""
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, name, json.dumps([str(i) for i in ids])],
            env=environment(settings), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for name in ("one", "two")
    ]  # fmt: skip
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    return [json.loads(racer.communicate(timeout=60)[0]) for racer in racers]


def test_two_processes_race_with_the_same_ids(domicile_server: Server) -> None:
    """Of the same content both get the same answer; of other content one wins, and is read."""
    settings = domicile_server.make()  # not given back: these processes have a real clock
    with open_store(settings) as store:
        t = Domicile(settings, _store=store).tenant()
        ids = [t.new_id(PROMPT) for _ in range(24)]
        one, two = race(settings, ids)

        for number, i in enumerate(str(i) for i in ids):
            body = t.get(i, purpose=SERVE).body
            if number % 2:
                assert (one[i], two[i]) == (body == b"one", body == b"two")
            else:
                assert (body, one[i], two[i]) == (b"the same", True, True)
        assert len(t.list(limit=1000)) == len(ids)
