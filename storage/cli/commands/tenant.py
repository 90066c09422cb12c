"""``tenant ensure``, ``tenant list`` and ``tenant remove``: the customers' projects."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from typer import Option

from regions.model import RECORD_CLASSES, Topology
from storage.cli.error_handling import end_with_failed, failed_regions
from storage.cli.opening import chosen_regions, opened, opened_homes
from storage.cli.options import AsJson, Limit, OneRegion, TenantId, one_of, parse_date
from storage.cli.output import print_json, print_note, print_page
from storage.client.homes import ask_each
from storage.client.store import Store
from storage.errors import InvalidRequest, Refused
from storage.model import Agreement, DataClass, Dpa, TenantSpec, Trait
from storage.settings import load_settings, topology_of
from storage.text import did_you_mean

Retention = Annotated[
    list[str] | None,
    Option(metavar="CLASS=DAYS", help="Keep a class for fewer days. 0: store nothing. Repeatable."),
]


_AccountOption = Annotated[str, Option(metavar="ID", help="The customer it belongs to.")]
_HomeRegion = Annotated[
    str, Option(metavar="REGION", help="Its home region. See: domicile region list")
]
_Residency = Annotated[
    str,
    Option(metavar="JURISDICTION", help="The residency the customer asked for, for example EU."),
]
_Dpa = Annotated[
    str | None, Option(metavar="DATE", help="When its data processing agreement was signed.")
]
_DpaUntil = Annotated[
    str | None, Option(metavar="DATE", help="The first day without that agreement.")
]
_Service = Annotated[str, Option(metavar="NAME", help="The service it uses.")]
_Dedicated = Annotated[bool, Option(help="Give it its own packs and day keys.")]
_Traits = Annotated[
    list[Trait] | None,
    Option(
        "--trait",
        metavar="TRAIT",
        help=f"Who may look into its content, as it asked. {one_of(Trait)} Repeatable.",
    ),
]


def ensure(  # noqa: PLR0913 - one per option
    tenant: TenantId,
    *,
    account: _AccountOption,
    home: _HomeRegion,
    residency: _Residency,
    dpa: _Dpa = None,
    dpa_until: _DpaUntil = None,
    retention: Retention = None,
    service: _Service = "api",
    dedicated: _Dedicated = False,
    trait: _Traits = None,
    as_json: AsJson = False,
) -> None:
    """Create a tenant, or set its terms to exactly these. A repetition changes nothing.

    An agreement is added to its history, unless it is there. The account and the home of an
    existing tenant cannot be changed.
    """
    spec = TenantSpec(
        tenant,
        account,
        home,
        residency,
        service,
        _agreements(dpa, dpa_until),
        _parse_retentions(retention or ()),
        dedicated,
        frozenset(trait or ()),
    )
    with opened() as store:
        try:
            store.admin.tenants.ensure(spec)
        except Refused as error:
            _suggest(error, spec, topology_of(load_settings()))
            raise
        signed = spec.agreements or store.admin.agreements.list(tenant)
    if as_json:
        print_json({"tenant": spec})
    else:
        print_note(f"The home of tenant {tenant} is {home}.")
        if not signed:
            print_note("No agreement is recorded. Give --dpa DATE when one is signed.")


def list_tenants(
    region: OneRegion = None,
    after: Annotated[
        str, Option(metavar="TENANT", help="Start after this tenant, for the next page.")
    ] = "",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List the tenants whose home is a region that this process serves, by id."""
    with opened_homes() as homes:
        store = Store(homes)
        pages, failed = ask_each(
            chosen_regions(homes, region),
            lambda name: store.admin.tenants.list(name, after=after, limit=limit),
        )
    found = [one for some in pages.values() for one in some]
    found = sorted(found, key=lambda spec: spec.id)
    page = found[:limit]
    following = page[-1].id if len(found) >= limit and page else None
    if as_json:
        print_json({"tenants": page, "next": following} | failed_regions(failed))
        end_with_failed(failed, as_json=True)
        return
    print_page(
        ("tenant", "account", "home", "residency", "agreements", "terms"),
        [(s.id, s.account, s.home, s.residency, _signed(s), _terms(s)) for s in page],
        following,
    )
    end_with_failed(failed, as_json=False)


def remove(tenant: TenantId, as_json: AsJson = False) -> None:
    """Remove a tenant of which nothing is left. The history of its agreements stays.

    It erases nothing, and is refused while the tenant has a record, an erasure that is not
    complete, a hold in force or a copy at a processor. Complete erasures and their receipts stay.
    """
    with opened() as store:
        store.admin.tenants.remove(tenant)
    if as_json:
        print_json({"tenant": tenant, "removed": True})
    else:
        print_note(f"Tenant {tenant} is removed.")


def _suggest(error: Refused, spec: TenantSpec, topology: Topology) -> None:
    """Name the region or jurisdiction that a refused tenant may have meant."""
    if "unknown_home" in error.reasons:
        hint = did_you_mean(spec.home, topology.regions)
    elif "unknown_residency" in error.reasons:
        hint = did_you_mean(spec.residency, topology.jurisdictions)
    else:
        return
    error.advice = f"{hint} {error.advice}".strip()


def _signed(spec: TenantSpec) -> str:
    return ", ".join(_agreement(agreement) for agreement in spec.agreements) or "none"


def _agreement(agreement: Agreement) -> str:
    until = f" until {agreement.until}" if agreement.until else ""
    if agreement.until is not None and agreement.until <= datetime.now(UTC).date():
        until += " (ended)"
    begins = f" from {agreement.begins}" if agreement.begins != agreement.signed else ""
    return f"{agreement.kind} {agreement.signed}{begins}{until}"


def _terms(spec: TenantSpec) -> str:
    days = [f"{name} {days} d" for name, days in sorted(spec.retention.items())]
    own = ["dedicated"] if spec.dedicated else []
    return ", ".join([*days, *own, *sorted(spec.traits)]) or "-"


def _agreements(signed: str | None, until: str | None) -> tuple[Agreement, ...]:
    if signed is None:
        if until is not None:
            raise InvalidRequest("--dpa-until needs --dpa.", advice="Give --dpa DATE too.")
        return ()
    return (Dpa(signed=parse_date(signed), until=parse_date(until) if until is not None else None),)


def _parse_retentions(given: Sequence[str]) -> dict[DataClass, int]:
    found: dict[DataClass, int] = {}
    for text in given:
        name, days = _parse_retention(text)
        if name in found:
            raise InvalidRequest(f"--retention names {name} twice.", advice="Give it once.")
        found[name] = days
    return found


def _parse_retention(text: str) -> tuple[DataClass, int]:
    name, _, days = text.partition("=")
    if name not in RECORD_CLASSES or re.fullmatch("[0-9]{1,9}", days) is None:
        advice = f"{did_you_mean(name, RECORD_CLASSES)} {one_of(RECORD_CLASSES)}".strip()
        raise InvalidRequest("Invalid --retention: give CLASS=DAYS.", advice=advice)
    return DataClass(name), int(days)
