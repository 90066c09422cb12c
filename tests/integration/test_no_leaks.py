"""Secrets are planted, everything is made to fail, and no log, error, repr or output shows one."""

import base64
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import UTC, datetime
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from sqlalchemy import select, text
from typer.testing import CliRunner

from storage.catalog import tables
from storage.cli.app import app
from storage.client.homes import ServedRegion
from storage.client.tenant import Tenant
from storage.crypto.record import unwrap_key
from storage.errors import (
    BackendForbidden,
    CatalogUnavailable,
    DomicileError,
    ProcessorTimeout,
)
from storage.logs import make_logger
from storage.model import (
    DataClass,
    NewRecord,
    Purpose,
    PutFailure,
    Reason,
    RecordId,
    Scope,
    TenantSpec,
)
from storage.testing import Domicile

BODY = "body-of-Hypatia-0f3a"
SUBJECT, GROUP = "subject-Hypatia-91c2", "group-Hypatia-77de"
FILENAME = "file-of-Hypatia-5b60.jsonl"
METADATA = {"note-Hypatia-key-2e": "note-Hypatia-value-8d"}
KEY = "request-of-Hypatia-c4d7"
TOLD = (BODY, SUBJECT, GROUP, FILENAME, KEY, *METADATA, *METADATA.values())

Call = Callable[[], object]


class Terminal(StringIO):
    """What is written to it is shown to a person."""

    def isatty(self) -> bool:
        """Yes."""
        return True


@dataclass
class Seen:
    """All that anybody could read, by where it was."""

    logs: Mapping[str, StringIO] = field(
        default_factory=lambda: {"json": StringIO(), "console": Terminal()}
    )
    texts: list[tuple[str, str]] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)
    needles: dict[str, str] = field(default_factory=dict, repr=False)

    def note(self, where: str, text: str) -> None:
        """Something was shown."""
        self.texts.append((where, text))

    def value(self, where: str, value: object) -> None:
        """A value that a service may log by its repr, with all that it is made of."""
        self.note(f"repr of {where}", repr(value))
        self.note(f"str of {where}", str(value))
        if is_dataclass(value) and not isinstance(value, type):
            for part in fields(value):
                if part.repr:
                    self.note(f"repr of {where}.{part.name}", repr(getattr(value, part.name)))

    def error(self, where: str, error: Exception) -> None:
        """An exception: what it says, and its traceback in both logs."""
        self.kinds.add(type(error).__name__)
        self.value(where, error)
        self.note(f"args of {where}", repr(error.args) + repr(vars(error)))
        for stream in self.logs.values():
            make_logger(stream).error("failed", exc_info=error)

    def expect(self, where: str, call: Call) -> None:
        """It fails, with one of our own errors."""
        with pytest.raises(DomicileError) as caught:
            call()
        self.error(where, caught.value)

    def learn(self, domicile: Domicile) -> None:
        """The secrets that there are now: after an erasure nobody could tell them any more."""
        self.needles |= _needles(domicile)

    def found(self) -> list[str]:
        """Where a secret was seen, and which."""
        shown = [*self.texts, *((name, log.getvalue()) for name, log in self.logs.items())]
        return [
            f"{name} in {where}"
            for where, text in shown
            for name, needle in self.needles.items()
            if needle in text
        ]


@pytest.fixture
def domicile_backends() -> str:
    """On disks, so that the command line finds what the store has put, and the other way round."""
    return "directory"


@pytest.fixture
def seen(domicile: Domicile, caplog: pytest.LogCaptureFixture) -> Iterator[Seen]:
    """The eyes of whoever reads the logs. Whatever a test made them see holds no secret."""
    made = Seen()
    caplog.set_level(logging.INFO)
    yield made
    made.note("logging", caplog.text + repr([record.__dict__ for record in caplog.records]))
    made.learn(domicile)
    assert made.found() == []


def _needles(domicile: Domicile) -> dict[str, str]:
    """Every secret in every form in which it may be written."""
    found = {word: word for word in TOLD} | {f"{word} (hex)": word.encode().hex() for word in TOLD}
    for name, key in _keys(domicile):
        found |= {f"{name} {form}": shape for form, shape in _shapes(key).items()}
    return found


