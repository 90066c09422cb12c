"""``policy explain``: how long data can live, or what one record may be used for."""

from datetime import timedelta
from typing import Annotated

import typer
from rich.text import Text
from typer import Argument, Option

from regions.model import ClassRule, Keeping, Purpose, Region, Topology
from storage.cli.commands.policy_record import explain_record
from storage.cli.exit_codes import Exit
from storage.cli.options import AsJson, OneRegion, one_of
from storage.cli.output import bad, good, print_blank, print_json, print_table, print_text
from storage.errors import InvalidRequest
from storage.policy import (
    Lateness,
    Pace,
    Step,
    copy_lateness,
    erasure_lateness,
    expiry_lateness,
    key_copies,
    processors_of,
    shortened_lateness,
)
from storage.settings import load_settings, topology_of
from storage.text import did_you_mean

_PAUSE = 5.0  # seconds
_Pause = Annotated[
    float | None,
    Option(
        metavar="SECONDS",
        min=0.1,
        max=86_400,
        help=f"Seconds between a worker's rounds. Default: {_PAUSE:g}.",
    ),
]
_Record = Annotated[
    str | None,
    Argument(
        metavar="[ID]", help="Say instead what this record may be used for.", show_default=False
    ),
]


def explain(
    record: _Record = None,
    *,
    tenant: Annotated[
        str | None, Option(metavar="TENANT", help="With ID: the tenant of the record.")
    ] = None,
    purpose: Annotated[
        Purpose | None,
        Option(metavar="PURPOSE", help=f"With ID: the purpose. {one_of(Purpose)}"),
    ] = None,
    at: Annotated[
        str | None, Option(metavar="DATE", help="With ID: the UTC day. Default: today.")
    ] = None,
    region: OneRegion = None,
    pause: _Pause = None,
    as_json: AsJson = False,
) -> None:
    """Explain how long data can live, step by step, when all backends and a worker are up.

    Ends with 7 if the steps add up to more than the configuration promises.

    With ID it says whether that record may be used for a purpose on a day, with every reason and
    the facts that they rest on.
    """
    if record is not None:
        for option, given in {"--region": region, "--pause": pause}.items():
            if given is not None:
                raise InvalidRequest(f"{option} is not for a record.", advice="Leave it out.")
        explain_record(record, tenant, purpose, at, as_json=as_json)
        return
    if (tenant, purpose, at) != (None, None, None):
        raise InvalidRequest("There is no record.", advice="Give ID, or none of its options.")
    topology = topology_of(load_settings())
    if region is not None and region not in topology.regions:
        known = f"Known regions: {', '.join(topology.regions)}."
        advice = f"{did_you_mean(region, topology.regions)} {known}".strip()
        raise InvalidRequest("The topology has no such region.", advice=advice)
    pace = Pace.with_pause(_PAUSE if pause is None else pause)
    chosen = [r for r in topology.regions.values() if region in (None, r.name)]
    found = {r.name: _bounds(topology, r, pace) for r in chosen}
    if as_json:
        classes = [_class(topology, rule) for rule in topology.classes.values()]
        rules = topology.jurisdictions.values()
        receipts = {rule.name: rule.receipts.model_dump() for rule in rules}
        holds = {rule.name: rule.holds.model_dump() for rule in rules}
        regions = {name: list(map(_bound, bounds)) for name, bounds in found.items()}
        print_json({"classes": classes, "regions": regions, "receipts": receipts, "holds": holds})
    else:
        _show(topology, chosen, found)
    if not all(bound.fits for bounds in found.values() for bound in bounds):
        raise typer.Exit(Exit.CONFIGURATION)


def _bounds(topology: Topology, region: Region, given: Pace) -> tuple[Lateness, ...]:
    """Return the bounds of an expiry, an erasure, a shortening, and the copies at processors."""
    processors = processors_of(topology, region)
    return (
        expiry_lateness(region, topology.bounds, given, processors),
        erasure_lateness(region, topology.bounds, given, processors),
        shortened_lateness(region, topology.bounds, given),
        *(copy_lateness(company, given) for company in processors),
    )


