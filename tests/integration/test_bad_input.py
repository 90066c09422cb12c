"""Invalid requests raise one clear error, which says what to do and shows no input.

Arguments of the wrong type or form are in test_api_refusals.py; catalogs for other code in
test_migrations.py.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.resources import as_file, files
from io import BytesIO, StringIO
from pathlib import Path

import pytest

from storage.bootstrap import open_store
from storage.crypto.root import create
from storage.errors import (
    DomicileError,
    InvalidRequest,
    MalformedId,
    MetadataTooLarge,
    NaiveDatetime,
    SettingsError,
    StreamFailed,
    TopologyError,
    UnknownClass,
)
from storage.initialize import init
from storage.model import (
    NewRecord,
    PutFailure,
    Reason,
    RecordId,
    Scope,
)
from storage.testing import Domicile
from tests.support.refusals import (
    FILE,
    HOME,
    MIB,
    PLANTED,
    PROMPT,
    SERVE,
    all_left,
    error_text,
    finish_all_work,
    ready_tenant,
)


@dataclass(frozen=True)
class BadTopology:
    """A replacement in a file, and the error that it causes."""

    file: str
    old: str
    new: str
    key: str
    reason: str


TOPOLOGIES = {
    "not TOML": BadTopology(
        "classes.toml", "retention_days = 30", "retention_days = ", "", "is not valid TOML"
    ),
    "an unknown key": BadTopology(
        "regions/eu-central-1.toml", "replicas = 2", "replikas = 2", "replikas", "not a known key"
    ),
    "another type": BadTopology(
        "regions/eu-central-1.toml", "\nrequired = 1", "\nrequired = 'one'", "required", "integer"
    ),
    "over the ceiling": BadTopology(
        "classes.toml",
        "ceiling_days = 30",
        "ceiling_days = 7",
        "classes.prompt.retention_days",
        "above the ceiling of 7",
    ),
    "an unknown company": BadTopology(
        "regions/us-east-1.toml",
        'sub_processor = "prairie-racks"',
        'sub_processor = "nobody"',
        "backends.us-a.sub_processor",
        "nobody is not in sub_processors.toml",
    ),
    "another jurisdiction": BadTopology(
        "regions/eu-central-1.toml",
        'keys = { sub_processor = "quellwerk", location = "EU" }',
        'keys = { sub_processor = "quellwerk", location = "US" }',
        "keys.location",
        "jurisdiction",
    ),
}


def test_a_bad_topology(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """The error names file, key and reason; nothing is created, not even the home directory."""
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
    with pytest.raises(SettingsError, match="nowhere is not a directory"), open_store():
        pass
    assert not (tmp_path / "home").exists()


REGION = "DOMICILE_REGIONS__EU_CENTRAL_1__"
URL = "postgresql://nobody@localhost:1/none"
GOOD = {f"{REGION}CATALOG_URL": URL, f"{REGION}KEYS_FILE": "keys/good"}


def with_url(url: str) -> dict[str, str]:
    """Return valid settings except for one URL."""
    return {**GOOD, f"{REGION}CATALOG_URL": url}


SETTINGS: dict[str, tuple[dict[str, str], str]] = {
    "an unknown variable": (
        {"DOMICILE_REGION": PLANTED},
        "Unknown setting DOMICILE_REGION.*Did you mean DOMICILE_REGIONS",
    ),
    "an unknown part": (
        {**GOOD, f"{REGION}COLOUR": PLANTED},
        f"Unknown setting {REGION}COLOUR.*CATALOG_URL, KEYS_FILE",
    ),
    "a region without keys": ({f"{REGION}CATALOG_URL": PLANTED}, f"{REGION}KEYS_FILE: .*required"),
    "no JSON": ({"DOMICILE_REGIONS": f"{{{PLANTED}"}, "DOMICILE_.* cannot be read"),
    "too few connections": ({**GOOD, "DOMICILE_CONNECTIONS": "1"}, "DOMICILE_CONNECTIONS: "),
    "an unknown region": (
        {
            "DOMICILE_REGIONS__MOON_1__CATALOG_URL": PLANTED,
            "DOMICILE_REGIONS__MOON_1__KEYS_FILE": "k",
        },
        "region that the topology does not have: moon-1.*has: eu-central-1, us-east-1",
    ),
    "an unknown backend": (
        {
            **GOOD,
            "DOMICILE_BACKENDS__EU_X__ACCESS_KEY": PLANTED,
            "DOMICILE_BACKENDS__EU_X__SECRET_KEY": PLANTED,
        },
        "backend that the topology does not have: eu-x.*has: eu-a, eu-b",
    ),
    "no URL": (with_url(PLANTED), "catalog_url of eu-central-1 is not a URL of PostgreSQL"),
    "a URL of another database": (with_url(f"mysql://u:{PLANTED}@h/d"), "not a URL of PostgreSQL"),
    "an invalid port": (
        with_url(f"postgresql://u:x@{PLANTED}:x@h/d"),
        "not a URL of PostgreSQL",
    ),
    "an unfinished host": (with_url(f"postgresql://u:{PLANTED}@[::1/d"), "not a URL of PostgreSQL"),
    "no key file": (
        {**GOOD, f"{REGION}KEYS_FILE": "keys/none"},
        "The key file .*none does not exist",
    ),
    "a key file for all to read": (
        {**GOOD, f"{REGION}KEYS_FILE": "keys/open"},
        "Other users can access .*keys/open.*chmod 600",
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
    """The error names the setting and never shows its value: it may be a secret."""
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
            assert PLANTED not in error_text(caught.value)
            assert not caught.value.retryable
    assert not (tmp_path / "home").exists()


def test_other_keys_of_the_same_region(domicile: Domicile) -> None:
    """Under other keys an erasure would find no records, and its receipt would be wrong."""
    domicile.tenant().put(PROMPT, b"hello", subject="u")
    place = domicile.settings.regions[HOME].keys_file
    place.unlink()
    create(place, os.urandom, region=HOME)

    with pytest.raises(SettingsError, match=r"does not match its catalog"):
        domicile.open()
    with pytest.raises(SettingsError, match=r"does not match its catalog"):
        init(domicile.settings)


def answer(call: Callable[[], object]) -> tuple[type[BaseException], str]:
    """Return the class and the text of the error that a call raises."""
    with pytest.raises(DomicileError) as caught:
        call()
    return caught.type, error_text(caught.value)


def test_an_id_of_another_tenant_looks_absent(domicile: Domicile) -> None:
    """A tenant cannot detect or erase the records of another."""
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

    for existing in (theirs, file):
        for call in calls:
            found = answer(lambda call=call, i=existing: call(i))  # type: ignore[misc]
            assert found == answer(lambda call=call, i=existing: call(absent[i.data_class]))  # type: ignore[misc]
    erasure = mine.erase(Scope.record(theirs), reason=Reason.SUBJECT_REQUEST)
    finish_all_work(domicile)

    assert domicile.store.erasure(erasure.id).deleted == 0
    assert other.get(theirs, purpose=SERVE).body == b"theirs"
    # an id means nothing under another tenant: a write under it reveals and harms nothing
    again = mine.new_id(PROMPT)
    assert other.put(PROMPT, b"", id=again).stored
    assert mine.put(PROMPT, b"mine", id=again).stored
    assert other.get(again, purpose=SERVE).body == b""


def test_a_class_missing_from_the_topology(domicile: Domicile, tmp_path: Path) -> None:
    """It is refused before the content is read; the error names the known classes."""
    with as_file(files("regions") / "data") as shipped:
        shutil.copytree(shipped, tmp_path / "topology")
    classes = tmp_path / "topology" / "classes.toml"
    before, _, after = classes.read_text().partition('[[classes]]\nname = "fine_tuning_file"')
    classes.write_text(before + after.partition("\n\n")[2])
    domicile.settings = domicile.settings.model_copy(update={"topology": tmp_path / "topology"})
    domicile.open()
    t = domicile.tenant()
    stored = all_left(domicile)

    for call in (lambda: t.new_id(FILE), lambda: t.put_file(chunks(error=AssertionError()))):
        with pytest.raises(UnknownClass, match="Known classes: completion, event, prompt"):
            call()
    assert all_left(domicile) == stored


def test_metadata_may_have_4096_bytes(domicile: Domicile) -> None:
    """One byte more is refused before anything is read or written, by every method."""
    t = ready_tenant(domicile)
    before = all_left(domicile)
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
    assert (all_left(domicile), read) == (before, [])

    assert t.get(t.put(PROMPT, b"", metadata=most).id, purpose=SERVE).metadata == most


def test_a_time_without_a_zone_and_an_id_of_another_length() -> None:
    """An id contains the moment of its minting, and all ids have the same length."""
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


class Interrupted(BaseException):
    """A BaseException that is not an Exception, like KeyboardInterrupt."""


def chunks(*given: object, error: BaseException | None = None) -> Iterator[bytes]:
    """Yield the chunks, then raise the error."""
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
    """After a round of the worker no byte and no row is left, whenever and however it fails."""
    t = ready_tenant(domicile)
    for name, (error, stream) in STREAMS.items():
        before = all_left(domicile)
        with subtests.test(msg=name):
            with pytest.raises(error) as caught:
                t.put_file(stream())  # type: ignore[arg-type]
            if isinstance(caught.value, DomicileError):
                assert PLANTED not in str(caught.value)
                assert (caught.value.retryable, caught.value.outcome) == (False, "not_stored")
        finish_all_work(domicile)
        assert all_left(domicile) == before, name
