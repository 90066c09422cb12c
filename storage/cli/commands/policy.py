"""``policy explain``: how long anything can take, term by term, from the configuration."""

from datetime import timedelta
from typing import Annotated

import typer
from rich.text import Text
from typer import Option

from regions.model import ClassRule, Keeping, Region, Topology
from storage import bootstrap
from storage.cli.exit_codes import Exit
from storage.cli.options import AsJson, OneRegion
from storage.cli.output import bad, document, good, say, table
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
)
from storage.settings import load_settings
from storage.workers.pace import pace


def explain(
    region: OneRegion = None,
    pause: Annotated[float, Option(min=0.1, help="Seconds between workers' rounds.")] = 5.0,
    as_json: AsJson = False,
) -> None:
    """How long data can live, term by term: with every backend up, and a worker that keeps up.

    Ends with 7 if the terms add up to more than the configuration promises.
    """
    topology = bootstrap.topology_of(load_settings())
    if region is not None and region not in topology.regions:
        known = ", ".join(topology.regions)
        raise InvalidRequest(f"The topology has no region {region}.", advice=f"It has: {known}.")
    chosen = [r for r in topology.regions.values() if region in (None, r.name)]
    found = {r.name: _bounds(topology, r, pace(pause)) for r in chosen}
    if as_json:
        classes = list(map(_told, topology.classes.values()))
        rules = topology.jurisdictions.values()
        receipts = {rule.name: rule.receipts.model_dump() for rule in rules}
        holds = {rule.name: rule.holds.model_dump() for rule in rules}
        told = {"classes": classes, "regions": _json(found), "receipts": receipts, "holds": holds}
        document(told)
    else:
        _show(topology, chosen, found)
    if not all(bound.fits for bounds in found.values() for bound in bounds):
        raise typer.Exit(Exit.CONFIGURATION)


def _bounds(topology: Topology, region: Region, given: Pace) -> tuple[Lateness, ...]:
    """Of an expiry, of an erasure, and of the copies at each processor."""
    processors = processors_of(topology, region)
    return (
        expiry_lateness(region, topology.bounds, given, processors),
        erasure_lateness(region, topology.bounds, given, processors),
        *(copy_lateness(company, given) for company in processors),
    )


def _json(found: dict[str, tuple[Lateness, ...]]) -> dict[str, object]:
    return {name: [_as_json(bound) for bound in bounds] for name, bounds in found.items()}


def _as_json(bound: Lateness) -> dict[str, object]:
    """Times in seconds."""
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


def _told(rule: ClassRule) -> dict[str, object]:
    return {"class": rule.name, "retention_days": rule.retention_days}


def _show(topology: Topology, chosen: list[Region], found: dict[str, tuple[Lateness, ...]]) -> None:
    say("A record is gone")
    rows = [_kept(topology, rule) for rule in topology.classes.values()]
    table(("class", "at most after it was written", "set by"), rows, indent=2)
    for region in chosen:
        for bound in found[region.name]:
            say()
            say(f"{region.name}: from the moment when {bound.begins}")
            rows = [_row(step) for step in bound.steps]
            table(("may have to wait until", "at most", "set by"), rows, indent=2)
            say(_verdict(bound))
        copies = key_copies(region)
        say(f"  {copies.what} {_time(copies.at_most)} later ({copies.set_by}): it may")
        say("  hold pseudonyms until then, and record keys that open nothing by themselves.")
    say()
    rules = topology.jurisdictions.values()
    _show_keeping("A receipt is kept", [(j.name, j.receipts) for j in rules])
    say()
    _show_keeping("A released hold, and who looked, is kept", [(j.name, j.holds) for j in rules])
    say()
    say("While a backend does not answer, its bound counts from its return; until then it is shown")
    say("as overdue in domicile status.")


def _show_keeping(what: str, keeping: list[tuple[str, Keeping]]) -> None:
    say(what)
    rows = [(name, f"{kept.days} days", kept.reason) for name, kept in keeping]
    table(("jurisdiction", "for", "because"), rows, indent=2)


def _row(step: Step) -> tuple[str, str, str]:
    return step.what, _time(step.at_most), step.set_by


def _verdict(bound: Lateness) -> Text:
    says = f"  No byte of it is left after {_time(bound.at_most)}; promised: {_time(bound.limit)}"
    says += f" ({bound.set_by})."
    return good(says) if bound.fits else bad(says + " THAT CANNOT BE KEPT.")


def _kept(topology: Topology, rule: ClassRule) -> tuple[str, str, str]:
    if rule.retention_days is None:
        return rule.name.value, "when it is erased", "classes.toml: no retention_days"
    days, purge = rule.retention_days, topology.bounds.purge_hours
    if not days:
        return rule.name.value, "never stored", "retention_days = 0"
    return (
        rule.name.value,
        f"{days} days; readable until {purge} to {purge + 24} h before their end",
        f"retention_days = {days}, purge_hours = {purge}",
    )


def _time(span: timedelta) -> str:
    """``2 days``, ``3 h 16 min``, ``5 s``; ``no time``."""
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    told = [(days, "day" if days == 1 else "days"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    return " ".join(f"{count} {unit}" for count, unit in told if count) or "no time"
