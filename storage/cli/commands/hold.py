"""``hold place``, ``list``, ``show``, ``records`` and ``get``: legal holds."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated

from rich.text import Text
from typer import Argument, Option

from regions.model import RECORD_CLASSES
from storage.cli.error_handling import end_with_failed, failed_regions
from storage.cli.opening import chosen_regions, opened, opened_homes
from storage.cli.options import (
    AsJson,
    Limit,
    MintedFrom,
    MintedTo,
    OneRegion,
    StdinOption,
    one_of,
    parse_date,
    parse_scope,
    parse_time,
)
from storage.cli.output import (
    bad,
    format_minute,
    format_named,
    format_time,
    good,
    print_facts,
    print_json,
    print_note,
    print_page,
    print_value,
    warning,
)
from storage.client.homes import ask_each
from storage.client.store import Store
from storage.model import (
    CarveOut,
    DataClass,
    Hold,
    HoldChange,
    HoldSpec,
    PlacedHold,
    ScopeKind,
)
from storage.policy import confirmation_overdue, needs_attention
from storage.settings import load_settings, topology_of
from storage.text import format_size, plural

HoldId = Annotated[str, Argument(metavar="HOLD", help="The hold's id.", show_default=False)]

_MaybeTenant = Annotated[
    str | None,
    Argument(
        metavar="TENANT", help="The tenant's id, unless it is about several.", show_default=False
    ),
]
_Matter = Annotated[str, Option(metavar="TEXT", help="The case. At most 200 characters.")]
_Authority = Annotated[str, Option(metavar="TEXT", help="The authority that demands it.")]
_Jurisdiction = Annotated[
    str,
    Option(
        "--jurisdiction",
        metavar="CODE",
        help="That of the authority, as the topology names it, for example EU.",
    ),
]
_Document = Annotated[str, Option(metavar="SHA256", help="The SHA-256 of the order.")]
_Issuer = Annotated[str, Option(metavar="ID", help="The person who places it.")]
_Review = Annotated[str, Option(metavar="DATE", help="When to review it, as 2027-01-15.")]
_Future = Annotated[
    bool, Option("--future/--no-future", help="Whether it covers records stored later.")
]
_SubjectOption = Annotated[
    str | None, Option(metavar="NAME", help="Hold an end user. - reads stdin.")
]
_GroupOption = Annotated[
    str | None, Option(metavar="NAME", help="Hold a conversation. - reads stdin.")
]
_RecordOption = Annotated[str | None, Option(metavar="ID", help="Hold one record.")]
_Everything = Annotated[bool, Option("--all", help="Hold all records of the tenant.")]
_AccountOption = Annotated[
    str | None, Option(metavar="ACCOUNT", help="Hold all tenants of an account in --region.")
]
_RegionWide = Annotated[bool, Option("--region-wide", help="Hold everything in --region.")]
_RegionOption = Annotated[
    str | None, Option(metavar="REGION", help="Where, for --account and --region-wide.")
]
_ExcludeTenant = Annotated[
    list[str] | None, Option(metavar="TENANT", help="But not this tenant. Repeatable.")
]
_ExcludeAccount = Annotated[
    list[str] | None, Option(metavar="ACCOUNT", help="But not this account. Repeatable.")
]
_WhoseOption = Annotated[
    str | None, Option("--tenant", metavar="TENANT", help="Whose, if the hold is on several.")
]
ClassOption = Annotated[
    list[DataClass] | None,
    Option(
        "--class", metavar="CLASS", help=f"Only this class. Repeatable. {one_of(RECORD_CLASSES)}"
    ),
]


def place(  # noqa: PLR0913 - one per option
    tenant: _MaybeTenant = None,
    *,
    matter: _Matter,
    authority: _Authority,
    authority_jurisdiction: _Jurisdiction,
    document: _Document,
    issuer: _Issuer,
    review: _Review,
    future: _Future,
    subject: _SubjectOption = None,
    group: _GroupOption = None,
    record: _RecordOption = None,
    everything: _Everything = False,
    account: _AccountOption = None,
    region_wide: _RegionWide = False,
    region: _RegionOption = None,
    data_class: ClassOption = None,
    minted_from: MintedFrom = None,
    minted_to: MintedTo = None,
    exclude_tenant: _ExcludeTenant = None,
    exclude_account: _ExcludeAccount = None,
    as_json: AsJson = False,
) -> None:
    """Place a legal hold: until it is released, nothing destroys the records it covers.

    The output names what the hold came too late for: expiry days and erasures whose deletion had
    begun. A second person must confirm it within 72 hours; it stays in force in any case.
    """
    spec = HoldSpec(
        tenant,
        parse_scope(
            StdinOption(),
            subject,
            group,
            record,
            everything=everything,
            account=account,
            region_wide=region_wide,
        ),
        matter=matter,
        authority=authority,
        authority_jurisdiction=authority_jurisdiction,
        document=document,
        issuer=issuer,
        review=parse_date(review),
        future=future,
        classes=tuple(data_class or ()),
        minted_from=parse_time(minted_from),
        minted_to=parse_time(minted_to),
        region=region,
        exclude=_excluded(exclude_tenant or (), exclude_account or ()),
    )
    with opened() as store:
        placed = store.admin.holds.place(spec)
    if as_json:
        print_json(placed)
    else:
        _show_placed(placed)


def _excluded(tenants: Sequence[str], accounts: Sequence[str]) -> tuple[CarveOut, ...]:
    if not tenants and not accounts:
        return ()
    return (CarveOut(tenants=tuple(tenants), accounts=tuple(accounts)),)


def show(hold: HoldId, as_json: AsJson = False) -> None:
    """Show what a hold covers, on whose authority, who stands for it, and what changed it."""
    with opened() as store:
        found = store.admin.holds.show(hold)
        changes = store.admin.holds.changes(hold)
    if as_json:
        print_json({"hold": found, "changes": changes})
        return
    print_facts(
        [
            ("hold", str(found.id)),
            ("about", f"{whose(found)} in {found.region}"),
            ("covers", _covers(found)),
            *(("but not", describe(part)) for part in found.carve_outs),
            ("state", _state(found, _jurisdiction(found.region))),
            ("matter", found.matter),
            ("authority", f"{found.authority} ({found.authority_jurisdiction or 'not noted'})"),
            ("document", found.document or "not noted"),
            ("issuer", found.issuer),
            ("placed", format_time(found.placed)),
            ("stands for it", found.sponsor or "nobody of the roster yet"),
            ("confirmed", _confirmed(found)),
            *(("decision", one) for one in _decision(found)),
            ("review", str(found.review)),
            ("released", format_time(found.released, never="in force")),
            *([("reason", found.released_why)] if found.released_why else []),
            *(fact for change in changes for fact in _change(change)),
        ]
    )


def _confirmed(hold: Hold) -> Text:
    if hold.confirmed is not None:
        return Text(f"{hold.confirmed_by}, {format_time(hold.confirmed)}")
    until = f"not yet; due by {format_time(hold.confirm_by)}"
    return bad(until) if confirmation_overdue(hold, datetime.now(UTC)) else warning(until)


def _decision(hold: Hold) -> Iterator[str]:
    found = hold.decision
    if found is not None:
        verdict = "may be read" if found.permitted else "must NOT be read"
        people = f"{found.requested_by} and {found.approved_by}"
        yield f"{verdict}, {people}, {format_time(found.at)}, document {found.document}"


def _change(change: HoldChange) -> Iterator[tuple[str, str | Text]]:
    """Yield all that a second person has to know before approving the change."""
    asked = f"{change.kind} {change.id}, requested by {change.requested_by}"
    if change.approved is None:
        yield "change", warning(f"{asked}, {format_time(change.requested)}, waits for approval")
    else:
        said = f"approved by {change.approved_by}, {format_time(change.approved)}"
        yield "change", f"{asked}, {said}"
    for part in change.carve_outs:
        yield "  lets go", describe(part)
    if change.permitted is not None:
        verdict = "may be read" if change.permitted else "must NOT be read"
        yield "  says", f"what it keeps {verdict}, document {change.document}"
    if change.why is not None:
        yield "  why", change.why


def list_holds(  # noqa: PLR0917 - one per option
    region: OneRegion = None,
    tenant: Annotated[
        str | None, Option(metavar="TENANT", help="Only holds that may cover this tenant.")
    ] = None,
    released: Annotated[bool, Option("--released", help="Include released holds.")] = False,
    after: Annotated[
        str | None, Option(metavar="HOLD", help="Start after this hold, for the next page.")
    ] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List the holds in the regions that this process serves, newest first."""
    with opened_homes() as homes:
        store = Store(homes)
        pages, failed = ask_each(
            chosen_regions(homes, region),
            lambda name: store.admin.holds.list(
                name, tenant=tenant, released=released, after=after, limit=limit
            ),
        )
        found = [one for some in pages.values() for one in some]
        if tenant is not None and after is None and not found and not failed:
            homes.find(tenant)
    page = sorted(found, key=lambda hold: hold.id, reverse=True)[:limit]
    following = str(page[-1].id) if len(found) >= limit and page else None
    if as_json:
        print_json({"holds": page, "next": following} | failed_regions(failed))
        end_with_failed(failed, as_json=True)
        return
    print_page(
        ("hold", "state", "about", "placed (UTC)", "review", "covers"),
        [
            (
                str(h.id),
                _state(h, _jurisdiction(h.region)),
                whose(h),
                format_minute(h.placed),
                str(h.review),
                _covers(h),
            )
            for h in page
        ],
        following,
    )
    end_with_failed(failed, as_json=False)


