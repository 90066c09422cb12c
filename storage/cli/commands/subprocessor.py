"""``subprocessor list``, ``diff`` and ``notice``: the companies that hold or handle data."""

import csv
import dataclasses
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from regions.model import Topology
from storage.catalog import tenants
from storage.cli import files
from storage.cli.error_handling import end_with_failed, failed_regions
from storage.cli.options import AsJson, parse_date
from storage.cli.output import print_json, print_note, print_table, print_text, print_value
from storage.cli.sub_processor_lists import ListOn, checked_catalog, list_on, today
from storage.cli.sub_processor_pages import html, markdown
from storage.cli.sub_processor_texts import HEADS, differences, message, row
from storage.errors import InvalidRequest
from storage.model.listing import Listed
from storage.policy import list_companies
from storage.settings import RegionSettings, load_settings, region_settings, topology_of
from storage.text import did_you_mean, plural

_FILES = ("message.md", "tenants.csv")
_PAGE = 1000  # tenants that are read at once

Day = Annotated[str, Argument(metavar="DATE", help="A UTC day: 2027-01-15.", show_default=False)]


def list_sub_processors(
    at: Annotated[str | None, Option(metavar="DATE", help="The UTC day. Default: today.")] = None,
    as_markdown: Annotated[bool, Option("--markdown", help="Print a page in Markdown.")] = False,
    as_html: Annotated[bool, Option("--html", help="Print a page in HTML.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the companies that hold or handle data: hosts, stewards and processors.

    A list of today or of the past is what the catalogs saw in use on that day. A list of a later
    day is what the topology plans.
    """
    if as_markdown + as_html + as_json > 1:
        raise InvalidRequest(
            "Only one format can be printed.", advice="Give one of --markdown, --html and --json."
        )
    found = list_on(parse_date(at) if at is not None else today())
    if as_json:
        print_json(_document(found) | failed_regions(found.failed))
    elif as_markdown or as_html:
        print_value((html(found) if as_html else markdown(found)).rstrip("\n"))
    else:
        print_text(f"Sub-processors on {found.day}")
        rows = [(one.name, *row(one)) for one in found.companies]
        print_table(("name", *HEADS), rows)
    if not as_json:
        for note in found.notes:
            print_note(note)
    end_with_failed(found.failed, as_json=as_json)


def diff(before: Day, after: Day, as_json: AsJson = False) -> None:
    """Say in words how the list of sub-processors of one day differs from that of another."""
    days = parse_date(before), parse_date(after)
    old, new = (list_on(day) for day in days)
    changes = differences(old.companies, new.companies, days)
    failed = dict(old.failed) | dict(new.failed)
    if as_json:
        notes = [*old.notes, *new.notes]
        document = {"before": days[0], "after": days[1], "changes": changes, "notes": notes}
        print_json(document | failed_regions(failed))
    else:
        for change in changes or ["No difference."]:
            print_text(change)
        for found in (old, new):
            for note in found.notes:
                print_note(f"{found.day}: {note}")
    end_with_failed(failed, as_json=as_json)


def notice(
    name: Annotated[str, Argument(metavar="NAME", help="The company.", show_default=False)],
    output: Annotated[
        Path | None,
        Option(metavar="DIR", help="Write message.md and tenants.csv to this directory."),
    ] = None,
    force: Annotated[bool, Option("--force", help="Replace the files.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the message to customers about a company of the topology, and whom it concerns.

    That is: the tenants at home in a region where the company holds or may get data.
    """
    settings = load_settings()
    topology = topology_of(settings)
    company = _company(topology, name)
    regions = _concerned(topology, company)
    text = message(company, regions, today())
    if output is not None:
        for file in _FILES:
            files.check_new(output / file, force=force)
    with region_settings(settings, topology) as served:
        here = [region for region in regions if region in served]
        found = [one for name in here for one in _tenants(topology, name, served[name])]
    if output is not None:
        _write(output, text, found, force=force)
    if as_json:
        keys = ("tenant", "account", "home")
        tenants_ = [dict(zip(keys, one, strict=True)) for one in found]
        print_json({"message": text, "tenants": tenants_, "regions": here})
        return
    if output is None:
        print_value(text.rstrip("\n"))
        print_note("To write the message and the list of tenants: --output DIR")
    print_note(f"It concerns {plural(len(found), 'tenant')} of {', '.join(here) or 'no region'}.")
    for region in regions:
        if region not in here:
            print_note(f"Not asked: {region}. Run the command again where it is served.")


def _write(output: Path, text: str, found: Sequence[tuple[str, str, str]], *, force: bool) -> None:
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows([("tenant", "account", "home"), *found])
    files.make_directory(output)
    for name, content in zip(_FILES, (text, lines.getvalue()), strict=True):
        files.write_new(output / name, [content.encode()], force=force)


def _tenants(
    topology: Topology, region: str, own: RegionSettings
) -> Iterator[tuple[str, str, str]]:
    """Yield the tenants at home in a region, by id, each with its account and home."""
    with checked_catalog(topology, region, own) as catalog:
        after, page = "", [("", "")]
        while page:
            with catalog.begin() as connection:
                page = tenants.accounts(connection, after, _PAGE)
            for after, account in page:
                yield after, account, region


def _company(topology: Topology, name: str) -> Listed:
    known = {company.name: company for company in list_companies(topology)}
    if name not in known:
        advice = f"{did_you_mean(name, known)} Known: {', '.join(known)}.".strip()
        raise InvalidRequest("The topology has no such sub-processor.", advice=advice)
    return known[name]


def _concerned(topology: Topology, company: Listed) -> list[str]:
    """Return the regions whose data reaches a company; of one without a part, where it may be."""
    with_part = [name for name in topology.regions if company.has_part_in(name)]
    return with_part or [
        region.name
        for region in topology.regions.values()
        if region.jurisdiction in company.jurisdictions
    ]


def _document(found: ListOn) -> dict[str, object]:
    companies = [
        dataclasses.asdict(company)
        | {"state": company.state(found.day), "classes": company.classes}
        for company in found.companies
    ]
    seen = [
        {"region": region, "digest": one.digest, "first_seen": one.first_seen}
        | {"last_seen": one.last_seen}
        for region, some in found.seen.items()
        for one in some
    ]
    for company in companies:
        company.pop("listed")
    return {
        "at": found.day,
        "source": "catalogs" if seen else "topology",
        "topologies": seen,
        "sub_processors": companies,
        "notes": found.notes,
    }
