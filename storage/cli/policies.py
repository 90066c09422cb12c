"""``policy explain``: how long anything can take, term by term, from the configuration."""

from dataclasses import dataclass

from regions.model import ClassRule, Region, Topology
from storage import bootstrap
from storage.cli.common import AsJson
from storage.cli.output import document, say, table
from storage.settings import load_settings


@dataclass(frozen=True, slots=True)
class Term:
    """One step, how long it takes at most, and the key that says so."""

    step: str
    at_most: str
    set_by: str


def explain(as_json: AsJson = False) -> None:
    """How long data lives, and how long an erasure takes, with every backend up and a worker."""
    topology = bootstrap.topology_of(load_settings())
    kept = [_kept(topology, rule) for rule in topology.classes.values()]
    erased = {region.name: erasure_terms(topology, region) for region in topology.regions.values()}
    if as_json:
        document({"expiry": kept, "erasure": erased})
        return
    say("A record is gone")
    table(("class", "at most", "set by"), [(t.step, t.at_most, t.set_by) for t in kept], indent=2)
    for region, terms in erased.items():
        say()
        say(f"An erasure in {region}")
        rows = [(t.step, t.at_most, t.set_by) for t in terms]
        table(("step", "at most", "set by"), rows, indent=2)
    say()
    say("While a backend does not answer, the bound counts from its return; until then it is")
    say("shown as overdue in domicile status.")


def erasure_terms(topology: Topology, region: Region) -> list[Term]:
    """From the request to the last copy of a key, each step counted from the one before."""
    bounds = topology.bounds
    landing = max(spec.longest_request_minutes for spec in region.backends)
    return [
        Term("reads refuse", "at once", "a fence in the catalog"),
        Term("rows and record keys deleted", "a worker's round", "worker --pause"),
        Term(
            "a shared pack rewritten",
            f"{bounds.compaction_hours} h",
            "bounds.compaction_hours",
        ),
        Term("bytes purged, seen absent", f"{bounds.purge_hours} h", "bounds.purge_hours"),
        Term(
            "an unfinished write cannot land",
            f"{landing} min",
            "longest_request_minutes",
        ),
        Term(
            "last catalog backup with a key gone",
            f"{region.catalog_backup_days} days",
            "catalog_backup_days",
        ),
    ]


def _kept(topology: Topology, rule: ClassRule) -> Term:
    if rule.retention_days is None:
        return Term(rule.name.value, "when it is erased", "classes.toml: no retention_days")
    days, purge = rule.retention_days, topology.bounds.purge_hours
    if not days:
        return Term(rule.name.value, "never stored", "retention_days = 0")
    return Term(
        rule.name.value,
        f"{days} days; readable until {purge} to {purge + 24} h before their end",
        f"retention_days = {days}, purge_hours = {purge}",
    )
