"""Grants: requested, approved and revoked, on the cluster and on the model."""

import hashlib
from collections.abc import Callable

from sqlalchemy import select

from storage.catalog import tables as t
from storage.evidence.grants import statement
from storage.model import Grant, GrantSpec, GrantState, LineKind
from tests.support.people import key_of
from tests.support.stories.calls import EU, TENANTS
from tests.support.stories.cluster import Cluster, Process
from tests.support.stories.grant_model import (
    LEGAL,
    GrantModel,
    Reasons,
    against_approval,
    against_request,
    must_ask,
)
from tests.support.stories.holds import HoldModel, Holds
from tests.support.stories.model import STORED
from tests.support.stories.staff import ASA, BO, CUSTOMER, INES, USERS, VERA, Staff
from tests.support.stories.staff_operations import ApproveGrant, RequestGrant, RevokeGrant

ASKERS = (ASA.id, ASA.id, BO.id, INES.id)
APPROVERS = (VERA.id, VERA.id, VERA.id, BO.id, ASA.id, INES.id, CUSTOMER)


class Grants(Staff, Holds):
    """Requests, approves and revokes grants."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.grants: list[GrantModel] = []

    def request_grant(self, op: RequestGrant, process: Process) -> None:
        """Request a grant."""
        self.meet()
        name = self.busy_tenant(op.tenant)
        drafted = None if TENANTS[name].home != EU else self._draft(op, name)
        if drafted is None:
            return
        grant, spec = drafted
        if grant.hold is not None and not self.is_confirmed(grant.hold, process):
            return
        since = self.cluster.clock.now()
        answer = self.decided(
            process,
            grant.requester,
            lambda: process.store.admin.grants.request(spec),
            lambda: self._against_request(grant),
        )
        known = {"tenant": name, "actor": grant.user, "purpose": grant.purpose.value}
        made = (
            answer.result if isinstance(answer.result, Grant) else self._seek_grant(spec, process)
        )
        if made is not None:
            grant.id, grant.until = made.id, made.until
            self.grants.append(grant)
            self.lines.claim(LineKind.GRANT_REQUESTED, grant=str(made.id), **known)
            assert made.requested >= since, "a grant begins before its request"
            assert (made.until - made.requested).total_seconds() == op.hours * 3600
        elif answer.code == "killed":
            self.lines.drop(LineKind.REFUSAL, what="request", **known)
        else:
            self.refused(answer, what="request", by=grant.requester, **known)

    def _draft(self, op: RequestGrant, name: str) -> tuple[GrantModel, GrantSpec] | None:
        user, number = USERS[op.user % len(USERS)].id, next(self.numbers)
        found = self.scope_of(op.kind, op.number, name)
        legal = op.purpose is LEGAL
        if found is None:
            return None
        scope, value = found
        hold = self._youngest_hold(name) if legal else None
        grant = GrantModel(
            name,
            op.purpose,
            op.kind,
            value,
            user,
            ASKERS[op.by % len(ASKERS)],
            op.most,
            f"case-{number}" if op.case else None,
            hold,
            must_ask(op.purpose, self.traits[name]),
        )
        spec = GrantSpec(
            name,
            op.purpose,
            user,
            None if legal else scope,
            f"reason {number}",
            op.most,
            op.hours,
            grant.case,
            None if hold is None else hold.id,
        )
        return grant, spec

    def _youngest_hold(self, name: str) -> HoldModel | None:
        own = [held for held in self.holds if held.tenant == name and held.id and not held.ending]
        return own[-1] if own else None

    def is_confirmed(self, held: HoldModel, process: Process) -> bool:
        """Have two people confirm a hold; return whether it certainly is, and in force."""
        return not held.ending and self._by_two(held, process, self._confirm)

    def _against_request(self, grant: GrantModel) -> Reasons:
        today, entry = self.cluster.clock.now().date(), self.roster.get
        traits = self.traits[grant.tenant]
        reasons = against_request(grant, entry(grant.requester), entry(grant.user), traits, today)
        ending = grant.hold is not None and grant.hold.ending
        return reasons | ({"hold_not_in_force"} if ending else set())

    def _seek_grant(self, spec: GrantSpec, process: Process) -> Grant | None:
        """Look up a grant whose process died before the answer."""
        digest = t.access_grant.c.justification_digest
        wanted = _digest(spec.justification)
        with self.cluster.looking(EU) as connection:
            found = connection.scalar(select(t.access_grant.c.id).where(digest == wanted))
        other = next(p for p in self.cluster.processes if p is not process)
        return None if found is None else other.store.admin.grants.show(found)

    def nth_grant(self, number: int) -> GrantModel | None:
        """Return the n-th grant, counted from the youngest."""
        return self.grants[-1 - number % len(self.grants)] if self.grants else None

    def approve_grant(self, op: ApproveGrant, process: Process) -> None:
        """Approve a grant, as a person or for its customer."""
        grant, by = self.nth_grant(op.number), APPROVERS[op.by % len(APPROVERS)]
        if grant is None:
            return
        again = grant.for_customer if by == CUSTOMER else by in grant.approved_by
        customer = by == CUSTOMER
        answer = self.decided(
            process,
            None if customer else by,
            self._approval(grant, by, process),
            lambda: self._against_approval(grant, by),
        )
        facts = {"grant": str(grant.id), **({} if customer else {"by": by})}
        what = "approve_for_customer" if customer else "approve"
        if answer.code == STORED:
            self._is_approved(grant, by)
            if not again:
                self.lines.claim(LineKind.GRANT_APPROVED, grant=str(grant.id))
        elif answer.code == "killed":
            self.lines.drop(LineKind.REFUSAL, what=what, **facts)
            if not again and self.lines.drop(LineKind.GRANT_APPROVED, grant=str(grant.id)):
                self._is_approved(grant, by)
        else:
            self.refused(answer, what=what, **facts)

    def _is_approved(self, grant: GrantModel, by: str) -> None:
        if by == CUSTOMER:
            grant.for_customer = True
        else:
            grant.approved_by.add(by)

    def _approval(self, grant: GrantModel, by: str, process: Process) -> Callable[[], object]:
        number = grant.id
        assert number is not None
        if by == CUSTOMER:
            return lambda: process.store.tenant(grant.tenant).approve(number, by=CUSTOMER)
        grants = process.store.admin.grants
        return lambda: grants.approve(
            number, signature=key_of(by).sign(statement(grants.show(number)))
        )

    def _against_approval(self, grant: GrantModel, by: str) -> Reasons:
        now = self.cluster.clock.now()
        if by == CUSTOMER:
            return grant.over(now)
        return against_approval(grant, by, self.roster.get(by), now)

    def revoke_grant(self, op: RevokeGrant, process: Process) -> None:
        """Revoke a grant. Once more changes nothing."""
        grant = self.nth_grant(op.number)
        if grant is None:
            return
        number, again = grant.id, grant.revoked
        assert number is not None
        answer = self.decided(
            process, VERA.id, lambda: process.store.admin.grants.revoke(number), set
        )
        line = self.lines.drop(LineKind.GRANT_REVOKED, grant=str(number), revoked_by=VERA.id)
        grant.revoked = again or line
        assert grant.revoked or answer.code == "killed", "no line about a revocation"

    def look_at_grants(self, process: Process, *, everything: bool = False) -> None:
        """Compare what the catalog says of grants, and require that each line has a cause."""
        if not self.roster:
            return
        self.lines.nothing_else()
        for number, grant in enumerate(self.grants):
            if everything or number == self._turn % len(self.grants):
                self._compare_grant(grant, process)

    def _compare_grant(self, grant: GrantModel, process: Process) -> None:
        assert grant.id is not None
        found, now = process.store.admin.grants.show(grant.id), self.cluster.clock.now()
        approved = {one.actor for one in found.approvals if not one.for_customer}
        said = found.used, found.revoked is not None, approved
        assert said == (len(grant.opened), grant.revoked, grant.approved_by), f"{found}: {grant}"
        over = found.state(now) in (GrantState.REVOKED, GrantState.EXPIRED)
        assert over == bool(grant.over(now)), f"{found}: {grant}"


def _digest(justification: str) -> str:
    return hashlib.sha256(justification.encode()).hexdigest()
