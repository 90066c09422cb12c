"""A hold that one person placed, in values."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from storage.model import Hold, ScopeKind

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DUE = NOW + timedelta(hours=72)
HOLD = Hold(
    id=UUID(int=1),
    region="eu-central-1",
    tenant="acme-eu",
    account=None,
    scope=ScopeKind.TENANT,
    classes=(),
    minted_from=None,
    minted_to=None,
    future=True,
    matter="m",
    authority="a",
    authority_jurisdiction="EU",
    document="0" * 64,
    issuer="i",
    placed=NOW,
    review=date(2027, 1, 1),
    sponsor="ann",
    confirm_by=DUE,
    confirmed=None,
    confirmed_by=None,
    decision=None,
    carve_outs=(),
    changes_waiting=0,
    released=None,
    released_why=None,
)
