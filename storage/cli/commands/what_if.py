"""``what-if``: what a change of the sub-processors would mean, without making it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

from rich.text import Text
from typer import Option

from regions.load import TopologyProblem, load_addition
from regions.model import Topology
from storage.catalog.engine import Catalog
from storage.cli import files
from storage.cli.error_handling import end_with_failed, failed_regions
from storage.cli.options import AsJson, Limit
from storage.cli.output import bad, good, print_blank, print_json, print_note, print_table, warning
from storage.cli.sub_processor_lists import checked_catalog, today
from storage.cli.what_if_report import Report, Row, affected, as_csv
from storage.client.homes import REGIONAL
from storage.errors import DomicileError, InvalidRequest, TopologyError
from storage.policy import Change, suppose
from storage.settings import Settings, load_settings, region_settings, topology_of
from storage.text import did_you_mean, format_size, plural

_Remove = Annotated[str | None, Option(metavar="COMPANY", help="Take this sub-processor away.")]
_Add = Annotated[
    Path | None,
    Option(metavar="FILE", help="Add the [[sub_processors]] and [[backends.REGION]] of this file."),
]
_Output = Annotated[
    Path | None, Option(metavar="FILE", help="Write every row to this file, as CSV.")
]


def what_if(
    *,
    remove: _Remove = None,
    add: _Add = None,
    output: _Output = None,
    force: Annotated[bool, Option("--force", help="Replace the file.")] = False,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Say what a change of the sub-processors would mean for each tenant. Nothing is changed.

    Whose data would leave which backends and where new records would go, whom a new company would
    reach, and which writes would be refused. It counts what the catalogs of this process state at
    one moment each.
    """
    if remove is None and add is None:
        raise InvalidRequest("There is no change.", advice="Give --remove COMPANY or --add FILE.")
    settings = load_settings()
    changed = _change(settings, remove, add)
    if output is not None:
        files.check_new(output, force=force)
    report = Report(limit)
    with _catalogs(settings, changed.before) as (catalogs, failed):
        rows = affected(catalogs, changed)
        if output is not None:
            files.write_new(output, as_csv(rows, report), force=force)
        else:
            for row in rows:
                report.add(row)
    if as_json:
        print_json(_document(report, changed, list(catalogs)) | failed_regions(failed))
    else:
        _show(report, changed, list(catalogs))
    end_with_failed(failed, as_json=as_json)


def _change(settings: Settings, remove: str | None, add: Path | None) -> Change:
    topology = topology_of(settings)
    after = topology
    if add is not None:
        try:
            after = load_addition(topology, add, settings.topology)
        except TopologyProblem as problem:
            advice = problem.advice
            raise TopologyError(
                problem.file, problem.key, problem.reason, advice=advice
            ) from problem
    try:
        return suppose(topology, after, remove=remove, today=today())
    except InvalidRequest as error:
        hint = did_you_mean(remove or "", topology.sub_processors)
        error.advice = f"{hint} {error.advice}".strip()
        raise


@contextmanager
def _catalogs(
    settings: Settings, topology: Topology
) -> Iterator[tuple[dict[str, Catalog], dict[str, DomicileError]]]:
    """Yield the catalogs that this process has settings for, and the errors of the others."""
    found: dict[str, Catalog] = {}
    failed: dict[str, DomicileError] = {}
    with region_settings(settings, topology) as served, ExitStack() as stack:
        for name, own in served.items():
            try:
                found[name] = stack.enter_context(checked_catalog(topology, name, own))
            except REGIONAL as error:
                failed[name] = error
        for first in failed.values():
            if not found:
                raise first
        yield found, failed


def _show(report: Report, changed: Change, regions: list[str]) -> None:
    if report.rows:
        print_table(
            (
                *("region", "class", "tenants", "records", "sealed bytes", "copies"),
                *("leave", "new records to", "reached", "writes"),
            ),
            [
                (
                    region,
                    data_class,
                    f"{total.tenants:,}",
                    f"{total.records:,}",
                    format_size(total.bytes),
                    f"{total.copies:,}",
                    _names(leaves),
                    _names(to),
                    _names(reached),
                    _writes(refused),
                )
                for (region, data_class, leaves, to, reached, refused), total in sorted(
                    report.totals.items()
                )
            ],
        )
        print_blank()
        print_table(
            ("tenant", "class", "records", "sealed bytes", "copies", "writes"),
            [_cells(row) for row in report.rows],
        )
    print_note(
        f"On {changed.on} it concerns {plural(report.tenants, 'tenant')} of {', '.join(regions)}."
    )
    if report.refused:
        print_note(warning(f"Writes of {plural(report.refused, 'tenant')} would be refused."))
    if report.more:
        print_note("These are the first rows. For all of them: --output FILE")
    for region in changed.before.regions:
        if region not in regions:
            print_note(f"Not asked: {region}. Run the command again where it is served.")


def _cells(row: Row) -> tuple[Text | str, ...]:
    return (
        row.tenant,
        row.data_class,
        f"{row.records:,}",
        format_size(row.bytes),
        f"{row.copies:,}",
        _writes(row.refused),
    )


def _writes(refused: str) -> Text:
    return bad(f"REFUSED: {refused}") if refused else good("go on")


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "-"


def _document(report: Report, changed: Change, regions: list[str]) -> dict[str, object]:
    keys = ("region", "data_class", "leaves", "to", "reached", "refused")
    totals = [
        dict(zip(keys, kind, strict=True))
        | {"tenants": x.tenants, "records": x.records, "bytes": x.bytes, "copies": x.copies}
        for kind, x in sorted(report.totals.items())
    ]
    return {
        "on": changed.on,
        "regions": regions,
        "tenants": report.tenants,
        "refused_tenants": report.refused,
        "totals": totals,
        "rows": report.rows,
        "more": report.more,
    }
