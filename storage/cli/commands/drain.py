"""``subprocessor drain`` and ``subprocessor attest``: take everything away from a company."""

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Annotated

from typer import Argument, Option

from storage import draining
from storage.cli.opening import chosen_regions, opened_homes
from storage.cli.options import AsJson, OneRegion, check_digest
from storage.cli.output import (
    bad,
    good,
    print_blank,
    print_facts,
    print_json,
    print_note,
    print_table,
    print_text,
    print_value,
)
from storage.cli.progress import counting
from storage.client.homes import Homes
from storage.client.validate import check_actor
from storage.draining import STEWARDED, Plan
from storage.errors import InvalidRequest
from storage.logs import make_logger
from storage.model.listing import PartKind
from storage.text import format_size, plural

Company = Annotated[str, Argument(metavar="NAME", help="The company.", show_default=False)]


def drain(
    name: Company,
    region: OneRegion = None,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Show what it takes, and change nothing.")
    ] = False,
    rate: Annotated[
        float | None, Option(metavar="N", min=0.1, help="Move at most N replicas a second.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take everything of a region away from a company, and sign that nothing is left there.

    Its backends are emptied (the topology must say that they leave), copies at it must be confirmed
    to be deleted, and what it ran for a region must be attested to be handed over. Run it again to
    continue. Ends with 5 if something is left.
    """
    with opened_homes() as homes:
        names = _with_parts(homes, name, region)
        if dry_run:
            regions = [homes.served(n).region for n in names]
            plans = [
                draining.with_locks(one, draining.plan(one, name, rate=rate)) for one in regions
            ]
            _show_plans(plans, as_json=as_json)
            return
        receipts = {n: _drain(homes, n, name, rate) for n in names}
    if as_json:
        print_json({"sub_processor": name, "receipts": receipts})
        return
    for one, token in receipts.items():
        print_note(f"{name} has nothing of {one} any more. The signed receipt:")
        print_value(token)


def attest(
    name: Company,
    *,
    part: Annotated[
        PartKind, Option(metavar="PART", help="What was handed over: catalog, keys or backups.")
    ],
    region: Annotated[str, Option(metavar="REGION", help="Of which region.")],
    actor: Annotated[str, Option(metavar="ID", help="Your id, for the record.")],
    document: Annotated[
        str, Option(metavar="SHA256", help="Of the company's document that says so.")
    ],
    as_json: AsJson = False,
) -> None:
    """Attest that a company no longer runs a part of a region, and has no copy of it.

    It stays on record with your id and the document, and cannot be changed.
    """
    check_actor(actor)
    if part not in STEWARDED:
        raise InvalidRequest(
            f"{part} is moved by a program, and not attested.",
            advice=f"Give one of: {', '.join(STEWARDED)}.",
        )
    check_digest(document)
    with opened_homes() as homes:
        served = homes.served(region).region
        new = draining.attest(served, name, part, actor=actor, document=document)
    if as_json:
        print_json({"sub_processor": name, "region": region, "part": part, "new": new})
        return
    print_text(f"{name} no longer runs the {part} of {region}{'' if new else ', as before'}.")


def _with_parts(homes: Homes, name: str, region: str | None) -> list[str]:
    """Return the regions where the company has or had anything, the one asked for if given."""
    chosen = chosen_regions(homes, region)
    if region is not None:
        return chosen
    found = []
    for one in chosen:
        try:
            draining.plan(homes.served(one).region, name)
        except InvalidRequest:
            continue
        found.append(one)
    if not found:
        raise InvalidRequest(
            f"{name} never had anything here.", advice="See: domicile subprocessor list"
        )
    return found


def _drain(homes: Homes, region: str, name: str, rate: float | None) -> str:
    served = homes.served(region)
    # it destroys, so each of its transactions checks that the catalog was not restored
    strict = replace(served.region, catalog=served.region.catalog.strict())
    left = sum(k.replicas for p in draining.plan(strict, name).places for k in p.kept)
    with counting(f"Draining {name} from {region}", left) as meter:
        return draining.drain(
            strict, served.keys, name, make_logger(), tell=_paced(meter, rate, time.monotonic)
        )


def _paced(
    meter: Callable[[int], None], rate: float | None, clock: Callable[[], float]
) -> Callable[[int], None]:
    """Return a meter that waits until no more than ``rate`` replicas a second were moved."""
    began = clock()

    def tell(done: int) -> None:
        meter(done)
        if rate is not None:
            time.sleep(max(0.0, done / rate - (clock() - began)))

    return tell


def _show_plans(plans: list[Plan], *, as_json: bool) -> None:
    if as_json:
        print_json({"plans": [asdict(plan) for plan in plans]})
        return
    for number, plan in enumerate(plans):
        if number:
            print_blank()
        _show(plan)


def _show(plan: Plan) -> None:
    print_text(f"{plan.company} in {plan.region}")
    for place in plan.places:
        print_blank()
        print_text(place.backend, good("is empty") if place.emptied else "", indent=2)
        print_table(
            ("kind", "replicas", "sealed bytes"),
            [(kept.kind, f"{kept.replicas:,}", format_size(kept.bytes)) for kept in place.kept],
            indent=4,
        )
        work = place.effort
        requests = (
            f"{work.gets:,} GET, {work.puts:,} PUT, {work.deletes:,} DELETE, {work.lists:,} LIST"
        )
        seconds = "give --rate" if work.seconds is None else str(timedelta(seconds=work.seconds))
        print_facts(
            [
                ("goes to", ", ".join(place.targets) or bad("no other lawful backend")),
                ("requests, at most", requests),
                ("bytes read and written, at most", format_size(work.bytes)),
                ("time at that rate", seconds),
                *(("refused", f"{code}: {n:,}") for code, n in place.refused.items()),
                *((("kept by object lock", bad(lock.text)),) if (lock := place.locked) else ()),
            ],
            indent=4,
        )
    for name, ended in plan.former.items():
        state = bad("left the topology, never seen empty") if ended is None else good("is empty")
        print_text(name, state, indent=2)
    if plan.copies:
        print_text(bad(plural(plan.copies, "copy", "copies") + " not confirmed to be deleted"))
    for part, found in plan.parts.items():
        state = bad("to be handed over and attested") if found is None else good("attested")
        print_text(part.value, state, indent=2)
