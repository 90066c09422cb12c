"""``recover``: bring a restored or failed-over catalog back into service."""

from collections.abc import Iterator
from typing import Annotated

import typer
from typer import Option

from storage import bootstrap
from storage.catalog import identity
from storage.cli.error_handling import end_with_failed, failed_regions
from storage.cli.exit_codes import Exit
from storage.cli.options import AsJson, OneRegion
from storage.cli.output import (
    Cell,
    bad,
    good,
    print_blank,
    print_facts,
    print_json,
    print_note,
    print_table,
    print_text,
    warning,
)
from storage.cli.progress import busy
from storage.cli.terminal import can_ask
from storage.client.homes import REGIONAL
from storage.errors import InvalidRequest
from storage.recovery.recover import Report, finish, rehearse, start
from storage.region import OpenRegion
from storage.settings import load_settings, topology_of
from storage.text import format_size, plural

_LISTED = 20


def recover(
    region: OneRegion = None,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Show what is lost; change nothing.")
    ] = False,
    confirm: Annotated[
        bool, Option("--confirm", help="Do not ask: purge orphans, and resume service.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring a restored or failed-over catalog up to date, and back into service.

    It replays the ledger from the backends: erased data stays erased, and processors are asked to
    delete their copies. It then reports which acknowledged data the restored catalog has lost, and
    asks for a confirmation. Until you confirm, nothing is served or destroyed. After that, objects
    without a row in the catalog are purged, except those that a hold may need.

    It can be repeated, also after a crash. It does nothing if no catalog was restored. Ends with 9
    if you have not confirmed.
    """
    if dry_run and confirm:
        raise InvalidRequest("Both --dry-run and --confirm are given.", advice="Give one of them.")
    found = list[dict[str, object]]()
    failed = dict[str, Exception]()
    settings = load_settings()
    names = list(settings.regions or topology_of(settings).regions) if region is None else [region]
    for name in names:
        try:
            with bootstrap.open_restored(settings, only=name) as regions:
                for restored, report in _examined(regions, dry_run=dry_run):
                    if not as_json:
                        _show(report)
                    done = not dry_run and _finished(
                        restored, report, confirm=confirm, as_json=as_json
                    )
                    found.append(_as_json(report) | {"recovered": done})
        except REGIONAL as error:
            failed[name] = error
    _end(found, failed, all_failed=len(failed) == len(names), dry_run=dry_run, as_json=as_json)


def _end(
    found: list[dict[str, object]],
    failed: dict[str, Exception],
    *,
    all_failed: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Print what is left to do, and end with the code for it."""
    if all_failed:
        raise next(iter(failed.values()))
    if as_json:
        print_json({"dry_run": dry_run, "regions": found} | failed_regions(failed))
    elif not found and not failed:
        print_text(good("No catalog was restored: there is nothing to do."))
    left = not dry_run and not all(region["recovered"] for region in found)
    if left:
        print_note(
            warning(
                "Nothing is served or destroyed there yet. To finish: domicile recover --confirm"
            )
        )
    end_with_failed(failed, as_json=as_json)
    if left:
        raise typer.Exit(Exit.DECLINED)


def _examined(regions: list[OpenRegion], *, dry_run: bool) -> Iterator[tuple[OpenRegion, Report]]:
    for restored in regions:
        with busy(f"Reading the ledger of {restored.name}..."):
            report = rehearse(restored) if dry_run else start(restored)
        if report is not None:
            yield restored, report


def _finished(restored: OpenRegion, report: Report, *, confirm: bool, as_json: bool) -> bool:
    """Return whether the operator has confirmed; then the recovery is finished."""
    if not confirm and can_ask() and not as_json:
        confirm = typer.confirm(f"Resume service of {restored.name} with these losses?", err=True)
    if confirm:
        with busy("Finishing the recovery..."):
            finish(restored, report.silent)
        if not as_json:
            print_text(good("recovered"), f"{restored.name}: start its workers and services.")
    return confirm


def _show(report: Report) -> None:
    print_facts(
        [
            ("region", report.region),
            ("restored, because", identity.describe(report.changed)),
            ("ledger", f"{plural(report.entries, 'new entry', 'new entries')}"),
            ("replayed", plural(report.events, "event")),
            ("unreadable entries", _count(report.unreadable)),
            ("missing entries", _count(report.missing)),
            (
                "unavailable backends",
                bad(", ".join(sorted(report.silent))) if report.silent else "none",
            ),
            ("lines of the log", f"{plural(report.lines, 'line')} restored"),
            ("grants", f"{plural(report.revoked, 'grant')} revoked: request anew what is needed"),
            ("API keys", f"{plural(report.api_keys, 'key')} revoked: create anew what is needed"),
            ("reattached", plural(report.reattached, "record")),
            ("records lost", _count(report.lost_records)),
        ]
    )
    if report.silent:
        print_note(
            "An unavailable backend may have entries of its own. They are replayed when it "
            "answers. Until then no receipt is issued."
        )
    print_note(
        "Models of tenants that were noted since the backup are lost. Before you serve fine_tune, "
        "note them again: domicile model add"
    )
    _show_losses(report)


def _show_losses(report: Report) -> None:
    """Print the orphans, and the first lost records."""
    if report.orphaned:
        print_blank()
        by_partition = sorted(report.orphaned, key=str)
        print_table(
            ("orphans", "expiry day", "objects", "bytes"),
            [
                (
                    kind.value,
                    str(day or "no expiry"),
                    str(report.orphaned[kind, day]),
                    format_size(report.orphaned_bytes[kind, day]),
                )
                for kind, day in by_partition
            ],
        )
        print_note(
            "The catalog has lost their records and keys. They will be purged, except objects of "
            "the kinds held and hold_key, which a hold may need."
        )
    if report.lost:
        print_blank()
        print_table(
            ("tenant", "lost record"), [(x.tenant, str(x.id)) for x in report.lost[:_LISTED]]
        )
        if report.lost_records > _LISTED:
            print_note(f"{report.lost_records - _LISTED:,} more: see --json.")


def _count(count: int) -> Cell:
    return bad(str(count)) if count else "0"


def _as_json(report: Report) -> dict[str, object]:
    return {
        "region": report.region,
        "changed": report.changed,
        "entries": report.entries,
        "replayed": report.events,
        "unreadable": report.unreadable,
        "missing": report.missing,
        "unavailable": sorted(report.silent),
        "orphans": [
            {"kind": kind, "day": day, "objects": count, "bytes": report.orphaned_bytes[kind, day]}
            for (kind, day), count in sorted(report.orphaned.items(), key=str)
        ],
        "lines": report.lines,
        "revoked": report.revoked,
        "api_keys": report.api_keys,
        "reattached": report.reattached,
        "lost_records": report.lost_records,
        "lost": report.lost,
    }
