"""Record what tenants and subjects say about consent.

It is in the ledger: a catalog that is restored from a backup would otherwise have the consent, and
not its withdrawal.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from sqlalchemy import Connection

from regions.model import DataClass, Purpose
from storage.catalog import consents, roster, tenants
from storage.errors import TermsChanged
from storage.events import NewConsent
from storage.ledger.consent_names import seal_subject
from storage.ledger.fence import check_event
from storage.ledger.journal import commit_event
from storage.model import Consent, ConsentKind
from storage.policy import Statement, may_state, moment_of, not_before
from storage.region import OpenRegion

_TRIES: Final = 3  # to record a refusal while its holder says other things


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

    Raises ConsentRefused, UnknownTenant or TermsChanged, and what ``commit_event`` raises.
    """
    for _ in range(_TRIES):
        try:
            return _state(region, tenant, said)
        except _Overtaken:
            continue
    raise TermsChanged(advice="Try again.")


class _Overtaken(TermsChanged):
    """Somebody spoke while it was being recorded, at a time that is later."""


def _state(region: OpenRegion, tenant: str, said: Said) -> Consent:
    names = [] if said.subject is None else region.pseudonyms.all(tenant, "subject", said.subject)
    with region.catalog.begin() as connection:
        before = consents.said(connection, tenant, names)
        made = tenants.created(connection, [tenant]).get(tenant)
        _, login = roster.session(connection)
    now = region.clock.now()  # after a look at what was said: what is not in it came later
    new = _new(region, tenant, said, before, names=names, login=login, now=max(now, made or now))
    statement, known = _statement(new), {x.id for x in before}

    def check(connection: Connection) -> None:
        check_event(region, connection, tenant)
        others = consents.said(connection, tenant, names)
        if _given(said, others, names, new.recorded) > new.given:
            raise _Overtaken
        if tenants.created(connection, [tenant])[tenant] > new.recorded:  # it is another tenant
            raise TermsChanged(advice="Try again.")
        latest = max(region.clock.now(), new.recorded)
        if statement.refuses:
            latest = not_before(others, names, latest)
        wordings = region.topology.wordings
        may_state(wordings, statement, others, now=latest, known=known).demand()

    with region.catalog.begin() as connection:  # what is refused needs no entry
        check(connection)
    commit_event(region, new, check)
    with region.catalog.begin() as connection:
        found = consents.find(connection, new.id)
    assert found is not None
    return found


def _given(
    said: Said, others: Iterable[Statement], names: Collection[bytes], now: datetime
) -> datetime:
    """Return when it was said: a refusal of now not before what its holder said until now."""
    if said.kind is not ConsentKind.OPT_IN and not isinstance(said.given, datetime):
        now = not_before(others, names, now)
    return moment_of(said.kind, said.given or now, now)


def _new(
    region: OpenRegion,
    tenant: str,
    said: Said,
    before: Iterable[Statement],
    *,
    names: Collection[bytes],
    login: str,
    now: datetime,
) -> NewConsent:
    number, sealed = region.new_uuid(now), None
    if said.subject is not None:
        sealed = seal_subject(region.roots, region.entropy, said.subject, number)
    given = _given(said, before, names, now)
    opts_in = said.kind is ConsentKind.OPT_IN
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
