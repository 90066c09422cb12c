"""``store.consents``: what tenants and their subjects say about consent."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import TypeVar
from uuid import UUID

from storage.catalog import consents, pseudonym_keys
from storage.client.hold_checks import check_digest
from storage.client.homes import Homes
from storage.client.validate import (
    as_uuid,
    check_actor,
    check_class,
    check_limit,
    check_name,
    check_purpose,
    check_tenant_id,
    is_date,
)
from storage.errors import InvalidRequest
from storage.evidence.consents import consent_records
from storage.ledger.consents import Said, state
from storage.model import Consent, ConsentKind, DataClass, Purpose, utc

T = TypeVar("T")


class Consents:
    """Consent: given, withdrawn, and refused before anybody asked. Thread-safe.

    Nothing is consented to by default, and nothing that was said is ever changed: the newest
    statement counts, by the time at which it was made. A tenant speaks for all of its records, a
    ``subject`` for those about it. Its name is kept sealed.

    Arguments that several methods share:

    - ``classes``, ``purposes``: what it is about; at least one of each.
    - ``by``: who said it, an opaque id of at most 200 characters.
    - ``given``: when it was said, if that was earlier than now: a time, or a UTC day alone. Of a
      day a consent counts from its beginning, and a refusal from its end, or now if it is not over:
      so the refusal wins over every consent of that day.

    What is recorded is in the region's ledger and log. Every method that records may raise
    ConsentRefused, UnknownTenant, WrongRegion, LedgerUnwritten or Abandoned (nothing was recorded),
    and CatalogUnavailable if the answer was lost (see ``list``, then repeat the call).
    """

    def __init__(self, homes: Homes) -> None:
        """Use ``Store.consents`` instead."""
        self._homes = homes

    def give(
        self,
        tenant: str,
        *,
        wording: str,
        classes: Collection[DataClass],
        purposes: Collection[Purpose],
        by: str,
        subject: str | None = None,
        given: datetime | date | None = None,
        covers_from: date | None = None,
    ) -> Consent:
        """Record a consent to a wording of ``consents.toml``, which names classes and purposes.

        ``wording``: the SHA-256 of the text. ``covers_from``: it is for what was submitted from
        that day on; by default the day on which it was given. If it was withdrawn since it was
        given, it is refused.
        """
        check_digest("wording", wording)
        if covers_from is not None and not is_date(covers_from):
            raise InvalidRequest(
                "A consent covers from a date on.", advice="Pass date(2027, 1, 15)."
            )
        about = _some("classes", classes), _some("purposes", purposes)
        said = Said(ConsentKind.OPT_IN, *about, by, subject, wording, given, covers_from)
        return self._state(tenant, said)

    def withdraw(
        self,
        tenant: str,
        *,
        classes: Collection[DataClass],
        purposes: Collection[Purpose],
        by: str,
        subject: str | None = None,
        given: datetime | date | None = None,
    ) -> Consent:
        """Record that a consent is withdrawn, whatever its wording.

        Nothing that was consented to earlier is handed out for training any more, within seconds.
        What was handed out is on the list of ``store.training_runs.exclusions``. Models that were
        trained are not undone.
        """
        about = _some("classes", classes), _some("purposes", purposes)
        said = Said(ConsentKind.WITHDRAWAL, *about, by, subject, given=given)
        return self._state(tenant, said)

    def opt_out(
        self,
        tenant: str,
        *,
        document: str,
        given: datetime | date,
        classes: Collection[DataClass],
        purposes: Collection[Purpose],
        by: str,
        subject: str | None = None,
    ) -> Consent:
        """Record a refusal of a time in which nobody was asked, with its true date.

        ``document``: the SHA-256 of what shows it.
        """
        check_digest("document", document)
        about = _some("classes", classes), _some("purposes", purposes)
        said = Said(ConsentKind.OPT_OUT, *about, by, subject, given=given, document=document)
        return self._state(tenant, said)

    def list(
        self,
        tenant: str,
        *,
        subject: str | None = None,
        after: UUID | str | None = None,
        limit: int = 100,
    ) -> Sequence[Consent]:
        """Return what a tenant and its subjects said, in the order in which it was recorded.

        ``subject``: what that one said. At most ``limit`` (1 to 1000). To page, pass the last id as
        ``after``. What has ended is forgotten when ``jurisdictions.toml`` says.
        """
        check_limit(limit)
        last = None if after is None else as_uuid(after, "a consent")
        return [one for one, _ in self._page(tenant, subject, last, limit)]

    def export(
        self,
        tenant: str,
        *,
        subject: str | None = None,
        after: UUID | str | None = None,
        limit: int = 100,
    ) -> dict[str, object]:
        """Return consent records as JSON-LD: fields of ISO/IEC TS 27560:2023 in terms of W3C DPV.

        One for each statement, as ``list`` pages them. A subject has the name that is given here,
        or an opaque id that all its records share. See ``storage.evidence.consents`` for the terms.
        """
        check_limit(limit)
        last = None if after is None else as_uuid(after, "a consent")
        found = self._page(tenant, subject, last, limit)
        served, terms = self._homes.find(tenant)
        return consent_records(
            served.region.topology, served.region.region, terms.spec, found, name=subject
        )

    def _page(
        self, tenant: str, subject: str | None, after: UUID | None, limit: int
    ) -> Sequence[tuple[Consent, tuple[bytes, ...]]]:
        check_tenant_id(tenant)
        check_name("subject", subject)
        region = self._homes.find(tenant)[0].region
        names = region.pseudonyms
        with region.catalog.begin() as connection:
            pseudonyms: Sequence[bytes] = ()
            if subject is not None:
                pseudonym_keys.check_complete(connection, region.name, names.versions)
                pseudonyms = names.all(tenant, "subject", subject)
            return consents.page(connection, tenant, subjects=pseudonyms, after=after, limit=limit)

    def _state(self, tenant: str, said: Said) -> Consent:
        check_tenant_id(tenant)
        served, _ = self._homes.find(tenant)
        return state(served.region, tenant, _checked(said))


def _checked(said: Said) -> Said:
    """Check what every statement has. Raises InvalidRequest, UnknownClass or NaiveDatetime."""
    check_actor(said.by)
    check_name("subject", said.subject)
    for data_class in said.classes:
        check_class(data_class)
    for purpose in said.purposes:
        check_purpose(purpose)
    given: object = said.given
    if given is None:
        return said
    if is_date(given):
        return said
    if not isinstance(given, datetime):
        raise InvalidRequest(
            "given must be a datetime, or a date.", advice="Pass a datetime with a time zone."
        )
    return replace(said, given=utc(given))


def _some(what: str, given: Collection[T]) -> frozenset[T]:
    """Return what a statement is about, as a set. Raises InvalidRequest if that is nothing."""
    named: object = given
    if isinstance(named, str) or not isinstance(named, Collection) or not given:
        raise InvalidRequest(f"{what} must name at least one.", advice=f"Pass a list of {what}.")
    return frozenset(given)