def _shapes(key: bytes) -> dict[str, str]:
    return {
        "hex": key.hex(),
        "HEX": key.hex().upper(),
        "base64": base64.b64encode(key).decode().rstrip("="),
        "base64url": base64.urlsafe_b64encode(key).decode().rstrip("="),
        "base32": base64.b32encode(key).decode().rstrip("="),
        "repr": repr(key)[2:-1],
        "list": repr(list(key))[1:-1],
    }


def _keys(domicile: Domicile) -> Iterator[tuple[str, bytes]]:
    """Every key, from the root keys to those of the records, sealed and not; and pseudonyms."""
    for region, served in domicile.homes.regions.items():
        file = json.loads((domicile.settings.regions[region].keys_file).read_text())
        for section in ("root", "pseudonym", "signing"):
            for version, key in file[section].items():
                yield f"{region} {section} {version}", base64.b64decode(key)
        yield from _keys_of_records(served, region)


def _keys_of_records(served: ServedRegion, region: str) -> Iterator[tuple[str, bytes]]:
    with served.region.catalog.begin() as connection:
        rows = [
            row
            for table in (tables.record, tables.file)
            for row in connection.execute(
                select(table.c.subject, table.c.grp, table.c.key_id, table.c.wrapped_key)
            )
        ]
    for number, (subject, group, key_id, wrapped) in enumerate(rows):
        with suppress(DomicileError):
            key = served.keys.open(key_id)
            yield f"{region} key object {key_id}", key
            yield f"{region} record key {number}", unwrap_key(key, wrapped)
        yield f"{region} wrapped key {number}", wrapped
        for name, value in (("subject", subject), ("group", group)):
            if value is not None:
                yield f"{region} pseudonym of a {name} {number}", value


def _prompt(t: Tenant, body: str = BODY, **more: object) -> RecordId:
    given: dict[str, object] = {"subject": SUBJECT, "group": GROUP, "metadata": METADATA}
    return t.put(DataClass.PROMPT, body.encode(), **(given | more)).id  # type: ignore[arg-type]


def _watched(domicile: Domicile, log: StringIO) -> Tenant:
    """The tenant of a store that logs there."""
    domicile.log = make_logger(log)
    domicile.open()
    return domicile.tenant()


