"""``store.admin.exits``: what customers chose for their data when the agreement has ended."""

from collections.abc import Callable, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import exits, log, roster, tenants
from storage.client.agreement_checks import check_day, check_document, check_exit_kind
from storage.client.homes import Homes
from storage.client.regions import ServedRegion
from storage.client.validate import as_uuid, check_limit, check_tenant_id
from storage.errors import NotFound
from storage.model import ExitKind, ExitState, LineKind, RosterEntry, TenantExit
from storage.policy import Exiting, may_choose, may_confirm_exit, may_notify
from storage.region import OpenRegion

Decide = Callable[[TenantExit, RosterEntry | None, date, bool], Exiting]
Do = Callable[[Connection, TenantExit], None]


class Exits:
    """Choices for the end of contracts, in the regions that this process serves. Thread-safe.

    On its day a worker erases the tenant, if the customer had notice, a second person has confirmed
    it, and no data processing agreement was in force on that day or since, or will be. Who chooses,
    notes and confirms is known by the login with which the process connects to the catalog: that of
    a person of the roster. A method that takes the id of a choice raises NotFound if there is none.
    """

    def __init__(self, homes: Homes) -> None:
        """Use ``Store.admin.exits`` instead."""
        self._homes = homes

    def choose(self, tenant: str, kind: ExitKind, *, on: date, document: str) -> TenantExit:
        """Record what the customer chose, and the UTC day on which its data is erased.

        ``document``: the SHA-256 of its instruction. A later choice replaces this one. Raises
        ExitRefused, UnknownTenant or WrongRegion.
        """
        check_tenant_id(tenant)
        check_exit_kind(kind)
        check_day("on", on)
        check_document("choice", document)
        served, _ = self._homes.find(tenant)
        return served.region.catalog.run(
            lambda c: _choose(served.region, c, tenant, kind, on=on, document=document)
        )

    def notify(self, choice: UUID | str, *, document: str) -> TenantExit:
        """Record that the customer was told of the day, before it. Raises ExitRefused.

        ``document``: the SHA-256 of the notice.
        """
        check_document("notice", document)
        return self._step(
            choice,
            lambda found, person, today, newest: may_notify(found, person, today, newest=newest),
            lambda region, c, found: exits.notify(c, found.id, document, region.clock.now()),
        )

    def confirm(self, choice: UUID | str) -> TenantExit:
        """Confirm a choice and its notice, as a person who did not record the choice.

        For ``return`` it says that the customer has its data. A confirmed choice stays as it is.
        Raises ExitRefused.
        """
        return self._step(
            choice,
            lambda found, person, today, newest: may_confirm_exit(
                found, person, today, newest=newest
            ),
            lambda region, c, found: exits.confirm(c, found.id, region.clock.now()),
            unless=ExitState.CONFIRMED,
        )

    def list(self, tenant: str, *, limit: int = 100) -> Sequence[TenantExit]:
        """Return the choices of a tenant, newest first: the first one counts.

        At most ``limit`` (1 to 1000). Raises UnknownTenant or WrongRegion.
        """
        check_tenant_id(tenant)
        check_limit(limit)
        served, _ = self._homes.find(tenant)
        today = served.region.clock.now().date()
        with served.region.catalog.begin() as connection:
            return exits.of_tenant(connection, tenant, today, limit)

    def _step(
        self,
        choice: UUID | str,
        decide: Decide,
        do: Callable[[OpenRegion, Connection, TenantExit], None],
        *,
        unless: ExitState | None = None,
    ) -> TenantExit:
        served, found = self._find(choice)
        region = served.region

        def work(connection: Connection) -> TenantExit:
            today = region.clock.now().date()
            known = exits.find(connection, found.id, today)
            if known is None:
                raise NotFound("No such choice in this region.")
            before, newest = known
            if before.state is unless and newest:
                return before
            person = roster.of_session(connection)
            decide(before, person, today, newest).demand()
            do(region, connection, before)
            return _noted(region, connection, found.id)

        return region.catalog.run(work)

    def _find(self, choice: UUID | str) -> tuple[ServedRegion, TenantExit]:
        wanted = as_uuid(choice, "a choice")

        def ask(
            served: ServedRegion, connection: Connection
        ) -> tuple[ServedRegion, TenantExit] | None:
            found = exits.find(connection, wanted, served.region.clock.now().date())
            return (served, found[0]) if found else None

        known = self._homes.first(ask)
        if known is None:
            raise NotFound("No such choice in the regions of this process.", advice="Check the id.")
        return known


def _choose(
    region: OpenRegion,
    connection: Connection,
    tenant: str,
    kind: ExitKind,
    *,
    on: date,
    document: str,
) -> TenantExit:
    now, person = region.clock.now(), roster.of_session(connection)
    tenants.check_known(connection, tenant)
    may_choose(person, on, now.date()).demand()
    new = TenantExit(
        region.new_uuid(now),
        tenant,
        kind,
        on,
        document,
        "" if person is None else person.actor,
        now,
        ExitState.CHOSEN,
    )
    exits.choose(connection, new, region.new_uuid(now), now)
    return _noted(region, connection, new.id)


def _noted(region: OpenRegion, connection: Connection, choice: UUID) -> TenantExit:
    """Return a choice as it is now, with a line of the log about it."""
    known = exits.find(connection, choice, region.clock.now().date())
    assert known is not None
    found = known[0]
    facts: log.Facts = {
        "tenant": found.tenant,
        "exit": str(found.id),
        "exit_kind": found.kind.value,
        "exit_on": found.on.isoformat(),
        "exit_state": found.state.value,
        "document": found.document,
        "notice": found.notice,
        "requested_by": found.requested_by,
        "confirmed_by": found.confirmed_by,
    }
    log.append(connection, LineKind.AGREEMENT, facts, region.clock.now(), region.entropy)
    return found