def records(
    hold: HoldId,
    tenant: _WhoseOption = None,
    after: Annotated[
        str | None, Option(metavar="ID", help="Start after this record, for the next page.")
    ] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List the records that a hold keeps, oldest first. Erased and expired ones are included."""
    with opened() as store:
        found = store.admin.holds.records(hold, tenant=tenant, after=after, limit=limit)
    following = str(found[-1].id) if len(found) == limit else None
    if as_json:
        print_json({"records": found, "next": following})
        return
    print_page(
        ("record", "size", "written (UTC)"),
        [(str(info.id), format_size(info.size), format_minute(info.written)) for info in found],
        following,
    )


def _show_placed(placed: PlacedHold) -> None:
    print_value(str(placed.hold.id))
    print_note(f"It keeps {plural(placed.records, 'existing record')}.")
    due = format_time(placed.hold.confirm_by)
    print_note(f"A second person must confirm it by {due}: domicile hold confirm")
    for day in placed.expiring:
        count = plural(day.records, "record")
        print_note(bad(f"Too late for {count} of {day.day}: they are expiring."))
    for erasure in placed.erasures:
        print_note(bad(f"Too late for what erasure {erasure} has already deleted."))


def _jurisdiction(region: str) -> str:
    return topology_of(load_settings()).regions[region].jurisdiction


def _state(hold: Hold, jurisdiction: str) -> Text:
    if hold.released is not None:
        return Text("released")
    now = datetime.now(UTC)
    todo = [*needs_attention(hold, jurisdiction, now)]
    if hold.review < now.date():
        todo.append("review overdue")
    return bad(", ".join(todo)) if todo else good("in force")


def whose(hold: Hold) -> str:
    """Say whom a hold is about."""
    return hold.tenant or (f"account {hold.account}" if hold.account else "everybody")


def _covers(hold: Hold) -> str:
    """Describe the scope for people. It never names a subject or a group."""
    everything = (ScopeKind.TENANT, ScopeKind.ACCOUNT, ScopeKind.REGION)
    scoped = format_named(hold.scope, hold.named)
    what = "all records" if hold.scope in everything else scoped
    span = _span(hold.classes, hold.minted_from, hold.minted_to)
    later = ["records stored later too"] if hold.future else []
    return "; ".join([what, *span, *later])


def describe(part: CarveOut) -> str:
    """Describe what a hold does not keep."""
    names = [*part.tenants, *(f"account {name}" for name in part.accounts)]
    listed = [" or ".join(names)] if names else []
    return "; ".join([*listed, *_span(part.classes, part.minted_from, part.minted_to)])


def _span(
    classes: Sequence[DataClass], since: datetime | None, until: datetime | None
) -> Iterator[str]:
    if classes:
        yield ", ".join(classes)
    if since:
        yield f"from {since:%Y-%m-%d %H:%M}"
    if until:
        yield f"to {until:%Y-%m-%d %H:%M}"