class TestTheStore:
    @pytest.mark.parametrize("log", ["json", "console"])
    def test_a_life_without_trouble(self, domicile: Domicile, seen: Seen, log: str) -> None:
        """Put, get, list, explain, erase, expire: values, and what the worker logs."""
        t = _watched(domicile, seen.logs[log])
        prompt = _prompt(t, id=t.new_id(DataClass.PROMPT, key=KEY))
        file = t.put_file(BytesIO(BODY.encode() * 50_000), filename=FILENAME, subject=SUBJECT)
        new = NewRecord(DataClass.PROMPT, BODY.encode(), subject=SUBJECT)
        for result in t.put_many([new] * 40):
            seen.value("a result", result)
        with t.open(file.id, purpose=Purpose.FINE_TUNE) as opened:
            seen.value("an open file", opened)
            seen.value("info of an open file", opened.info)
        with t.capture(DataClass.COMPLETION, derived_from=[prompt]) as sink:
            sink.write(BODY.encode())
            seen.value("a capture", sink)
        seen.value("a record", t.get(prompt, purpose=Purpose.SERVE))
        for name in ("klarblick", "vier-augen"):
            seen.value("a copy handed over", t.hand_over(prompt, name))
        seen.value("copies", domicile.store.admin.processors.copies("eu-central-1"))
        seen.value("an explanation", t.explain(prompt))
        seen.value("a list", t.list(subject=SUBJECT, group=GROUP))
        new = NewRecord(
            DataClass.PROMPT, BODY.encode(), prompt, SUBJECT, GROUP, METADATA, (prompt,)
        )
        seen.value("a new record", new)
        seen.value("a scope", Scope.subject(SUBJECT))
        seen.learn(domicile)
        erasure = t.erase(Scope.subject(SUBJECT), reason=Reason.SUBJECT_REQUEST)
        domicile.run_worker()
        domicile.pass_time(days=31)
        domicile.run_worker()
        done = domicile.store.erasure(erasure.id)
        seen.value("an erasure", done)
        seen.note("a receipt", done.receipt or "")
        seen.value("a status", domicile.store.status())

        assert done.outstanding
        for copy in domicile.store.admin.processors.copies("eu-central-1"):
            domicile.store.admin.processors.attest(copy.id, digest=bytes(32), actor="officer-7")
        domicile.run_worker()
        done = domicile.store.erasure(erasure.id)
        seen.note("a receipt", done.receipt or "")
        assert done.receipt
        assert "erasure_complete" in seen.logs[log].getvalue()

    def test_what_everything_is_made_of(self, domicile: Domicile, seen: Seen) -> None:
        """Whoever logs a store, a region, its keys or the settings shows no secret."""
        t = _watched(domicile, seen.logs["json"])
        _prompt(t)
        served = domicile.homes.regions["eu-central-1"]
        for thing in (
            domicile.settings,
            domicile.store,
            t,
            served,
            domicile.homes,
            served.region,
            served.keys,
            served.reader,
            served.writer,
            served.region.roots,
            served.region.pseudonyms,
            served.region.signing,
            served.region.catalog,
            *domicile.backends.values(),
        ):
            seen.value(type(thing).__name__, thing)

    @pytest.mark.parametrize("log", ["json", "console"])
    def test_requests_that_are_refused(self, domicile: Domicile, seen: Seen, log: str) -> None:
        """Every refusal of a write or a read."""
        t, other = _watched(domicile, seen.logs[log]), domicile.tenant("other-eu")
        prompt = _prompt(t, id=t.new_id(DataClass.PROMPT, key=KEY))
        for name, call in _bad_requests(t, other, prompt).items():
            seen.expect(name, call)
        for name, bad in _bad_tenants().items():
            seen.expect(name, lambda bad=bad: domicile.store.admin.tenants.ensure(bad))  # type: ignore[misc]
        for result in t.put_many([NewRecord(DataClass.PROMPT, BODY.encode(), prompt)]):
            assert isinstance(result, PutFailure)
            seen.value("a failure", result)
        seen.learn(domicile)
        t.erase(Scope.subject(SUBJECT), reason=Reason.SUBJECT_REQUEST)
        unsigned = domicile.tenant("unsigned-eu", agreements=[])
        seen.expect("unsigned", lambda: _prompt(unsigned))
        seen.expect("unknown", lambda: domicile.store.tenant("nobody"))
        seen.expect("erased", lambda: t.get(prompt, purpose=Purpose.SERVE))
        late = _prompt(t)
        domicile.pass_time(days=30)
        seen.expect("expired", lambda: t.get(late, purpose=Purpose.SERVE))

        assert seen.kinds >= {
            "AgreementMissing",
            "BodyTooLarge",
            "ConsumerTenant",
            "Erased",
            "Expired",
            "IdConflict",
            "InvalidRequest",
            "LineageConflict",
            "MalformedId",
            "MetadataTooLarge",
            "NotFound",
            "PurposeRefused",
            "ResidencyUnsatisfied",
            "StaleId",
            "StreamFailed",
            "TenantConflict",
            "UnknownClass",
            "UnknownTenant",
        }

    @pytest.mark.parametrize("log", ["json", "console"])
    def test_parts_that_fail(self, domicile: Domicile, seen: Seen, log: str) -> None:
        """Backends down, full, forbidden, lying; a catalog that breaks in the middle."""
        t = _watched(domicile, seen.logs[log])
        prompt = _prompt(t)
        eu = [domicile.backends["eu-a"], domicile.backends["eu-b"]]
        for backend in eu:
            backend.full = True
        seen.expect("full", lambda: _prompt(t))
        for backend in eu:
            backend.full, backend.land_late = False, True
        seen.expect("late", lambda: _prompt(t))
        for backend in eu:
            backend.land_late = False
            backend.fail_before["purge"] = lambda _: BackendForbidden("eu-a")
        processor = domicile.processors["klarblick"]
        processor.fail_after["deliver"] = ProcessorTimeout("klarblick")
        seen.expect("a lost delivery", lambda: t.hand_over(prompt, "klarblick"))
        processor.down = True
        seen.expect("no processor", lambda: t.hand_over(prompt, "klarblick"))
        domicile.run_worker()
        domicile.take_down("eu-a", "eu-b")
        seen.expect("down", lambda: _prompt(t))
        domicile.open()
        seen.expect("unreadable", lambda: domicile.tenant().get(prompt, purpose=Purpose.SERVE))
        domicile.bring_back("eu-a", "eu-b")
        _spoil(domicile)
        seen.expect("corrupt", lambda: domicile.tenant().get(prompt, purpose=Purpose.SERVE))

        assert "purge_failed" in seen.logs[log].getvalue()
        assert "copy_not_gone" in seen.logs[log].getvalue()
        assert seen.kinds >= {"TooFewReplicas", "Corrupt"}

    @pytest.mark.parametrize(
        ("breaking", "mending"),
        [
            (
                "ALTER TABLE record ADD CONSTRAINT none CHECK (size < 0) NOT VALID",
                "ALTER TABLE record DROP CONSTRAINT none",
            ),
            ("ALTER TABLE fence RENAME TO fences", "ALTER TABLE fences RENAME TO fence"),
        ],
    )
    def test_a_catalog_that_others_have_changed(
        self, domicile: Domicile, seen: Seen, breaking: str, mending: str
    ) -> None:
        """PostgreSQL quotes the row that it refuses; a log of ours does not quote PostgreSQL."""
        t = _watched(domicile, seen.logs["json"])
        _prompt(t)
        catalog = domicile.homes.regions["eu-central-1"].region.catalog
        with catalog.engine.begin() as connection:
            connection.execute(text(breaking))
        try:
            _prompt(t)
        except Exception as error:  # noqa: BLE001 - which it is, is not the point
            for stream in seen.logs.values():
                make_logger(stream).error("failed", exc_info=error)
        finally:
            with catalog.engine.begin() as connection:
                connection.execute(text(mending))

        assert "test_no_leaks.py" in seen.logs["json"].getvalue()  # it says where

    def test_what_others_say_is_not_logged(self, seen: Seen) -> None:
        """A library quotes what it was given; a log has the kind of the error, and where."""
        for call in (
            lambda: json.loads(f'{{"{BODY}'),
            lambda: int(SUBJECT),
            lambda: os.environ[GROUP],
        ):
            try:
                call()
            except (ValueError, KeyError) as error:
                failure = CatalogUnavailable("It is said by us.")
                failure.__cause__ = error
                seen.error("somebody else's", failure)

        assert all("It is said by us." in log.getvalue() for log in seen.logs.values())
        assert "JSONDecodeError" in seen.logs["console"].getvalue()


