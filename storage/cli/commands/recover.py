"""``recover``: what to do when a catalog was restored, or failed over to a copy."""

from collections.abc import Iterator
from typing import Annotated

import typer
from typer import Option

from storage import bootstrap
from storage.catalog import identity
from storage.cli.commands.erase import at_terminal
from storage.cli.exit_codes import Exit
from storage.cli.options import AsJson, OneRegion
from storage.cli.output import Cell, bad, document, doubtful, facts, good, note, say, table
from storage.cli.progress import busy
from storage.errors import InvalidRequest
from storage.recovery.recover import Report, finish, rehearse, start
from storage.region import OpenRegion
from storage.settings import load_settings
from storage.text import format_size, plural

_LISTED = 20


def recover(
    region: OneRegion = None,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Say what is lost, and change nothing.")
    ] = False,
    confirm: Annotated[
        bool, Option("--confirm", help="Do not ask: what was forgotten goes, and service resumes.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring a restored or failed-over catalog up to date, and into service again.

    The ledger on the backends is replayed: what was erased stays so, and copies that processors
    were given are asked back. Then it says which acknowledged data the copy has lost, and waits
    for your word. Nothing is served or destroyed before; then bytes of which the catalog knows no
    record any more go too. Can be repeated, also after it was killed. Where no catalog was restored
    it does nothing.
    """
    if dry_run and confirm:
        raise InvalidRequest("Give --dry-run or --confirm, not both.")
    left = False
    told = []
    with bootstrap.open_restored(load_settings(), only=region) as copies:
        for copy, report in _examined(copies, dry_run=dry_run):
            done = not dry_run and _settled(copy, report, confirm=confirm, as_json=as_json)
            left |= not (done or dry_run)
            told.append(_told(report) | {"recovered": done})
    if as_json:
        document({"dry_run": dry_run, "regions": told})
    elif not told:
        say(good("No catalog was restored: there is nothing to do."))
    if left:
        note(doubtful("Nothing is served or destroyed there yet. Run it again with --confirm."))
        raise typer.Exit(Exit.DECLINED)


def _examined(copies: list[OpenRegion], *, dry_run: bool) -> Iterator[tuple[OpenRegion, Report]]:
    for copy in copies:
        with busy(f"Reading the ledger of {copy.name}..."):
            report = rehearse(copy) if dry_run else start(copy)
        if report is not None:
            yield copy, report


def _settled(copy: OpenRegion, report: Report, *, confirm: bool, as_json: bool) -> bool:
    """Whether the operator has given the word, and all was done."""
    if not as_json:
        _show(report)
    if not confirm and at_terminal() and not as_json:
        confirm = typer.confirm(f"Take {copy.name} into service with these losses?", err=True)
    if confirm:
        with busy("Settling..."):
            finish(copy, report.silent)
        if not as_json:
            say(good("recovered"), f" {copy.name}: workers and services may start.")
    return confirm


def _show(report: Report) -> None:
    facts(
        [
            ("region", report.region),
            ("the catalog is a copy", identity.why(report.moved)),
            ("ledger", f"{plural(report.entries, 'entry', 'entries')} it did not know"),
            ("replayed", plural(report.events, "event")),
            ("unreadable entries", _count(report.unreadable)),
            ("missing entries", _count(report.missing)),
            ("silent backends", bad(", ".join(sorted(report.silent))) if report.silent else "none"),
            ("found where they were moved to", plural(report.found_again, "record")),
            ("records lost", _count(report.lost_records)),
        ]
    )
    if report.silent:
        note("What a silent backend alone knows is replayed when it answers; no receipt before.")
    if report.forgotten:
        say()
        by_partition = sorted(report.forgotten, key=str)
        table(
            ("forgotten", "expiry day", "objects", "bytes"),
            [
                (
                    kind.value,
                    str(day or "kept"),
                    str(report.forgotten[kind, day]),
                    format_size(report.forgotten_bytes[kind, day]),
                )
                for kind, day in by_partition
            ],
        )
        note("Of these the catalog has lost the records, and with them the keys. They will go.")
    if report.lost:
        say()
        table(("tenant", "lost record"), [(x.tenant, str(x.id)) for x in report.lost[:_LISTED]])
        if report.lost_records > _LISTED:
            note(f"And {report.lost_records - _LISTED:,} more: see --json.")


def _count(count: int) -> Cell:
    return bad(str(count)) if count else "0"


def _told(report: Report) -> dict[str, object]:
    return {
        "region": report.region,
        "moved": report.moved,
        "entries": report.entries,
        "replayed": report.events,
        "unreadable": report.unreadable,
        "missing": report.missing,
        "silent": sorted(report.silent),
        "forgotten": [
            {"kind": kind, "day": day, "objects": count, "bytes": report.forgotten_bytes[kind, day]}
            for (kind, day), count in sorted(report.forgotten.items(), key=str)
        ],
        "found_again": report.found_again,
        "lost_records": report.lost_records,
        "lost": report.lost,
    }
