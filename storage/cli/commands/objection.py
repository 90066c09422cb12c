"""``tenant object``, ``tenant withdraw`` and ``tenant objections``."""

from typing import Annotated

from rich.text import Text
from typer import Argument, Option

from storage.cli.opening import opened
from storage.cli.options import AsJson, TenantId
from storage.cli.output import (
    bad,
    format_time,
    good,
    print_json,
    print_note,
    print_table,
    warning,
)
from storage.errors import ObjectionRefused
from storage.model import Objection
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


def list_objections(tenant: TenantId, as_json: AsJson = False) -> None:
    """List the objections of a tenant, also withdrawn ones, and what is left to move."""
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


def _state(one: Objection) -> Text:
    if one.withdrawn is not None:
        ended = f"{format_time(one.withdrawn)} by {one.withdrawn_by} ({one.withdrawn_ticket})"
        return Text(f"withdrawn {ended}")
    if one.left:
        left = f"{one.left:,} left to move"
        return bad(f"{left}; OVERDUE") if one.overdue else warning(left)
    if one.gone is None:
        return warning("not looked for yet: is a worker running?")
    return good(f"nothing is there since {format_time(one.gone)}")