def _class(topology: Topology, rule: ClassRule) -> dict[str, object]:
    """Return how long a class is kept for JSON. ``least_days``: what a tenant may set, at least."""
    floor = rule.floor_days
    return {
        "class": rule.name,
        "retention_days": rule.retention_days,
        "floor_days": floor,
        "least_days": None if floor is None else topology.bounds.least(floor),
    }


def _bound(bound: Lateness) -> dict[str, object]:
    """Return a bound for JSON, with times in seconds."""
    return {
        "begins": bound.begins,
        "steps": [
            {"what": step.what, "at_most": step.at_most.total_seconds(), "set_by": step.set_by}
            for step in bound.steps
        ],
        "at_most": bound.at_most.total_seconds(),
        "limit": bound.limit.total_seconds(),
        "set_by": bound.set_by,
        "fits": bound.fits,
    }


def _show(topology: Topology, chosen: list[Region], found: dict[str, tuple[Lateness, ...]]) -> None:
    print_text("When a record is deleted")
    rows = [_kept(topology, rule) for rule in topology.classes.values()]
    print_table(("class", "at most, after it was written", "set by"), rows, indent=2)
    floors = [_floor(topology, rule) for rule in topology.classes.values() if rule.floor_days]
    if floors:
        print_blank()
        print_text("What an erasure leaves")
        print_table(("class", "until, after it was written", "set by"), floors, indent=2)
        print_text("Nobody erases it earlier. Like all else, it ends by its retention.", indent=2)
    for region in chosen:
        for bound in found[region.name]:
            print_blank()
            print_text(f"{region.name}: counted from when {bound.begins}")
            rows = [_row(step) for step in bound.steps]
            print_table(("step", "at most", "set by"), rows, indent=2)
            print_text(_verdict(bound), indent=2)
        copies = key_copies(region)
        print_text(
            f"{copies.what} {_time(copies.at_most)} later ({copies.set_by}). Until then it may "
            "contain pseudonyms, and record keys that decrypt nothing on their own.",
            indent=2,
        )
    print_blank()
    rules = topology.jurisdictions.values()
    _show_keeping("How long receipts are kept", [(j.name, j.receipts) for j in rules])
    print_blank()
    _show_keeping(
        "How long released holds and their audit log are kept", [(j.name, j.holds) for j in rules]
    )
    print_blank()
    print_text(
        "While a backend is unavailable, its bound counts from its return. Until then domicile "
        "status shows it as overdue."
    )


def _show_keeping(what: str, keeping: list[tuple[str, Keeping]]) -> None:
    print_text(what)
    rows = [(name, f"{kept.days} days", kept.reason) for name, kept in keeping]
    print_table(("jurisdiction", "for", "reason"), rows, indent=2)


def _row(step: Step) -> tuple[str, str, str]:
    return step.what, _time(step.at_most), step.set_by


def _verdict(bound: Lateness) -> Text:
    text = f"No byte is left after {_time(bound.at_most)}. Promised: {_time(bound.limit)}"
    text += f" ({bound.set_by})."
    return good(text) if bound.fits else bad(f"{text} THE PROMISE CANNOT BE KEPT.")


def _kept(topology: Topology, rule: ClassRule) -> tuple[str, str, str]:
    if rule.retention_days is None:
        return rule.name.value, "no limit: until it is erased", "classes.toml: no retention_days"
    days, purge = rule.retention_days, topology.bounds.purge_hours
    if not days:
        return rule.name.value, "never stored", "retention_days = 0"
    return (
        rule.name.value,
        f"{days} days; readable until {purge} to {purge + 24} h before",
        f"retention_days = {days}, purge_hours = {purge}",
    )


def _floor(topology: Topology, rule: ClassRule) -> tuple[str, str, str]:
    assert rule.floor_days is not None
    least, hours = topology.bounds.least(rule.floor_days), topology.bounds.purge_hours
    return (
        rule.name.value,
        f"{rule.floor_days} days; a tenant sets a retention of {least} days or more",
        f"floor_days = {rule.floor_days}, purge_hours = {hours}",
    )


def _time(span: timedelta) -> str:
    """Return ``2 days``, ``3 h 16 min`` or ``5 s``; ``0 s`` for zero."""
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "day" if days == 1 else "days"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"
