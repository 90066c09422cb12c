"""Permits, and what the register says of them: all in order, unless a test says otherwise."""

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from regions.load import load_topology
from regions.model import DataClass, Purpose
from storage.evidence.grants import statement
from storage.keyservice.register import Found
from storage.model import (
    Actor,
    ActorKind,
    Approval,
    Dpa,
    Grant,
    Hold,
    RecordId,
    RosterEntry,
    ScopeKind,
    StaffPermit,
    TenantSpec,
)
from storage.policy import KeptRecord
from tests.support.hold_values import HOLD

REGION = "eu-central-1"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TENANT = "acme"
SUBJECT = b"\1" * 33
GRANT = UUID(int=7)
KEY_ID = UUID(int=8)
ACTOR = Actor("mara", ActorKind.EMPLOYEE, "openai-ireland", "EU")
RECORD = RecordId(DataClass.PROMPT, REGION, NOW - timedelta(days=1), date(2026, 3, 20), b"u" * 16)
APPROVER = "ines"
APPROVER_KEY = Ed25519PrivateKey.from_private_bytes(b"a" * 32)
TOPOLOGY = load_topology()
PINNED = {APPROVER: APPROVER_KEY.public_key()}


def signed(grant: Grant, key: Ed25519PrivateKey = APPROVER_KEY, by: str = APPROVER) -> Grant:
    """Return the grant with one more approval, signed by that key."""
    approval = Approval(by, grant.requested, key.sign(statement(grant)))
    return replace(grant, approvals=(*grant.approvals, approval))


def unsigned(**changes: object) -> Grant:
    """Return a grant that nobody approved."""
    grant = Grant(
        id=GRANT,
        region=REGION,
        tenant=TENANT,
        purpose=Purpose.ABUSE_INVESTIGATION,
        actor=ACTOR.id,
        requester=ACTOR.id,
        scope=ScopeKind.SUBJECT,
        sought=(SUBJECT,),
        hold=None,
        case="T-1",
        records_max=3,
        justification_digest=hashlib.sha256(b"because").hexdigest(),
        requested=NOW - timedelta(hours=1),
        until=NOW + timedelta(hours=7),
    )
    return replace(grant, **changes)  # type: ignore[arg-type]


ENTRY = RosterEntry(
    actor=ACTOR.id,
    kind=ACTOR.kind,
    role="trust_and_safety",
    employer=ACTOR.employer,
    location=ACTOR.location,
    login="mara_login",
    agreement=None,
    since=date(2026, 1, 1),
    until=None,
    suspended=False,
    entered=datetime(2026, 1, 1, tzinfo=UTC),
    entered_by="hr",
)
TERMS = TenantSpec(TENANT, "acme", REGION, "EU", agreements=(Dpa(signed=date(2025, 1, 1)),))
CONFIRMED = replace(HOLD, confirmed=NOW, confirmed_by="ben")
KEPT = KeptRecord(
    tenant=TENANT,
    unique=RECORD.unique,
    subject=SUBJECT,
    group=None,
    day=RECORD.day,
    minted=RECORD.minted,
    fenced=False,
    held=False,
    covered=False,
    key_id=KEY_ID,
    wrapped_key=b"",
)


def permit(number: int = 1, **changes: object) -> StaffPermit:
    """Return a permit; ``number`` makes its nonce."""
    given = StaffPermit(
        region=REGION,
        grant=GRANT,
        purpose=Purpose.ABUSE_INVESTIGATION,
        tenant=TENANT,
        record=RECORD,
        actor=ACTOR,
        nonce=number.to_bytes(16),
        issued=NOW,
    )
    return replace(given, **changes)  # type: ignore[arg-type]


@dataclass
class Register:
    """A register that says what a test puts into it."""

    grant: Grant | None
    entry: RosterEntry | None
    record: KeptRecord | None
    counted: bool = True
    tenant: TenantSpec | None = TERMS
    hold: Hold | None = None

    def find(self, permit: StaffPermit) -> Found:
        """Return it, whatever the permit names."""
        return Found(self.grant, self.hold, self.entry, self.tenant, self.record, self.counted)
