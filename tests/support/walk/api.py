"""What each callable of the interface is called with, by somebody whom no permit lets open."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

from storage.errors import (
    ApiKeyInvalid,
    ConsentRefused,
    DomicileError,
    Erased,
    ExitRefused,
    GrantRefused,
    HoldRefused,
    InvalidRequest,
    NotFound,
    ObjectionRefused,
    PurposeRefused,
    UnknownTenant,
)
from storage.model import (
    Actor,
    Agreement,
    CarveOut,
    DataClass,
    Dpa,
    ExitKind,
    FineTuning,
    GrantSpec,
    KeyScope,
    NewRecord,
    Origin,
    Purpose,
    Reason,
    RecordId,
    Scope,
    TenantSpec,
)
from storage.packs.answers import Pending
from storage.testing import INVESTIGATOR, Domicile
from tests.support.holds import hold_spec, place_hold
from tests.support.people import person
from tests.support.screening import Watchful
from tests.support.walk.walking import SECRETS, Calls, Given

HOME, TENANT, NOBODY = "eu-central-1", "acme-eu", UUID("0199c9d3-0000-7000-8000-000000000000")
PROMPT, COMPLETION, DIGEST = DataClass.PROMPT, DataClass.COMPLETION, "d" * 64
TUNING = FineTuning("job-1", "model-1")
DAY = timedelta(days=1)
BODY, NOTE = SECRETS


@dataclass
class World:
    """A tenant with a record that nobody may open, of which there is all that an operator sees.

    ``who`` opens without a permit: ``grant`` is for another record. ``seen``: what a classifier was
    shown.
    """

    domicile: Domicile
    who: Actor
    folder: Path
    record: RecordId
    hold: UUID
    grant: UUID
    erasure: UUID
    seen: Watchful = field(default_factory=Watchful)

    @property
    def now(self) -> datetime:
        """The time of the fixture."""
        return self.domicile.clock.now()


def build(domicile: Domicile, who: Actor, folder: Path) -> World:
    """Store the secrets, hold the record, and make what the calls name."""
    t = domicile.tenant()
    t.models.add(TUNING.model, by="ops")
    kept = t.put(PROMPT, BODY, subject="u", metadata={"note": NOTE.decode()}).id
    t.put_file(BytesIO(BODY), filename=NOTE.decode())
    domicile.tenant("shut", account="gone")
    hold = place_hold(domicile).hold.id
    other = domicile.grant(asked(INVESTIGATOR, Scope.subject("another"))).id
    erasure = t.erase(Scope.subject("a third"), reason=Reason.SUBJECT_REQUEST).id
    domicile.run_worker()
    return World(domicile, who, folder, kept, hold, other, erasure)


def asked(who: Actor, scope: Scope) -> GrantSpec:
    """Return a request for a grant."""
    return GrantSpec(TENANT, Purpose.SUBJECT_REQUEST, who.id, scope, "He asks.", 9, 8, case="C-1")


def calls(world: World) -> Calls:
    """Return what each callable is called with."""
    parts = (_store, _tenants, _people, _holds, _evidence, _consents, _writes, _tenant, _reads)
    return {name: given for part in parts for name, given in part(world).items()}


Some = Mapping[str, Sequence[Given]]


def _store(world: World) -> Some:
    reason = Reason.CONTRACT_END
    trained: dict[str, Any] = {"run": "r", "actor": world.who, "classes": [PROMPT]}
    later: dict[str, Any] = {"listed": world.now, "document": DIGEST, "by": "ops"}
    later |= {"refused": NotFound}
    return {
        "Store.close": [Given()],
        "Store.erase": [Given(Scope.account("gone"), reason=reason)],
        "Store.erasure": [Given(world.erasure)],
        "Store.erasures": [Given(HOME)],
        "Store.shut": [Given()],
        "Store.health": [Given()],
        "Store.status": [Given()],
        "Store.tenant": [Given(TENANT), Given("nobody", refused=UnknownTenant)],
        "Store.training": [Given(TENANT, **trained)],
        "Training.__iter__": [Given(refused=PurposeRefused)],
        "Training.__aiter__": [Given(refused=PurposeRefused)],
        "Training.close": [Given()],
        "TrainingRuns.confirm": [Given("r", **later)],
        "TrainingRuns.exclusions": [Given("r", refused=NotFound)],
        "ExclusionList.__aiter__": [Given()],
        "Models.add": [Given(TUNING.model, by="ops")],
        "Models.confirm": [Given(TUNING.model, **later)],
        "Models.exclusions": [Given(TUNING.model)],
        "Models.list": [Given()],
    }


def _tenants(world: World) -> Some:
    signed = date(2026, 1, 5)
    other = TenantSpec("brief", "acme", HOME, "EU", agreements=[Dpa(signed=signed)])
    agreement = Agreement("dpa", signed=signed, document=DIGEST, signatory="Ada Example")
    agreed = world.domicile.store.admin.agreements.list(TENANT)[0].id
    kind, ended = ExitKind.DELETE, world.now.date() + 9 * DAY
    return {
        "Tenants.ensure": [Given(other)],
        "Tenants.get": [Given(TENANT)],
        "Tenants.list": [Given(HOME)],
        "Tenants.remove": [Given("brief")],
        "Agreements.add": [Given(TENANT, agreement)],
        "Agreements.end": [Given(agreed, until=ended)],
        "Agreements.list": [Given(TENANT)],
        "Exits.choose": [Given(TENANT, kind, on=ended, document=DIGEST, refused=ExitRefused)],
        "Exits.confirm": [Given(NOBODY, refused=NotFound)],
        "Exits.list": [Given(TENANT)],
        "Exits.notify": [Given(NOBODY, document=DIGEST, refused=NotFound)],
    }


def _people(world: World) -> Some:
    nobody: dict[str, Any] = {"refused": GrantRefused}  # whoever calls is no person
    grant = [Given(world.grant)]
    return {
        "Access.report": [Given(HOME, since=world.now - DAY, until=world.now + DAY)],
        "Grants.approve": [Given(world.grant, signature=b"s" * 64, **nobody)],
        "Grants.check_signatures": grant,
        "Grants.counting": grant,
        "Grants.justification": grant,
        "Grants.list": [Given(HOME)],
        "Grants.request": [Given(asked(world.who, Scope.subject("u")), **nobody)],
        "Grants.revoke": [Given(world.grant, **nobody)],
        "Grants.show": grant,
        "ApiKeys.create": [Given(TENANT, KeyScope.READ)],
        "ApiKeys.identify": [Given("dmc_nobody", refused=ApiKeyInvalid)],
        "ApiKeys.list": [Given(TENANT)],
        "ApiKeys.revoke": [Given(NOBODY, refused=NotFound)],
        "Roster.enter": [Given(HOME, person("erin"))],
        "Roster.list": [Given(HOME)],
    }


def _holds(world: World) -> Some:
    hold = world.hold
    nobody: dict[str, Any] = {"refused": HoldRefused}  # whoever calls is no person
    return {
        "Holds.approve": [Given(NOBODY, refused=NotFound)],
        "Holds.changes": [Given(hold)],
        "Holds.confirm": [Given(hold, **nobody)],
        "Holds.decide": [Given(hold, document=DIGEST, permitted=True, **nobody)],
        "Holds.list": [Given(HOME)],
        "Holds.narrow": [Given(hold, CarveOut(classes=(COMPLETION,)), why="less", **nobody)],
        "Holds.place": [Given(hold_spec(Scope.subject("u")))],
        "Holds.records": [Given(hold)],
        "Holds.release": [Given(hold, why="settled", **nobody)],
        "Holds.show": [Given(hold)],
    }


def _evidence(world: World) -> Some:
    document: dict[str, Any] = {"digest": b"d" * 32, "actor": "ops"}
    line = world.domicile.store.admin.log.lines(HOME)[0].id
    return {
        "Log.export": [Given(HOME, world.folder / "log")],
        "Log.keys": [Given(HOME)],
        "Log.lines": [Given(HOME)],
        "Log.prove": [Given(line)],
        "Processors.attest": [Given(NOBODY, **document, refused=NotFound)],
        "Processors.copies": [Given(HOME)],
    }


def _consents(world: World) -> Some:
    about: dict[str, Any] = {"classes": [PROMPT], "purposes": [Purpose.TRAIN], "by": "ann"}
    early = datetime(2022, 6, 1, tzinfo=UTC)
    return {
        "Consents.export": [Given(TENANT), Given(TENANT, subject="u")],
        "Consents.give": [Given(TENANT, wording=DIGEST, **about, refused=ConsentRefused)],
        "Consents.list": [Given(TENANT)],
        "Consents.opt_out": [Given(TENANT, document=DIGEST, given=early, **about)],
        "Consents.withdraw": [Given(TENANT, **about)],
    }


def _writes(world: World) -> Some:
    again = NewRecord(PROMPT, BODY, world.record, "u", metadata={"note": NOTE.decode()})
    origin = Origin(world.now.date() - DAY, b"s" * 32)
    made = {
        "capture": [Given(COMPLETION, derived_from=[world.record])],
        "forget_terms": [Given()],
        "note_answer": [Given(monotonic(), None)],
        "new_id": [Given(PROMPT, key="k")],
        "put": [
            Given(PROMPT, BODY, id=world.record, subject="u", metadata={"note": NOTE.decode()}),
            Given(PROMPT, b"x", origin=origin),
        ],
        "put_file": [Given(BytesIO(b"x"), filename="x.jsonl")],
        "put_many": [Given([again])],
        "queue": [Given(again, Pending(), since=monotonic())],
        "submit": [Given(again)],
        "window": [Given()],
    }
    ended = Erased()
    return {
        **{f"{kind}.{name}": given for kind in KINDS for name, given in made.items()},
        "Window.__len__": [Given()],
        "Window.add": [Given(again)],
        "Window.take": [Given()],
        "Window.urge": [Given()],
        "Window.when_ready": [Given(lambda: None)],
        "Capture.end": [Given(incomplete=False)],
        "Capture.fail": [Given(ended, None, refused=Erased), Given(ended, ValueError())],
        "Capture.write": [Given(b"x")],
    }


KINDS = "Tenant", "BoundTenant"


def _tenant(world: World) -> Some:
    by: dict[str, Any] = {"by": "ann", "ticket": "T-1"}
    made: dict[str, list[Given]] = {
        "approve": [Given(NOBODY, by="chat", refused=NotFound)],
        "bind": [Given(world.who)],
        "count": [Given(), Given(subject="u")],
        "delete": [Given(replace(world.record, unique=bytes(16)))],
        "erase": [Given(Scope.subject("nobody"), reason=Reason.SUBJECT_REQUEST)],
        "explain": [Given(world.record)],
        "explain_purpose": [Given(world.record, purpose=purpose) for purpose in Purpose],
        "exists": [Given(world.record)],
        "head": [Given(world.record)],
        "list": [Given(), Given(subject="u"), Given(data_class=DataClass.FINE_TUNING_FILE)],
        "object": [Given("nobody", **by, refused=ObjectionRefused)],
        "objections": [Given()],
        "withdraw": [Given("nobody", **by, refused=ObjectionRefused)],
    }
    made_of = {f"{kind}.{name}": given for kind in KINDS for name, given in made.items()}
    opened = Given(purpose=Purpose.SERVE, refused=DomicileError)
    return {**made_of, "BoundTenant.list": [*made["list"], opened]}


def _reads(world: World) -> Some:
    refuse = partial(Given, refused=PurposeRefused)
    classifier = world.seen.as_classifier()
    read = [
        refuse(world.record, purpose=p, tuning=TUNING if p is Purpose.FINE_TUNE else None)
        for p in Purpose
    ]
    return {
        "BoundTenant.export": [refuse("u", purpose=Purpose.SERVE)],
        "BoundTenant.flags": [refuse(world.record, purpose=purpose) for purpose in Purpose],
        "BoundTenant.get": read,
        "BoundTenant.get_many": [
            Given(
                [world.record],
                purpose=Purpose.SERVE,
                refused=InvalidRequest if world.who.staff else None,
            )
        ],
        "BoundTenant.hand_over": [refuse(world.record, "klarblick")],
        "BoundTenant.open": read,
        "BoundTenant.screen": [refuse(classifier)],
        "BoundTenant.screen_batches": [refuse(classifier)],
        "BoundTenant.update_metadata": [refuse(world.record, {}, version=0)],
    }
