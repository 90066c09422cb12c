"""Record what tenants and subjects say about consent.

It is in the ledger: a catalog that is restored from a backup would otherwise have the consent, and
not its withdrawal.
"""

from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import Connection

from regions.model import DataClass, Purpose
from storage.catalog import consents, roster
from storage.events import NewConsent
from storage.ledger.consent_names import seal_subject
from storage.ledger.fence import check_event
from storage.ledger.journal import commit_event
from storage.model import Consent, ConsentKind
from storage.policy import Statement, may_state, moment_of, not_before
from storage.region import OpenRegion


@dataclass(frozen=True, slots=True)
class Said:
    """What is to be recorded. ``given``: a UTC day if no time is known; None for now.

    ``covers_from``: None for the day on which it was given.
    """

    kind: ConsentKind
    classes: frozenset[DataClass]
    purposes: frozenset[Purpose]
    by: str = field(repr=False)
    subject: str | None = field(default=None, repr=False)
    wording: str | None = None
    given: datetime | date | None = None
    covers_from: date | None = None
    document: str | None = None


def state(region: OpenRegion, tenant: str, said: Said) -> Consent:
    """Record what was said. It counts from the return on.

    Raises ConsentRefused or UnknownTenant, and what ``commit_event`` raises.
    """
    new = _new(region, tenant, said)
    statement = _statement(new)

    def check(connection: Connection) -> None:
        check_event(region, connection, tenant)
        others = consents.said(connection, tenant, statement.subjects)
        wordings, now = region.topology.wordings, max(region.clock.now(), new.recorded)
        may_state(wordings, statement, others, now=now).demand()

    with region.catalog.begin() as connection:  # what is refused needs no entry
        check(connection)
    commit_event(region, new, check)
    with region.catalog.begin() as connection:
        found = consents.find(connection, new.id)
    assert found is not None
    return found


def _new(region: OpenRegion, tenant: str, said: Said) -> NewConsent:
    now = region.clock.now()
    number, sealed, names = region.new_uuid(now), None, list[bytes]()
    if said.subject is not None:
        sealed = seal_subject(region.roots, region.entropy, said.subject, number)
        names = region.pseudonyms.all(tenant, "subject", said.subject)
    opts_in = said.kind is ConsentKind.OPT_IN
    with region.catalog.begin() as connection:
        _, login = roster.session(connection)
        if not opts_in and not isinstance(said.given, datetime):
            now = not_before(consents.said(connection, tenant, names), names, now)
    given = moment_of(said.kind, said.given or now, now)
    return NewConsent(
        id=number,
        tenant=tenant,
        said=said.kind,
        match_values=tuple(names),
        sealed_name=sealed,
        wording=said.wording,
        classes=tuple(sorted(said.classes)),
        purposes=tuple(sorted(said.purposes)),
        by=said.by,
        given=given,
        covers_from=(said.covers_from or given.date()) if opts_in else None,
        document=said.document,
        recorded=now,
        recorded_by=login,
    )


def _statement(new: NewConsent) -> Statement:
    return Statement(
        new.id,
        new.said,
        frozenset(new.match_values),
        new.wording,
        frozenset(new.classes),
        frozenset(new.purposes),
        new.given,
        new.covers_from,
        new.recorded,
    )
