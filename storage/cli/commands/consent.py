"""``consent give|withdraw|opt-out|list|export``: what tenants and subjects say about consent."""

from collections.abc import Sequence
from typing import Annotated

from rich.text import Text
from typer import Argument, Option

from regions.model import CONSENT_PURPOSES, RECORD_CLASSES
from storage.catalog import consents
from storage.cli.opening import opened, opened_homes
from storage.cli.options import (
    AsJson,
    Limit,
    StdinOption,
    Subject,
    TenantId,
    check_digest,
    one_of,
    parse_date,
    parse_day_or_time,
)
from storage.cli.output import bad, format_time, good, print_json, print_note, print_page
from storage.client.homes import Homes
from storage.client.store import Store
from storage.errors import InvalidRequest
from storage.model import Consent, ConsentKind, DataClass, Purpose
from storage.policy import Statement, outlasting

_Classes = Annotated[
    list[DataClass], Option("--class", metavar="CLASS", help=one_of(RECORD_CLASSES))
]
_Purposes = Annotated[
    list[Purpose], Option("--purpose", metavar="PURPOSE", help=one_of(sorted(CONSENT_PURPOSES)))
]
_By = Annotated[str, Option(metavar="ID", help="Who said it: an opaque id.")]
_SAID = "When it was said: a time, or a UTC day."
_Given = Annotated[
    str | None,
    Option(metavar="TIME", help=f"{_SAID} A day counts from its beginning. Default: now."),
]
_Refused = Annotated[
    str | None, Option(metavar="TIME", help=f"{_SAID} A day counts from its end. Default: now.")
]
_After = Annotated[
    str | None, Option(metavar="CONSENT", help="Start after this one, for the next page.")
]


def give(  # noqa: PLR0913 - one per option
    tenant: TenantId,
    wording: Annotated[
        str,
        Argument(
            metavar="WORDING", help="SHA-256 of the text: see consents.toml", show_default=False
        ),
    ],
    *,
    classes: _Classes,
    purposes: _Purposes,
    by: _By,
    subject: Subject = None,
    given: _Given = None,
    covers_from: Annotated[
        str | None,
        Option(metavar="DATE", help="For what was submitted from then on. Default: its own day."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Record a consent of a tenant or, with --subject, of one of its end users."""
    check_digest(wording)
    since = None if covers_from is None else parse_date(covers_from)
    with opened() as store:
        said = store.consents.give(
            tenant,
            wording=wording,
            classes=classes,
            purposes=purposes,
            by=by,
            subject=StdinOption().read(subject),
            given=parse_day_or_time(given),
            covers_from=since,
        )
    _show(said, as_json=as_json)


def withdraw(
    tenant: TenantId,
    *,
    classes: _Classes,
    purposes: _Purposes,
    by: _By,
    subject: Subject = None,
    given: _Refused = None,
    as_json: AsJson = False,
) -> None:
    """Record that a consent is withdrawn. What was trained before is not undone."""
    name = StdinOption().read(subject)
    with opened_homes() as homes:
        said = Store(homes).consents.withdraw(
            tenant,
            classes=classes,
            purposes=purposes,
            by=by,
            subject=name,
            given=parse_day_or_time(given),
        )
        later = _later(homes, said, name)
    _show(said, later, as_json=as_json)


def opt_out(
    tenant: TenantId,
    *,
    classes: _Classes,
    purposes: _Purposes,
    by: _By,
    given: Annotated[str, Option(metavar="TIME", help=f"{_SAID} A day counts from its end.")],
    document: Annotated[str, Option(metavar="SHA256", help="Of what shows it.")],
    subject: Subject = None,
    as_json: AsJson = False,
) -> None:
    """Record a refusal of a time in which nobody was asked, with its true date."""
    check_digest(document)
    moment = parse_day_or_time(given)
    if moment is None:
        raise InvalidRequest("--given is missing.", advice="Say when it was said.")
    name = StdinOption().read(subject)
    with opened_homes() as homes:
        said = Store(homes).consents.opt_out(
            tenant,
            document=document,
            given=moment,
            classes=classes,
            purposes=purposes,
            by=by,
            subject=name,
        )
        later = _later(homes, said, name)
    _show(said, later, as_json=as_json)


def list_consents(
    tenant: TenantId,
    *,
    subject: Subject = None,
    after: _After = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List what a tenant and its end users said, in the order in which it was recorded."""
    with opened() as store:
        name = StdinOption().read(subject)
        found = store.consents.list(tenant, subject=name, after=after, limit=limit)
    following = str(found[-1].id) if len(found) == limit else None
    if as_json:
        print_json({"consents": found, "next": following})
        return
    print_page(
        ("consent", "said", "of", "classes", "purposes", "given (UTC)", "covers from", "by"),
        [
            (
                str(one.id),
                _kind(one),
                "a subject" if one.of_subject else "the tenant",
                ", ".join(one.classes),
                ", ".join(one.purposes),
                format_time(one.given),
                str(one.covers_from or "-"),
                one.by,
            )
            for one in found
        ],
        following,
    )


def export(
    tenant: TenantId,
    *,
    subject: Subject = None,
    after: _After = None,
    limit: Limit = 100,
    as_json: AsJson = False,  # noqa: ARG001 - there is no other form
) -> None:
    """Print consent records as JSON-LD: ISO/IEC TS 27560 in terms of the W3C DPV.

    With or without --json it is one JSON document.
    """
    with opened() as store:
        name = StdinOption().read(subject)
        records = store.consents.export(tenant, subject=name, after=after, limit=limit)
    print_json(records)


def _later(homes: Homes, said: Consent, subject: str | None) -> list[Statement]:
    """Return the consents that a refusal leaves in force. ``subject``: who refused, if any did."""
    region = homes.find(said.tenant)[0].region
    names = [] if subject is None else region.pseudonyms.all(said.tenant, "subject", subject)
    with region.catalog.begin() as connection:
        known = consents.said(connection, said.tenant, names, ended=True)
    return [one for x in known if x.id == said.id for one in outlasting(known, x)]


def _show(said: Consent, later: Sequence[Statement] | None = None, *, as_json: bool) -> None:
    """``later``: the consents that a refusal leaves in force."""
    if as_json:
        left = {} if later is None else {"later_consents": [one.id for one in later]}
        print_json({"consent": said} | left)
        return
    print_note(
        f"Recorded {said.kind.value} {said.id} by {said.recorded_by}. "
        f"It counts from {format_time(said.given)} on."
    )
    for one in later or ():
        print_note(
            f"Consent {one.id} was given later, at {format_time(one.given)}, and stays in force. "
            "To end it: domicile consent withdraw, without --given"
        )


def _kind(said: Consent) -> Text:
    return good("consent") if said.kind is ConsentKind.OPT_IN else bad(said.kind.value)
