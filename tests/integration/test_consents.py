"""Consent: recorded, kept, listed, exported, and true after a rotation and a restore."""

import asyncio
import hashlib
import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

import regions
from regions.load import load_topology
from regions.model import Purpose
from storage.catalog import consents, contents
from storage.catalog import tables as t
from storage.client.aio.store import AsyncStore
from storage.crypto.root import rotate
from storage.errors import (
    ConsentRefused,
    InvalidRequest,
    KeyUnavailable,
    NaiveDatetime,
    UnknownClass,
    UnknownTenant,
)
from storage.initialize import init
from storage.model import ConsentKind, DataClass, LineKind, Reason, Scope
from storage.policy import consent_in_force
from storage.region import OpenRegion
from storage.testing import Domicile
from tests.support.actions import work
from tests.support.catalogs.backups import Dump, recover_catalog
from tests.support.inspect.rows import all_state
from tests.support.inspect.stored import home
from tests.support.training import (
    FILES,
    OPTED_OUT,
    PROMPTS,
    TRAIN,
    consent,
    opt_out,
    permit_training,
    withdraw,
)
from tests.support.transparency import lines

pytestmark = pytest.mark.one_region

HOME = "eu-central-1"
PROMPT, COMPLETION, FILE = DataClass.PROMPT, DataClass.COMPLETION, DataClass.FINE_TUNING_FILE
EARLY = datetime(2022, 6, 1, tzinfo=UTC)


@pytest.fixture
def training(domicile: Domicile, tmp_path: Path) -> Domicile:
    """A Domicile with the wordings of consents, and a tenant."""
    permit_training(domicile, tmp_path)
    domicile.tenant()
    return domicile


def opted_out(domicile: Domicile, subject: str, region: OpenRegion | None = None) -> bool:
    """Return whether a subject has refused training, under each of its pseudonyms."""
    served = region or home(domicile)
    names = served.pseudonyms.all("acme-eu", "subject", subject)
    with served.catalog.begin() as connection:
        said = consents.said(connection, "acme-eu")
    found = {
        consent_in_force(
            said,
            data_class=PROMPT,
            purpose=Purpose.TRAIN,
            origin=domicile.clock.now().date(),
            subject=name,
            per_subject=False,
            now=domicile.clock.now(),
        ).opted_out
        for name in names
    }
    assert len(found) == 1
    return found.pop()


def rotate_pseudonyms(domicile: Domicile) -> None:
    """Make a new pseudonym key, and tell the catalog."""
    file = domicile.settings.regions[HOME].keys_file
    rotate(file, os.urandom, region=HOME, section="pseudonym")
    init(domicile.settings, dependencies=domicile.dependencies)


def test_what_was_said_is_kept_as_it_was_said(training: Domicile) -> None:
    """Who, when, which wording, which classes and purposes; in order, and never changed."""
    given = training.clock.now() - timedelta(days=3)
    first = consent(training, given=given)
    second = consent(training, subject="ann", wording=FILES, classes=(FILE,))
    third = withdraw(training)
    fourth = opt_out(training, EARLY, subject="ann")

    assert training.store.consents.list("acme-eu") == [first, second, third, fourth]
    assert (first.given, first.covers_from) == (given, given.date())
    assert (first.wording, first.by, first.of_subject) == (PROMPTS, "ann", False)
    assert (second.classes, second.of_subject) == ((FILE,), True)
    assert second.covers_from == second.given.date()
    assert (fourth.given, fourth.document) == (EARLY, OPTED_OUT)
    assert fourth.recorded > EARLY
    assert training.store.consents.list("acme-eu", subject="ann") == [second, fourth]
    assert training.store.consents.list("acme-eu", subject="ben") == []
    assert training.store.consents.list("acme-eu", after=second.id, limit=1) == [third]


def test_each_statement_leaves_a_line_without_names(training: Domicile) -> None:
    """In the log of the region, with what it is about."""
    consent(training)
    withdraw(training, subject="ann-the-subject")

    given, withdrawn = lines(training, LineKind.CONSENT)
    assert (given["said"], given["of"], given["wording"]) == ("opt_in", "tenant", PROMPTS)
    assert (withdrawn["said"], withdrawn["of"]) == ("withdrawal", "subject")
    assert "ann" not in json.dumps([given, withdrawn])


def test_the_name_of_a_subject_is_sealed(training: Domicile) -> None:
    """No row of the catalog has it in the open."""
    withdraw(training, subject="ann-the-subject")
    with home(training).catalog.begin() as connection:
        rows = b"".join(data for _, data, _ in contents.binary(connection))
    assert b"ann-the-subject" not in rows


