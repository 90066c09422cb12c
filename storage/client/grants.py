"""``store.admin.grants``: people may open some records of a tenant, for some hours."""

import hashlib
from collections.abc import Sequence
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection

from storage.catalog import grants, holds, roster, tenants
from storage.client.homes import Homes, unknown
from storage.client.lines import deciding
from storage.client.people import check_grant, check_signature
from storage.client.regions import ServedRegion
from storage.client.validate import as_id, as_uuid, check_actor, check_limit, check_tenant_id
from storage.crypto.envelope import open_name, seal_name
from storage.errors import Corrupt, InvalidRequest, NotFound
from storage.evidence.grants import signatures, signed_approvals
from storage.ledger.fence import match_values
from storage.model import Approval, Grant, GrantSpec, ScopeKind
from storage.model.codes import as_code
from storage.policy import PermitReason, check_signatures, counting, may_approve, may_request
from storage.region import OpenRegion


class Grants:
    """Grants in the regions that this process serves. Thread-safe.

    Who requests, approves and revokes is known by the login with which the process connects to the
    catalog: that of a person of the roster who may act today. A method that takes the id of a grant
    raises NotFound if there is none.
    """

    def __init__(self, homes: Homes) -> None:
        """Use ``Store.admin.grants`` instead."""
        self._homes = homes

    def request(self, spec: GrantSpec) -> Grant:
        """Request a grant. It opens nothing before a second person has approved it.

        Its time counts from now. Raises GrantRefused, with every reason, UnknownTenant or
        WrongRegion.
        """
        check_grant(spec)
        served, _ = self._homes.find(spec.tenant)
        _check_home(spec, served.region.name)
        return _request(served.region, spec)

    def approve(self, grant: UUID | str, *, signature: bytes) -> Grant:
        """Approve a grant that another person requested and uses.

        ``signature``: Ed25519, by your own key, over ``storage.evidence.grants.statement`` of the
        grant. The same approval again changes nothing. Raises GrantRefused.
        """
        check_signature(signature)
        served, found = self._find(grant)
        return _approve(served.region, found.id, signature)

    def check_signatures(self, grant: UUID | str) -> Sequence[PermitReason]:
        """Return why the key service takes no signature of an approved grant; nothing if it does.

        Without one the grant opens nothing, whatever its state. Raises Unavailable if the key
        service does not answer.
        """
        served, found = self._find(grant)
        return check_signatures(found, signatures(found, _pinned(served.region)))

    def counting(self, grant: UUID | str) -> Sequence[Approval]:
        """Return the approvals of a grant whose signature the key service takes, oldest first.

        Those of the customer have none. Raises Unavailable if the key service does not answer.
        """
        served, found = self._find(grant)
        return counting(found, signed_approvals(found, _pinned(served.region)))

    def revoke(self, grant: UUID | str) -> Grant:
        """Revoke a grant: nothing more is opened under it, not even the rest of an open file.

        Revoking it again changes nothing. Raises GrantRefused.
        """
        served, found = self._find(grant)
        return _revoke(served.region, found.id)

    def show(self, grant: UUID | str) -> Grant:
        """Return a grant."""
        return self._find(grant)[1]

    def justification(self, grant: UUID | str) -> str:
        """Return why a grant was requested. Raises Corrupt if the catalog's text was changed."""
        served, found = self._find(grant)
        region = served.region
        with region.catalog.begin() as connection:
            sealed = grants.sealed_justification(connection, found.id)
        text = open_name(region.roots, sealed, justification_context(found.id))
        if _digest(text) != found.justification_digest:
            raise Corrupt("The justification of the grant does not have its digest.")
        return text

    def list(
        self,
        region: str,
        *,
        tenant: str | None = None,
        after: UUID | str | None = None,
        limit: int = 100,
    ) -> Sequence[Grant]:
        """Return the grants of a region, newest first, also those that are over.

        ``tenant`` narrows the list to one tenant. At most ``limit`` (1 to 1000). To page, pass the
        last id as ``after``. Raises WrongRegion.
        """
        check_limit(limit)
        if tenant is not None:
            check_tenant_id(tenant)
        last = None if after is None else as_uuid(after, "a grant")
        with self._homes.served(region).region.catalog.begin() as connection:
            return grants.page(connection, region, tenant=tenant, after=last, limit=limit)

    def _find(self, grant: UUID | str) -> tuple[ServedRegion, Grant]:
        wanted = as_uuid(grant, "a grant")

        def ask(served: ServedRegion, connection: Connection) -> tuple[ServedRegion, Grant] | None:
            found = grants.find(connection, served.region.name, wanted)
            return (served, found) if found else None

        known = self._homes.first(ask)
        if known is None:
            raise NotFound("No such grant in the regions of this process.", advice="Check the id.")
        return known


