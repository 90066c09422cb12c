"""``tenant object``, ``tenant withdraw`` and ``tenant objections``."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from rich.text import Text
from typer import Argument, Option

from storage.cli.error_handling import end_with_failed, failed_regions
from storage.cli.opening import opened, opened_homes
from storage.cli.options import AsJson, Limit, TenantId
from storage.cli.output import (
    bad,
    format_time,
    good,
    print_json,
    print_note,
    print_page,
    print_table,
    warning,
)
from storage.client.homes import ask_each
from storage.client.objections import all_in_force
from storage.errors import InvalidRequest, ObjectionRefused
from storage.model import Loss, Objection, TenantObjection
from storage.settings import load_settings, topology_of
from storage.text import did_you_mean, plural

_Company = Annotated[
    str,
    Argument(
        metavar="COMPANY",
        help="Its name. See: domicile subprocessor list",
        show_default=False,
    ),
]
_By = Annotated[str, Option(metavar="ID", help="Who decided it for the customer: an opaque id.")]
_Ticket = Annotated[str, Option(metavar="TEXT", help="Your own reference. No personal data.")]


def object_(
    tenant: TenantId, company: _Company, *, by: _By, ticket: _Ticket, as_json: AsJson = False
) -> None:
    """Note that a tenant objects to a sub-processor: nothing of it goes there any more.

    What is stored there is moved by the workers. If the region cannot do without the company, the
    objection is refused, and the error says what would help.
    """
    with opened() as store:
        try:
            effect = store.tenant(tenant).object(company, by=by, ticket=ticket)
        except ObjectionRefused as error:
            if "unknown_company" in error.reasons:
                known = topology_of(load_settings()).sub_processors
                error.advice = f"{did_you_mean(company, known)} {error.advice}".strip()
            raise
    if as_json:
        print_json({"effect": effect, "fewer_replicas": effect.fewer_replicas})
        return
    print_note(f"Nothing of {tenant} goes to {company} any more.")
    print_note(f"Its data may be on: {', '.join(effect.places)}.")
    print_note(f"What is stored at {company} is moved by {effect.due}.")
    if effect.fewer_replicas:
        places = plural(len(effect.places), "place")
        print_note(
            warning(
                f"The region wants {effect.replicas} replicas, and {places} left for this tenant: "
                "each record has fewer."
            )
        )
    if effect.too_few_from is not None:
        print_note(
            warning(
                f"From {effect.too_few_from} on too few places are left, and writes are refused."
            )
        )
    print_note(f"Follow it: domicile tenant objections {tenant}")


def withdraw(
    tenant: TenantId, company: _Company, *, by: _By, ticket: _Ticket, as_json: AsJson = False
) -> None:
    """Withdraw an objection. The company may get new data of the tenant again."""
    with opened() as store:
        store.tenant(tenant).withdraw(company, by=by, ticket=ticket)
    if as_json:
        print_json({"tenant": tenant, "company": company, "objects": False})
    else:
        print_note(f"{tenant} does not object to {company} any more.")


def list_objections(
    tenant: Annotated[
        str | None, Argument(metavar="[TENANT]", help="The tenant's id.", show_default=False)
    ] = None,
    after: Annotated[
        str, Option(metavar="TENANT", help="Start after this tenant, for the next page.")
    ] = "",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List the objections of a tenant, also withdrawn ones, and what is left to move.

    Without TENANT: those in force of all tenants, at most N tenants a page, as workers saw them
    last.
    """
    if tenant is None:
        _list_all(after, limit, as_json=as_json)
        return
    if after:
        raise InvalidRequest("--after is for all tenants.", advice="Leave out TENANT.")
    with opened() as store:
        found = store.tenant(tenant).objections()
    if as_json:
        print_json({"objections": found})
        return
    print_table(
        ("company", "from (UTC)", "by", "ticket", "moved by", "state"),
        [
            (one.company, format_time(one.at), one.by, one.ticket, str(one.due or "-"), _state(one))
            for one in found
        ],
    )


def _list_all(after: str, limit: int, *, as_json: bool) -> None:
    with opened_homes() as homes:
        pages, failed = ask_each(
            homes.names,
            lambda name: all_in_force(homes.served(name).region, after=after, limit=limit),
        )
    found = [one for some in pages.values() for one in some]
    ids = sorted({one.tenant for one in found})
    chosen = set(ids[:limit])
    following = ids[limit - 1] if len(ids) >= limit else None
    page = sorted(
        (one for one in found if one.tenant in chosen), key=lambda one: (one.tenant, one.company)
    )
    if as_json:
        print_json({"objections": page, "next": following} | failed_regions(failed))
    else:
        heads = ("tenant", "company", "region", "from (UTC)", "by", "ticket", "moved by", "state")
        print_page(heads, [_row(one) for one in page], following)
    end_with_failed(failed, as_json=as_json)


def _row(one: TenantObjection) -> tuple[str | Text, ...]:
    shown = (one.tenant, one.company, one.region, format_time(one.at), one.by, one.ticket)
    return (*shown, str(one.due or "-"), _progress(one))


def _progress(one: TenantObjection) -> Text:
    if one.gone is not None:
        return _done(one.gone, one.lost)
    return bad("not done; OVERDUE") if one.overdue else warning("not done")


def _state(one: Objection) -> Text:
    if one.withdrawn is not None:
        ended = f"{format_time(one.withdrawn)} by {one.withdrawn_by} ({one.withdrawn_ticket})"
        return Text(f"withdrawn {ended}")
    if one.left:
        left = f"{one.left:,} left to move"
        return bad(f"{left}; OVERDUE") if one.overdue else warning(left)
    if one.gone is None:
        return warning(f"not confirmed yet: workers look from {format_time(one.look_at)} on")
    return _done(one.gone, one.lost)


def _done(gone: datetime, lost: Sequence[Loss]) -> Text:
    """Return since when nothing is there, and who says so of what nobody sees absent."""
    since = f"nothing is there since {format_time(gone)}"
    if not lost:
        return good(since)
    attested = (f"{x.backend} lost on {x.lost:%Y-%m-%d}, by {x.actor}" for x in lost)
    return warning(f"attested: storage of {'; '.join(attested)}; else {since}")