class TestTheCommandLine:
    @pytest.fixture
    def run(self, domicile: Domicile, seen: Seen) -> Callable[..., str]:
        """Run a command as text and as JSON, and see both. Gives its stdout."""
        settings = domicile.settings
        environment: dict[str, str | None] = {"DOMICILE_HOME": str(settings.home)}
        for region, given in settings.regions.items():
            prefix = f"DOMICILE_REGIONS__{region.upper().replace('-', '_')}__"
            environment[f"{prefix}CATALOG_URL"] = given.catalog_url.get_secret_value()
            environment[f"{prefix}KEYS_FILE"] = str(given.keys_file)

        def run(*args: str | Path, stdin: str | bytes | None = None, shows: bool = False) -> str:
            called = [str(arg) for arg in args]
            out = ""
            seen.learn(domicile)
            for more in ([], ["--json"]):
                result = CliRunner(env=environment).invoke(app, [*called, *more], input=stdin)
                assert not isinstance(result.exception, Exception), result.exception
                where = f"domicile {' '.join(called[:2])} {' '.join(more)}"
                seen.note(f"stderr of {where}", result.stderr)
                if not shows:
                    seen.note(f"stdout of {where}", result.stdout)
                out = out or result.stdout.strip()
            return out

        return run

    def test_a_life_without_trouble(
        self, domicile: Domicile, seen: Seen, run: Callable[..., str], tmp_path: Path
    ) -> None:
        """All that a command shows but what it is asked to show."""
        domicile.tenant()
        file = tmp_path / FILENAME
        file.write_text(BODY)
        about = ["--subject", SUBJECT, "--group", GROUP, "--metadata", json.dumps(METADATA)]
        put = ["put", "acme-eu", "--class"]
        prompt = run(*put, "prompt", file, *about, "--key", KEY)
        stored = run(*put, "fine_tuning_file", file, "--subject", SUBJECT)
        run("get", "acme-eu", prompt, "--purpose", "serve", shows=True)
        run("get", "acme-eu", stored, "--purpose", "serve", "-o", tmp_path / "out", shows=True)
        run("list", "acme-eu", "--subject", SUBJECT, "--group", GROUP)
        run("explain", "acme-eu", prompt)
        why = ["--subject", "-", "--reason", "subject_request"]
        run("erase", "acme-eu", *why, "--dry-run", stdin=SUBJECT)
        erasure = run("erase", "acme-eu", *why, "--yes", stdin=SUBJECT)
        run("worker", "--dry-run")
        run("worker", "--once")
        run("erasure", "show", erasure)
        run("erasure", "list")
        for command in (["status"], ["doctor"], ["tenant", "list"], ["init"], ["region", "list"]):
            run(*command)
        run("receipt", "key", "--region", "eu-central-1")

        assert prompt.startswith("prompt.eu-central-1.")

    def test_commands_that_fail(
        self, domicile: Domicile, seen: Seen, run: Callable[..., str], tmp_path: Path
    ) -> None:
        """Whatever is in the wrong place is not repeated."""
        domicile.tenant()
        away, about = tmp_path / FILENAME, ["--subject", SUBJECT, "--group", GROUP]
        put = ["put", "acme-eu", "--class", "prompt"]
        run(*put, away, *about)
        run(*put, "--metadata", BODY, stdin=BODY)
        run(*put, "--metadata", json.dumps({"x": BODY * 300}), stdin=BODY)
        run(*put, "--metadata", '{"x": NaN}', *about, stdin=BODY)
        run(*put, "--id", SUBJECT, stdin=BODY)
        run(*put, "--derived-from", SUBJECT, stdin=BODY)
        run(*put, "--key", KEY, *about, stdin=BODY)
        run(*put, "--key", KEY, *about, stdin=f"other {BODY}")
        run(*put, *about, stdin=f"{BODY}\0" * 1_000_000)
        run(*put, SUBJECT, GROUP)
        run("put", "acme-eu", "--class", BODY)
        run("put", "acme-eu", "--class", "fine_tuning_file", tmp_path, "--subject", SUBJECT)
        run("list", "acme-eu", "--subject", SUBJECT, "--limit", BODY)
        run("list", "acme-eu", "--subject", "")
        run("get", "acme-eu", SUBJECT, "--purpose", "serve")
        run("get", "acme-eu", SUBJECT, "--purpose", BODY)
        run("explain", "acme-eu", SUBJECT)
        run("erase", "acme-eu", "--record", SUBJECT, "--reason", "subject_request", "--yes")
        run("erase", "acme-eu", "--subject", SUBJECT, "--reason", BODY, "--yes")
        run("erase", "acme-eu", "--subject", SUBJECT, "--all", "--reason", "subject_request")
        run("erase", "acme-eu", "--all", "--reason", "subject_request", "--ticket", f"{BODY}\n")
        run("receipt", "verify", away, "--key", away)
        run("receipt", "verify", "-", "--key", away, stdin=BODY)
        run("erasure", "show", SUBJECT)
        run(SUBJECT, GROUP)


