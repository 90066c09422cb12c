"""``tenant exit choose``, ``notice``, ``confirm`` and ``list``: the end of a contract."""

from typing import Annotated

from typer import Argument, Option

from storage.cli.opening import opened
from storage.cli.options import AsJson, Limit, TenantId, check_digest, one_of, parse_date
from storage.cli.output import format_minute, print_json, print_note, print_table, print_value
from storage.model import ExitKind, TenantExit

_ChoiceId = Annotated[str, Argument(metavar="CHOICE", help="The choice's id.", show_default=False)]


def choose(
    tenant: TenantId,
    kind: Annotated[
        ExitKind, Argument(metavar="CHOICE", help=one_of(ExitKind), show_default=False)
    ],
    *,
    on: Annotated[str, Option(metavar="DATE", help="The UTC day on which it is erased.")],
    document: Annotated[str, Option(metavar="SHA256", help="Of the customer's instruction.")],
    as_json: AsJson = False,
) -> None:
    """Record what the customer chose: delete its data, or return and then delete it.

    It is carried out on that day, if the customer had notice, another person has confirmed it, and
    no data processing agreement was in force on that day or since. You are known by the login of
    catalog_url.
    """
    check_digest(document)
    day = parse_date(on)
    with opened() as store:
        found = store.admin.exits.choose(tenant, kind, on=day, document=document)
    if as_json:
        print_json({"exit": found})
        return
    print_value(str(found.id))
    print_note("Tell the customer, then record the notice: domicile tenant exit notice")


def notice(
    choice: _ChoiceId,
    *,
    document: Annotated[str, Option(metavar="SHA256", help="Of the notice.")],
    as_json: AsJson = False,
) -> None:
    """Record that the customer was told of the day, before that day."""
    check_digest(document)
    with opened() as store:
        found = store.admin.exits.notify(choice, document=document)
    if as_json:
        print_json({"exit": found})
        return
    print_note("A second person confirms it: domicile tenant exit confirm")


def confirm(choice: _ChoiceId, as_json: AsJson = False) -> None:
    """Confirm a choice that another person recorded; for return, that the data was returned."""
    with opened() as store:
        found = store.admin.exits.confirm(choice)
    if as_json:
        print_json({"exit": found})
        return
    print_note(f"Confirmed by {found.confirmed_by}.")
    print_note(f"A worker erases tenant {found.tenant} on {found.on}.")


def list_exits(tenant: TenantId, limit: Limit = 100, as_json: AsJson = False) -> None:
    """List the choices of a tenant, newest first. The first one counts."""
    with opened() as store:
        found = store.admin.exits.list(tenant, limit=limit)
    if as_json:
        print_json({"exits": found})
        return
    heads = ("choice", "kind", "on", "state", "requested by", "notified", "confirmed by")
    print_table(heads, [_row(one) for one in found])


def _row(one: TenantExit) -> tuple[str, ...]:
    return (
        str(one.id),
        one.kind,
        str(one.on),
        one.state.replace("_", " "),
        one.requested_by,
        format_minute(one.notified),
        one.confirmed_by or "-",
    )
