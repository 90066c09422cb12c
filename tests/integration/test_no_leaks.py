"""Secrets are planted, everything is made to fail, and no log, error or repr shows one."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO

import pytest
from sqlalchemy import text

from storage.client.tenant import BoundTenant
from storage.errors import (
    BackendForbidden,
    CatalogUnavailable,
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
from storage.testing import SERVICE, Domicile
from tests.support.leaks import (
    BODY,
    FILENAME,
    GROUP,
    KEY,
    METADATA,
    SUBJECT,
    Call,
    Seen,
    prompt_of,
    watched,
)


@pytest.fixture
def domicile_backends() -> str:
    """Directories, so that the command line and the store share the backends."""
    return "directory"


class TestTheStore:
    @pytest.mark.parametrize("log", ["json", "console"])
    def test_a_life_without_trouble(self, domicile: Domicile, seen: Seen, log: str) -> None:
        """Put, get, list, explain, erase, expire: neither values nor logs show a secret."""
        t = watched(domicile, seen.logs[log])
        prompt = prompt_of(t, id=t.new_id(DataClass.PROMPT, key=KEY))
        file = t.put_file(BytesIO(BODY.encode() * 50_000), filename=FILENAME, subject=SUBJECT)
        new = NewRecord(DataClass.PROMPT, BODY.encode(), subject=SUBJECT)
        for result in t.put_many([new] * 40):
            seen.value("a result", result)
        with t.open(file.id, purpose=Purpose.SERVE) as opened:
            seen.value("an open file", opened)
            seen.value("info of an open file", opened.info)
        with t.capture(DataClass.COMPLETION, derived_from=[prompt]) as sink:
            sink.write(BODY.encode())
            seen.value("a capture", sink)
        seen.value("a record", t.get(prompt, purpose=Purpose.SERVE))
        for name in ("klarblick", "handverlesen"):
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

    def test_reprs_of_the_store_and_its_parts(self, domicile: Domicile, seen: Seen) -> None:
        """No repr of a store, a region, its keys or the settings shows a secret."""
        t = watched(domicile, seen.logs["json"])
        prompt_of(t)
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
        """No refusal of a write or a read shows a secret."""
        t, other = watched(domicile, seen.logs[log]), domicile.tenant("other-eu")
        prompt = prompt_of(t, id=t.new_id(DataClass.PROMPT, key=KEY))
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
        seen.expect("unsigned", lambda: prompt_of(unsigned))
        seen.expect("unknown", lambda: domicile.store.tenant("nobody").bind(SERVICE))
        seen.expect("erased", lambda: t.get(prompt, purpose=Purpose.SERVE))
        late = prompt_of(t)
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
        """Backends that are down, full, forbidden or corrupt cause no leak."""
        t = watched(domicile, seen.logs[log])
        prompt = prompt_of(t)
        eu = [domicile.backends["eu-a"], domicile.backends["eu-b"]]
        for backend in eu:
            backend.full = True
        seen.expect("full", lambda: prompt_of(t))
        for backend in eu:
            backend.full, backend.land_late = False, True
        seen.expect("late", lambda: prompt_of(t))
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
        seen.expect("down", lambda: prompt_of(t))
        domicile.open()
        seen.expect("unreadable", lambda: domicile.tenant().get(prompt, purpose=Purpose.SERVE))
        domicile.bring_back("eu-a", "eu-b")
        _spoil(domicile)
        seen.expect("corrupt", lambda: domicile.tenant().get(prompt, purpose=Purpose.SERVE))

        assert "purge_failed" in seen.logs[log].getvalue()
        assert "copy_not_deleted" in seen.logs[log].getvalue()
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
        """PostgreSQL quotes the row that it refuses; our logs do not quote PostgreSQL."""
        t = watched(domicile, seen.logs["json"])
        prompt_of(t)
        catalog = domicile.homes.regions["eu-central-1"].region.catalog
        with catalog.engine.begin() as connection:
            connection.execute(text(breaking))
        try:
            prompt_of(t)
        except Exception as error:  # noqa: BLE001 - which it is, is not the point
            for stream in seen.logs.values():
                make_logger(stream).error("failed", exc_info=error)
        finally:
            with catalog.engine.begin() as connection:
                connection.execute(text(mending))

        assert "test_no_leaks.py" in seen.logs["json"].getvalue()  # it says where

    def test_what_others_say_is_not_logged(self, seen: Seen) -> None:
        """Errors of libraries quote their input; our logs have the type and the location alone."""
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


def _bad_requests(t: BoundTenant, other: BoundTenant, prompt: RecordId) -> dict[str, Call]:
    """Return calls that cause each refusal."""
    body, put = BODY.encode(), t.put

    def broken() -> Iterator[bytes]:
        yield body
        raise OSError(f"cannot read {FILENAME}: {BODY}")

    def get(record: RecordId | str, purpose: Purpose = Purpose.SERVE) -> Call:
        return lambda: t.get(record, purpose=purpose)

    large = {"x": BODY * 300}
    stale = replace(prompt, minted=datetime(2020, 2, 2, tzinfo=UTC), unique=b"x" * 16)
    return {
        "conflict": lambda: prompt_of(t, "other " + BODY, id=prompt),
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
    """Return terms that are refused."""
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
    """Change every stored byte."""
    for name in ("eu-a", "eu-b"):
        for path in (domicile.settings.home / "backends" / name / "pack").rglob("*"):
            if path.is_file():
                path.write_bytes(bytes(byte ^ 255 for byte in path.read_bytes()))
