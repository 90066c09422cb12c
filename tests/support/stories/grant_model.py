"""Who may open what under which grant, by rules of its own: it knows no policy of the library."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from storage.model import Actor, ActorKind, Purpose, ScopeKind, Trait
from tests.support.stories.holds import HoldModel
from tests.support.stories.model import RecordModel

LOOK, ANSWER, LEGAL = Purpose.ABUSE_INVESTIGATION, Purpose.SUBJECT_REQUEST, Purpose.LEGAL
_CLOSED = {Trait.NO_HUMAN_REVIEW, Trait.MODIFIED_ABUSE_MONITORING}
_CUSTOMER = Trait.CUSTOMER_APPROVED

Traits = Collection[Trait]
Reasons = set[str]


@dataclass(frozen=True)
class Entry:
    """What the roster says of a person. ``agreed``: it has a confidentiality agreement."""

    actor: Actor
    agreed: bool
    suspended: bool = False
    until: date | None = None

    def acts(self, on: date) -> bool:
        """Return whether the person may act on a day."""
        return not self.suspended and (self.until is None or on < self.until)


@dataclass(eq=False)
class GrantModel:
    """A grant. ``value``: what its scope names. ``opened``: the unique parts of records."""

    tenant: str
    purpose: Purpose
    kind: ScopeKind
    value: str | bytes
    user: str
    requester: str
    most: int
    case: str | None
    hold: HoldModel | None
    asked_customer: bool
    id: UUID | None = None
    until: datetime | None = None
    approved_by: set[str] = field(default_factory=set)
    for_customer: bool = False
    revoked: bool = False
    opened: set[bytes] = field(default_factory=set)

    @property
    def seconds(self) -> set[str]:
        """Return which second people approved it."""
        return self.approved_by - {self.user, self.requester}

    def covers(self, rec: RecordModel) -> bool:
        """Return whether a record is in its scope."""
        if rec.tenant != self.tenant:
            return False
        named = {
            ScopeKind.TENANT: self.value,
            ScopeKind.RECORD: rec.id.unique,
            ScopeKind.SUBJECT: rec.lineage.subject,
            ScopeKind.GROUP: rec.lineage.group,
        }
        return named[self.kind] == self.value

    def over(self, now: datetime) -> Reasons:
        """Return why it is over."""
        late = self.until is not None and now >= self.until
        return ({"revoked"} if self.revoked else set()) | ({"expired"} if late else set())


def must_ask(purpose: Purpose, traits: Traits) -> bool:
    """Return whether the customer itself must approve a grant."""
    if purpose is LEGAL:
        return False
    return _CUSTOMER in traits or (purpose is ANSWER and bool(_CLOSED & set(traits)))


def against_request(
    grant: GrantModel, asker: Entry | None, user: Entry | None, traits: Traits, today: date
) -> Reasons:
    """Return every reason against a request."""
    return set(_against_request(grant, asker, user, traits, today))


def _against_request(
    grant: GrantModel, asker: Entry | None, user: Entry | None, traits: Traits, today: date
) -> Iterator[str]:
    if asker is None or not asker.acts(today):
        yield "login_not_in_force"
    if grant.purpose is LOOK and _CLOSED & set(traits):
        yield "no_human_review"
    if grant.purpose is LEGAL and grant.hold is None:
        yield "hold_missing"
    if grant.purpose is not LOOK and grant.case is None:
        yield "case_missing"
    if user is None or not user.acts(today):
        yield "actor_not_in_force"
    elif user.actor.location != "EU":
        yield "outside_residency"


def against_approval(grant: GrantModel, by: str, entry: Entry | None, now: datetime) -> Reasons:
    """Return every reason against the approval of a person."""
    if entry is None or not entry.acts(now.date()):
        return {"login_not_in_force"}
    own = {"approver_is_requester"} if by == grant.requester else set()
    own |= {"approver_is_user"} if by == grant.user else set()
    return own | grant.over(now)


def against_entry(entry: Entry) -> Reasons:
    """Return every reason against an entry in the roster."""
    bare = entry.actor.kind is ActorKind.CONTRACTOR and not entry.agreed
    return {"no_agreement"} if bare else set()


def against_person(actor: Actor, entry: Entry | None, today: date) -> Reasons:
    """Return why a person opens nothing, whatever grant it has."""
    if entry is None:
        return {"unknown_actor"}
    if not entry.acts(today):  # an entry that is over is forgotten some time
        return {"actor_not_in_force", "unknown_actor"}
    return {"outside_residency"} if actor.location != "EU" else set()


def against_use(
    grant: GrantModel, rec: RecordModel, traits: Traits, now: datetime, *, flagged: bool
) -> Reasons:
    """Return why a grant does not open a record to its user, for its purpose."""
    reasons = {f"grant_{why}" for why in grant.over(now)}
    asked = grant.for_customer or not must_ask(grant.purpose, traits)
    if not grant.seconds or (grant.asked_customer and not grant.for_customer):
        reasons.add("grant_not_approved")
    if not asked:
        reasons.add("customer_not_asked")
    if rec.id.unique not in grant.opened and len(grant.opened) >= grant.most:
        reasons.add("grant_exhausted")
    if grant.purpose is LEGAL:
        return reasons
    if not grant.covers(rec):
        reasons.add("outside_grant")
    if grant.purpose is LOOK and _CLOSED & set(traits):
        reasons.add("no_human_review")
    if grant.purpose is LOOK and grant.case is None and not flagged:
        reasons.add("not_flagged")
    return reasons