WRONG: dict[str, tuple[Callable[[Domicile], object], type[Exception], str]] = {
    "a wording that does not exist": (
        lambda d: consent(d, wording="d" * 64),
        ConsentRefused,
        "unknown_wording",
    ),
    "a class that the wording does not name": (
        lambda d: consent(d, classes=(PROMPT, FILE)),
        ConsentRefused,
        "class_not_in_wording",
    ),
    "a wording of later": (
        lambda d: consent(d, given=datetime(2024, 12, 31, tzinfo=UTC)),
        ConsentRefused,
        "wording_not_in_use",
    ),
    "given tomorrow": (
        lambda d: consent(d, given=d.clock.now() + timedelta(days=1)),
        ConsentRefused,
        "given_in_the_future",
    ),
    "a class that is no class of records": (
        lambda d: consent(d, classes=(DataClass.FLAG,)),
        UnknownClass,
        "",
    ),
    "a class that does not exist": (
        lambda d: consent(d, classes=("photo",)),  # type: ignore[arg-type]
        UnknownClass,
        "",
    ),
    "no class": (lambda d: consent(d, classes=()), InvalidRequest, ""),
    "no time zone": (lambda d: consent(d, given=datetime(2026, 1, 1)), NaiveDatetime, ""),  # noqa: DTZ001
    "no digest": (lambda d: consent(d, wording="the new one"), InvalidRequest, ""),
    "an unknown tenant": (lambda d: consent(d, "nobody-eu"), UnknownTenant, "unknown_tenant"),
    "older than its withdrawal": (
        lambda d: consent(d, given=d.clock.now() - timedelta(days=9)),
        ConsentRefused,
        "older_than_withdrawal",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_refused_and_leaves_nothing(training: Domicile, what: str) -> None:
    """By name; no row, no line, no entry of the ledger."""
    opt_out(training, training.clock.now() - timedelta(days=5))
    call, kind, reason = WRONG[what]
    before = all_state(training)

    with pytest.raises(kind) as caught:
        call(training)

    assert getattr(caught.value, "reasons", ()) == ((reason,) if reason else ())
    assert all_state(training) == before


def test_without_wordings_nobody_can_consent(domicile: Domicile) -> None:
    """A topology that names no text has none that could be consented to."""
    domicile.tenant()
    with pytest.raises(ConsentRefused):
        consent(domicile)
    assert domicile.store.consents.list("acme-eu") == []


def test_the_shipped_wording_is_that_of_its_text() -> None:
    """The example shows how a digest is made: of the text that is quoted beside it."""
    file = Path(regions.__file__).parent / "data" / "consents.toml"
    quoted = file.read_text().split("in one line:\n#\n")[1].split("\n\n")[0]
    shown = " ".join(line.removeprefix("#").strip() for line in quoted.splitlines())
    assert list(load_topology().wordings) == [hashlib.sha256(shown.encode()).hexdigest()]


def test_a_refusal_is_not_lost_by_a_rotation(training: Domicile) -> None:
    """It matches what is stored under the new pseudonym key, as well as what was stored before."""
    withdraw(training, subject="ann")
    assert opted_out(training, "ann")
    rotate_pseudonyms(training)
    training.open()

    assert len(home(training).pseudonyms.versions) == 2
    assert opted_out(training, "ann")
    assert not opted_out(training, "ben")


def test_a_process_with_old_keys_records_nothing_about_a_subject(training: Domicile) -> None:
    """It would match nothing that is stored under the new key."""
    with training.open_another() as old:
        rotate_pseudonyms(training)
        with pytest.raises(KeyUnavailable):
            old.consents.withdraw(
                "acme-eu", classes=(PROMPT,), purposes=TRAIN, by="ann", subject="ann"
            )
    training.open()
    assert training.store.consents.list("acme-eu") == []


def test_a_lost_withdrawal_does_not_open_anything_again(training: Domicile) -> None:
    """A catalog that is restored from before it learns it from the ledger, with its line."""
    consent(training)
    dump = Dump.of(training)
    said = [withdraw(training), withdraw(training, subject="ann")]
    training.open()
    before = training.store.consents.list("acme-eu")

    dump.restore(training)
    report = recover_catalog(training)

    assert report.events == 2
    assert training.store.consents.list("acme-eu") == before
    assert before[1:] == said
    assert opted_out(training, "ann")
    assert len(lines(training, LineKind.CONSENT)) == 3


def test_a_refusal_that_is_replayed_matches_under_newer_keys(training: Domicile) -> None:
    """The key was rotated since it was recorded, and the catalog restored from before."""
    dump = Dump.of(training)
    withdraw(training, subject="ann")
    dump.restore(training)
    rotate_pseudonyms(training)

    recover_catalog(training)

    assert len(home(training).pseudonyms.versions) == 2
    assert opted_out(training, "ann")


def test_what_was_said_is_forgotten_when_it_has_ended_for_long(training: Domicile) -> None:
    """A refusal never ends because of a consent: only a later refusal says as much."""
    first = consent(training)
    no = withdraw(training)
    training.pass_time(minutes=1)
    again = consent(training)
    for _ in range(2):
        work(training, hours=24 * 1097)
    assert training.store.consents.list("acme-eu") == [no, again]
    assert first not in training.store.consents.list("acme-eu")

    training.store.admin.tenants.remove("acme-eu")
    work(training)
    work(training, hours=24 * 1095)
    with home(training).catalog.begin() as connection:
        assert len(contents.rows(connection, t.consent)) == 2
    work(training, hours=24 * 2)
    work(training)
    with home(training).catalog.begin() as connection:
        assert contents.rows(connection, t.consent) == []


def test_a_tenant_that_is_made_again_has_not_consented(training: Domicile) -> None:
    """What the former one of that name refused, still counts."""
    consent(training)
    withdraw(training, subject="ann")
    training.store.admin.tenants.remove("acme-eu")
    training.pass_time(minutes=1)
    training.tenant()
    with home(training).catalog.begin() as connection:
        kinds = [x.kind for x in consents.said(connection, "acme-eu")]
    assert kinds == [ConsentKind.WITHDRAWAL]


def test_records_are_exported_in_terms_of_dpv(training: Domicile) -> None:
    """One for each statement, with the fields of ISO/IEC TS 27560."""
    given, withdrawn = consent(training), withdraw(training, subject="ann")
    document: dict[str, Any] = training.store.consents.export("acme-eu")
    first, second = document["@graph"]

    assert first["@type"] == "dpv:ConsentRecord"
    assert first["dct:identifier"] == str(given.id)
    assert first["dct:conformsTo"] == "https://w3id.org/dpv/schema/dpv-27560#record"
    assert first["dpv:hasNotice"]["dct:identifier"] == f"urn:sha256:{PROMPTS}"
    assert first["dct:language"] == "en"
    assert first["dpv:hasConsentStatus"]["@type"] == "dpv:ConsentGiven"
    purposes = first["dpv:hasProcess"]["dpv:hasPurpose"]
    assert [x["dct:identifier"] for x in purposes] == ["train"]
    assert second["dpv:hasConsentStatus"]["@type"] == "dpv:ConsentWithdrawn"
    assert second["dpv:hasConsentStatus"]["dct:date"]["@value"] == withdrawn.given.isoformat()
    assert '"ann"' not in json.dumps(second["dpv:hasDataSubject"])
    named: dict[str, Any] = training.store.consents.export("acme-eu", subject="ann")
    assert [x["dpv:hasDataSubject"]["dct:identifier"] for x in named["@graph"]] == ["ann"]
    used = set(re.findall(r'"(dpv:\w+|dct:\w+)"', json.dumps(document)))
    assert all(name.split(":")[0] in document["@context"] for name in used)


def test_the_asynchronous_store_does_the_same(training: Domicile) -> None:
    """It gives, withdraws, refuses, lists and exports."""

    async def run() -> list[ConsentKind]:
        store = AsyncStore(training.store)
        about: dict[str, Any] = {"classes": [PROMPT], "purposes": TRAIN, "by": "ann"}
        try:
            await store.consents.give("acme-eu", wording=PROMPTS, **about)
            await store.consents.withdraw("acme-eu", **about)
            await store.consents.opt_out("acme-eu", document=OPTED_OUT, given=EARLY, **about)
            exported = await store.consents.export("acme-eu")
            assert len(str(exported).split("dpv:ConsentRecord")) == 4
            return [x.kind for x in await store.consents.list("acme-eu")]
        finally:
            await store.close()

    assert asyncio.run(run()) == list(ConsentKind)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO consent (id) VALUES (gen_random_uuid())",
        "UPDATE consent SET given = now()",
        "DELETE FROM consent",
        "SELECT insert_consent('{}', 'me')",
        "SELECT replay_consent('{}', 'me')",
        "SELECT forget_consents(now(), now(), 1)",
    ],
)
@pytest.mark.parametrize("role", ["domicile_service", "domicile_admin"])
def test_only_functions_write_what_was_said(training: Domicile, role: str, statement: str) -> None:
    """No login changes or deletes it, or speaks in the name of another."""
    withdraw(training)
    with home(training).catalog.begin() as connection:
        connection.execute(text(f"SET LOCAL ROLE {role}"))
        with pytest.raises(Exception, match="permission denied"):
            connection.execute(text(statement))
        connection.rollback()


def test_an_erasure_does_not_take_what_was_said(training: Domicile) -> None:
    """An erasure of a subject is no reason to forget that it refused."""
    withdraw(training, subject="ann")
    tenant = training.tenant()
    tenant.erase(Scope.subject("ann"), reason=Reason.SUBJECT_REQUEST)
    work(training)
    assert opted_out(training, "ann")