def _pinned(region: OpenRegion) -> dict[str, Ed25519PublicKey]:
    given = region.roots.approvers()
    return {actor: Ed25519PublicKey.from_public_bytes(key) for actor, key in given.items()}


def _check_home(spec: GrantSpec, home: str) -> None:
    """Raise InvalidRequest for a record whose id names another region: it is none of the tenant."""
    if spec.scope is None or spec.scope.kind is not ScopeKind.RECORD:
        return
    if as_id(spec.scope.value).region != home:
        raise InvalidRequest(
            f"The record's id names another region than {home}, where the tenant is at home.",
            advice="Check the id and the tenant. See: domicile list",
        )


def _request(region: OpenRegion, spec: GrantSpec) -> Grant:
    def work(connection: Connection) -> Grant:
        now = region.clock.now()
        terms = tenants.find(connection, spec.tenant)
        if terms is None:
            raise unknown("tenant", spec.tenant)
        may_request(
            region.topology,
            terms.spec,
            spec,
            requester=roster.of_session(connection),
            user=roster.entry(connection, spec.actor),
            objections=terms.objections,
            hold_in_force=spec.hold in holds.in_force(connection, spec.tenant),
            today=now.date(),
        ).demand()
        new = region.new_uuid(now)
        sealed = seal_name(
            region.roots, region.entropy, spec.justification, justification_context(new)
        )
        sought = () if spec.scope is None else match_values(region, spec.tenant, spec.scope)
        digest = _digest(spec.justification)
        grants.request(connection, new, spec, sought=sought, digest=digest, sealed=sealed, now=now)
        return _show(region, connection, new)

    facts = {"tenant": spec.tenant, "actor": as_code(spec.actor), "purpose": spec.purpose.value}
    return deciding(region, "request", facts, work)


def _approve(region: OpenRegion, grant: UUID, signature: bytes) -> Grant:
    def work(connection: Connection) -> Grant:
        now = region.clock.now()
        found = _show(region, connection, grant)
        may_approve(found, roster.of_session(connection), now).demand()
        grants.approve(connection, grant, signature, now)
        return _show(region, connection, grant)

    return deciding(region, "approve", {"grant": str(grant)}, work)


def approve_for_customer(region: OpenRegion, tenant: str, grant: UUID | str, by: str) -> Grant:
    """Note the approval of a tenant's own actor. Raises GrantRefused, or NotFound."""
    wanted = as_uuid(grant, "a grant")
    check_actor(by)

    def work(connection: Connection) -> Grant:
        grants.approve_for_customer(connection, wanted, tenant, by, region.clock.now())
        return _show(region, connection, wanted)

    facts = {"grant": str(wanted), "tenant": tenant, "actor": by}
    return deciding(region, "approve_for_customer", facts, work)


def _revoke(region: OpenRegion, grant: UUID) -> Grant:
    def work(connection: Connection) -> Grant:
        grants.revoke(connection, grant, region.clock.now())
        return _show(region, connection, grant)

    return deciding(region, "revoke", {"grant": str(grant)}, work)


def _show(region: OpenRegion, connection: Connection, grant: UUID) -> Grant:
    found = grants.find(connection, region.name, grant)
    if found is None:
        raise NotFound("No such grant in this region.")
    return found


def _digest(justification: str) -> str:
    return hashlib.sha256(justification.encode()).hexdigest()


def justification_context(grant: UUID) -> bytes:
    """Return what the sealed justification of a grant is bound to."""
    return b"domicile grant " + grant.bytes