def _bad_requests(t: Tenant, other: Tenant, prompt: RecordId) -> dict[str, Call]:
    """What to ask for, so that each refusal is given."""
    body, put = BODY.encode(), t.put

    def broken() -> Iterator[bytes]:
        yield body
        raise OSError(f"cannot read {FILENAME}: {BODY}")

    def get(record: RecordId | str, purpose: Purpose = Purpose.SERVE) -> Call:
        return lambda: t.get(record, purpose=purpose)

    large = {"x": BODY * 300}
    stale = replace(prompt, minted=datetime(2020, 2, 2, tzinfo=UTC), unique=b"x" * 16)
    return {
        "conflict": lambda: _prompt(t, "other " + BODY, id=prompt),
        "metadata": lambda: put(DataClass.PROMPT, body, subject=SUBJECT, metadata=large),
        "no json": lambda: put(DataClass.PROMPT, body, metadata={"x": {BODY}}),
        "too large": lambda: put(DataClass.PROMPT, os.urandom(1) * (16 * 1024 * 1024 + 1)),
        "text": lambda: put(DataClass.PROMPT, BODY),  # type: ignore[arg-type]
        "class": lambda: put(BODY, body),  # type: ignore[arg-type]
        "subject": lambda: put(DataClass.PROMPT, body, subject=body),  # type: ignore[arg-type]
        "surrogate": lambda: put(DataClass.PROMPT, body, subject=SUBJECT + "\ud800"),
        "lineage": lambda: put(
            DataClass.COMPLETION, body, subject=f"not {SUBJECT}", derived_from=[prompt]
        ),
        "parent": lambda: other.put(DataClass.COMPLETION, body, derived_from=[prompt]),
        "stale": lambda: put(DataClass.PROMPT, body, id=stale),
        "stream": lambda: t.put_file(broken(), filename=FILENAME),
        "file text": lambda: t.put_file([BODY], filename=FILENAME),  # type: ignore[list-item]
        "malformed": get(SUBJECT),
        "absent": get(t.new_id(DataClass.PROMPT)),
        "foreign": lambda: other.get(prompt, purpose=Purpose.SERVE),
        "purpose": get(prompt, Purpose.TRAIN),
        "no purpose": get(prompt, SUBJECT),  # type: ignore[arg-type]
        "scope": lambda: t.erase(Scope.record(SUBJECT), reason=Reason.SUBJECT_REQUEST),
        "reason": lambda: t.erase(Scope.subject(SUBJECT), reason=BODY),  # type: ignore[arg-type]
        "ticket": lambda: t.erase(
            Scope.subject(SUBJECT), reason=Reason.SUBJECT_REQUEST, ticket=f"{BODY}\n"
        ),
        "limit": lambda: t.list(subject=SUBJECT, limit=0),
    }


def _bad_tenants() -> dict[str, TenantSpec]:
    """Terms that are refused."""
    return {
        "id": TenantSpec(f"{SUBJECT} {BODY}", "acme", "eu-central-1", "EU"),
        "consumer": TenantSpec("c", "acme", "eu-central-1", "EU", service=BODY),
        "residency": TenantSpec("r", "acme", "eu-central-1", BODY),
        "home": TenantSpec("h", "acme", BODY, "EU"),
        "conflict": TenantSpec("acme-eu", "other", "eu-central-1", "EU"),
        "agreement": TenantSpec("a", "acme", "eu-central-1", "EU", agreements=[BODY]),  # type: ignore[list-item]
        "retention": TenantSpec("t", "acme", "eu-central-1", "EU", retention={BODY: 3}),  # type: ignore[dict-item]
    }


def _spoil(domicile: Domicile) -> None:
    """Every stored byte is another one now."""
    for name in ("eu-a", "eu-b"):
        for path in (domicile.settings.home / "backends" / name / "pack").rglob("*"):
            if path.is_file():
                path.write_bytes(bytes(byte ^ 255 for byte in path.read_bytes()))
