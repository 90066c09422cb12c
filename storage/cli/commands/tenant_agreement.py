"""``tenant agreement add``, ``list`` and ``end``: the history of the agreements with a customer."""

from datetime import UTC, date, datetime
from typing import Annotated, get_args

from typer import Argument, Option

from regions.model import AgreementKind
from regions.words import begun_with_article
from storage.cli.opening import opened
from storage.cli.options import AsJson, TenantId, check_digest, one_of, parse_date
from storage.cli.output import (
    format_minute,
    print_json,
    print_note,
    print_table,
    print_value,
)
from storage.client.validate import as_uuid
from storage.errors import InvalidRequest
from storage.model import Agreement, RecordedAgreement
from storage.policy import current
from storage.text import did_you_mean

_KINDS = get_args(AgreementKind)
_AgreementId = Annotated[
    str, Argument(metavar="AGREEMENT", help="The entry's id.", show_default=False)
]


def add(  # noqa: PLR0913 - one per option
    tenant: TenantId,
    *,
    kind: Annotated[str, Option(metavar="KIND", help=one_of(_KINDS))],
    signed: Annotated[str, Option(metavar="DATE", help="When it was signed.")],
    document: Annotated[str, Option(metavar="SHA256", help="Of what was signed.")],
    signatory: Annotated[str, Option(metavar="NAME", help="Who signed it for the customer.")],
    since: Annotated[
        str | None,
        Option("--from", metavar="DATE", help="Its first day, if not that of the signature."),
    ] = None,
    until: Annotated[str | None, Option(metavar="DATE", help="The first day without it.")] = None,
    supersedes: Annotated[
        str | None, Option(metavar="AGREEMENT", help="The entry that it replaces.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Record an agreement that was signed. It may begin later. Nothing is ever changed."""
    check_digest(document)
    agreement = Agreement(
        _parse_kind(kind),
        parse_date(signed),
        None if until is None else parse_date(until),
        None if since is None else parse_date(since),
        document,
        signatory,
    )
    old = None if supersedes is None else as_uuid(supersedes, "an agreement")
    with opened() as store:
        found = store.admin.agreements.add(tenant, agreement, supersedes=old)
    if as_json:
        print_json({"agreement": found})
        return
    print_value(str(found.id))
    until_text = "" if until is None else f" until {until}"
    told = begun_with_article(f"{kind} agreement")
    print_note(f"{told} is in force from {agreement.begins}{until_text}.")


def list_agreements(
    tenant: TenantId,
    on: Annotated[
        str | None, Option(metavar="DATE", help="Only what is in force on that day.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List all agreements of a tenant, oldest first, also those that are over or superseded."""
    day = None if on is None else parse_date(on)
    with opened() as store:
        found = store.admin.agreements.list(tenant, on=day)
    if as_json:
        print_json({"agreements": found})
        return
    today = datetime.now(UTC).date()
    standing = {entry.id for entry in current(found)}
    print_table(
        ("agreement", "kind", "signed", "from", "until", "state", "recorded", "by"),
        [
            (
                str(entry.id),
                entry.agreement.kind,
                str(entry.agreement.signed),
                str(entry.agreement.begins),
                str(entry.agreement.until or "-"),
                _state(entry, today, superseded=entry.id not in standing),
                format_minute(entry.recorded),
                entry.recorded_by,
            )
            for entry in found
        ],
    )


def end(
    agreement: _AgreementId,
    *,
    until: Annotated[str, Option(metavar="DATE", help="The first day without it.")],
    as_json: AsJson = False,
) -> None:
    """Record that an agreement ends, also if that day has passed. What is stored stays."""
    day = parse_date(until)
    with opened() as store:
        found = store.admin.agreements.end(agreement, until=day)
    if as_json:
        print_json({"agreement": found})
        return
    print_value(str(found.id))
    print_note(f"The {found.agreement.kind} agreement ends: {day} is the first day without it.")
    if found.agreement.kind == "dpa":
        print_note("Record what becomes of the data: domicile tenant exit choose")


def _state(entry: RecordedAgreement, today: date, *, superseded: bool) -> str:
    if superseded:
        return "superseded"
    if entry.agreement.over(today):
        return "ended"
    return "in force" if entry.agreement.in_force(today) else "begins later"


def _parse_kind(text: str) -> AgreementKind:
    for kind in _KINDS:
        if kind == text:
            found: AgreementKind = kind
            return found
    advice = f"{did_you_mean(text, _KINDS)} {one_of(_KINDS)}".strip()
    raise InvalidRequest("Unknown kind of agreement.", advice=advice)
