"""``tenant ensure`` and ``tenant list``."""

from datetime import date
from typing import Annotated

from typer import Option

from storage.cli.options import AsJson, Limit, OneRegion, TenantId, opened
from storage.cli.output import document, note, table
from storage.errors import InvalidRequest
from storage.model import Agreement, DataClass, Dpa, TenantSpec

Retention = Annotated[
    list[str] | None,
    Option(metavar="CLASS=DAYS", help="Keep a class for fewer days; 0 stores nothing. Repeatable."),
]


def ensure(  # noqa: PLR0913 - one per option
    tenant: TenantId,
    *,
    account: Annotated[str, Option(help="The customer to whom it belongs.")],
    home: Annotated[str, Option(metavar="REGION", help="Where it lives: see region list.")],
    residency: Annotated[str, Option(help="What the customer asks for, for example EU.")],
    dpa: Annotated[
        str | None, Option(metavar="DATE", help="When its data processing agreement was signed.")
    ] = None,
    dpa_until: Annotated[
        str | None, Option(metavar="DATE", help="The first day on which that does not hold.")
    ] = None,
    retention: Retention = None,
    service: Annotated[str, Option(help="What it uses.")] = "api",
    dedicated: Annotated[bool, Option(help="Packs and day keys of its own.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a tenant, or bring it to exactly these terms. The same again changes nothing.

    Account and home cannot be changed.
    """
    spec = TenantSpec(
        tenant,
        account,
        home,
        residency,
        service,
        _agreements(dpa, dpa_until),
        dict(_days(given) for given in retention or ()),
        dedicated,
    )
    with opened() as store:
        store.admin.tenants.ensure(spec)
    if as_json:
        document({"tenant": spec})
    else:
        note(f"Tenant {tenant} is at home in {home}.")
        if not spec.agreements:
            note("No agreement is on record: give --dpa DATE when one has been signed.")


def list_tenants(
    region: OneRegion = None,
    after: Annotated[str, Option(metavar="TENANT", help="Go on after this one.")] = "",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """The tenants at home in the regions that this process serves, by id."""
    with opened() as store:
        found: list[TenantSpec] = []
        for name in [region] if region else store.regions:
            found += store.admin.tenants.list(name, after=after, limit=limit)
    found = sorted(found, key=lambda spec: spec.id)
    page = found[:limit]
    following = page[-1].id if len(found) >= limit and page else None
    if as_json:
        document({"tenants": page, "next": following})
        return
    table(
        ("tenant", "account", "home", "residency", "agreements", "terms"),
        [(s.id, s.account, s.home, s.residency, _signed(s), _terms(s)) for s in page],
    )
    if following:
        note(f"There may be more: --after {following}")


def _signed(spec: TenantSpec) -> str:
    return ", ".join(_agreement(agreement) for agreement in spec.agreements) or "none"


def _agreement(agreement: Agreement) -> str:
    until = f" until {agreement.until}" if agreement.until else ""
    return f"{agreement.kind} {agreement.signed}{until}"


def _terms(spec: TenantSpec) -> str:
    days = [f"{name} {days} d" for name, days in sorted(spec.retention.items())]
    return ", ".join([*days, *(["dedicated"] if spec.dedicated else [])]) or "-"


def _agreements(signed: str | None, until: str | None) -> tuple[Agreement, ...]:
    if signed is None:
        if until is not None:
            raise InvalidRequest("--dpa-until goes with --dpa.")
        return ()
    return (Dpa(signed=_date(signed), until=_date(until) if until is not None else None),)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidRequest("That is no date.", advice="Give it as 2026-01-05.") from None


def _days(text: str) -> tuple[DataClass, int]:
    name, _, days = text.partition("=")
    try:
        return DataClass(name), int(days)
    except ValueError:
        names = ", ".join(DataClass)
        raise InvalidRequest(
            "--retention takes CLASS=DAYS.", advice=f"The classes are: {names}."
        ) from None
