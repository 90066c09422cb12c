"""``hold place``, ``list``, ``show``, ``release``, ``records`` and ``get``: legal holds."""

from datetime import UTC, datetime
from typing import Annotated

from rich.text import Text
from typer import Argument, Option

from storage.cli.error_handling import end_with_failed, failed_regions
from storage.cli.opening import chosen_regions, opened, opened_homes
from storage.cli.options import (
    AsJson,
    Limit,
    OneRegion,
    StdinOption,
    TenantId,
    one_of,
    parse_date,
    parse_scope,
    parse_time,
)
from storage.cli.output import (
    bad,
    format_minute,
    format_time,
    good,
    print_facts,
    print_json,
    print_note,
    print_page,
    print_value,
)
from storage.client.homes import ask_each
from storage.client.store import Store
from storage.model import DataClass, Hold, HoldSpec, PlacedHold
from storage.text import format_size, plural

HoldId = Annotated[str, Argument(metavar="HOLD", help="The hold's id.", show_default=False)]


_Matter = Annotated[str, Option(metavar="TEXT", help="The case. At most 200 characters.")]
_Authority = Annotated[str, Option(metavar="TEXT", help="The authority that demands it.")]
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
_ClassOption = Annotated[
    list[DataClass] | None,
    Option("--class", metavar="CLASS", help=f"Only this class. Repeatable. {one_of(DataClass)}"),
]
_MintedFrom = Annotated[
    str | None,
    Option("--from", metavar="TIME", help="Only ids minted at or after TIME (UTC)."),
]
_MintedTo = Annotated[
    str | None, Option("--to", metavar="TIME", help="Only ids minted before TIME (UTC).")
]


def place(  # noqa: PLR0913 - one per option
    tenant: TenantId,
    *,
    matter: _Matter,
    authority: _Authority,
    issuer: _Issuer,
    review: _Review,
    future: _Future,
    subject: _SubjectOption = None,
    group: _GroupOption = None,
    record: _RecordOption = None,
    everything: _Everything = False,
    data_class: _ClassOption = None,
    minted_from: _MintedFrom = None,
    minted_to: _MintedTo = None,
    as_json: AsJson = False,
) -> None:
    """Place a legal hold: until it is released, nothing destroys the records it covers.

    The output names what the hold came too late for: expiry days and erasures whose deletion had
    begun.
    """
    spec = HoldSpec(
        tenant,
        parse_scope(StdinOption(), subject, group, record, everything=everything),
        matter,
        authority,
        issuer,
        parse_date(review),
        future,
        tuple(data_class or ()),
        parse_time(minted_from),
        parse_time(minted_to),
    )
    with opened() as store:
        placed = store.admin.holds.place(spec)
    if as_json:
        print_json(placed)
    else:
        _show_placed(placed)


def release(
    hold: HoldId,
    *,
    why: Annotated[str, Option(metavar="TEXT", help="Why it ends. At most 200 characters.")],
    as_json: AsJson = False,
) -> None:
    """Release a hold. A worker then resumes the expiry and the erasures that it deferred."""
    with opened() as store:
        found = store.admin.holds.release(hold, why=why)
    if as_json:
        print_json({"hold": found})
    else:
        print_note(f"Released since {format_time(found.released)}.")


def show(hold: HoldId, as_json: AsJson = False) -> None:
    """Show what a hold covers, why, and since when."""
    with opened() as store:
        found = store.admin.holds.show(hold)
    if as_json:
        print_json({"hold": found})
        return
    print_facts(
        [
            ("hold", str(found.id)),
            ("tenant", f"{found.tenant} in {found.region}"),
            ("covers", _covers(found)),
            ("matter", found.matter),
            ("authority", found.authority),
            ("issuer", found.issuer),
            ("placed", format_time(found.placed)),
            ("review", str(found.review)),
            ("released", format_time(found.released, never="in force")),
            *([("reason", found.released_why)] if found.released_why else []),
        ]
    )


def list_holds(  # noqa: PLR0917 - one per option
    region: OneRegion = None,
    tenant: Annotated[
        str | None, Option(metavar="TENANT", help="Only holds on this tenant.")
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
    page = sorted(found, key=lambda hold: hold.id, reverse=True)[:limit]
    following = str(page[-1].id) if len(found) >= limit and page else None
    if as_json:
        print_json({"holds": page, "next": following} | failed_regions(failed))
        end_with_failed(failed, as_json=True)
        return
    print_page(
        ("hold", "state", "tenant", "placed (UTC)", "review", "covers"),
        [
            (
                str(h.id),
                _state(h),
                h.tenant,
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
    after: Annotated[
        str | None, Option(metavar="ID", help="Start after this record, for the next page.")
    ] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List the records that a hold keeps, oldest first. Erased and expired ones are included."""
    with opened() as store:
        found = store.admin.holds.records(hold, after=after, limit=limit)
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
    for day in placed.expiring:
        count = plural(day.records, "record")
        print_note(bad(f"Too late for {count} of {day.day}: they are expiring."))
    for erasure in placed.erasures:
        print_note(bad(f"Too late for what erasure {erasure} has already deleted."))


def _state(hold: Hold) -> Text:
    if hold.released is not None:
        return Text("released")
    return good("in force") if hold.review >= datetime.now(UTC).date() else bad("review overdue")


def _covers(hold: Hold) -> str:
    """Describe the scope for people. It never names a subject or a group."""
    what = {"tenant": "all records"}.get(hold.scope.value, f"one {hold.scope.value}")
    span = [
        *([", ".join(hold.classes)] if hold.classes else []),
        *([f"from {hold.minted_from:%Y-%m-%d %H:%M}"] if hold.minted_from else []),
        *([f"to {hold.minted_to:%Y-%m-%d %H:%M}"] if hold.minted_to else []),
        *(["records stored later too"] if hold.future else []),
    ]
    return "; ".join([what, *span])
