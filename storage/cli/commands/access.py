"""``access report``: who saw what."""

import csv
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from typer import Option

from storage.cli.error_handling import end_with_failed, failed_regions
from storage.cli.opening import chosen_regions, opened_homes
from storage.cli.options import AsJson, OneRegion, one_of, parse_time
from storage.cli.output import (
    bad,
    format_minute,
    print_blank,
    print_facts,
    print_json,
    print_note,
    print_table,
)
from storage.client.homes import ask_each
from storage.client.store import Store
from storage.model import AccessReport, Looked, UnreadableLine
from storage.text import plural, visible

_SHOWN = 10  # unreadable lines: --json names more


class Form(StrEnum):
    """How the report is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


_From = Annotated[
    str, Option("--from", metavar="TIME", help="From TIME on (UTC), for example 2026-03-01.")
]
_To = Annotated[
    str | None, Option("--to", metavar="TIME", help="Up to TIME, exclusive. Default: now.")
]


def report(
    *,
    begin: _From,
    end: _To = None,
    region: OneRegion = None,
    form: Annotated[
        Form, Option("--format", metavar="FORM", help=f"How to print it. {one_of(Form)}")
    ] = Form.TABLE,
    as_json: AsJson = False,
) -> None:
    """Show who opened what, under which case, approved by whom, and what was refused.

    It rests on the region's log: verify that with domicile log verify.
    """
    form = Form.JSON if as_json else form
    since = parse_time(begin)
    until = parse_time(end) or datetime.now(UTC)
    assert since is not None
    with opened_homes() as homes:
        store = Store(homes)
        found, failed = ask_each(
            chosen_regions(homes, region),
            lambda name: store.admin.access.report(name, since=since, until=until),
        )
    match form:
        case Form.JSON:
            print_json(
                {"reports": [_as_json(one) for one in found.values()]} | failed_regions(failed)
            )
        case Form.CSV:
            _print_csv(list(found.values()))
        case Form.TABLE:
            for one in found.values():
                _print(one)
    end_with_failed(failed, as_json=form is Form.JSON)


def _as_json(one: AccessReport) -> dict[str, object]:
    """Return a report for a JSON document: a span of time in seconds."""
    mean = one.mean_to_revoke
    values = {field.name: getattr(one, field.name) for field in fields(one)}
    return values | {"mean_to_revoke": None if mean is None else mean.total_seconds()}


def _print_csv(reports: list[AccessReport]) -> None:
    """Print one line for each actor, tenant, purpose and grant."""
    heads = [field.name for field in fields(Looked)]
    out = csv.DictWriter(sys.stdout, ["region", *heads], lineterminator="\n")
    out.writeheader()
    for one in reports:
        for looked in one.looked:
            values = asdict(looked) | {
                "approved_by": " ".join(looked.approved_by),
                "logins": " ".join(looked.logins),
                "first": looked.first.isoformat(),
                "last": looked.last.isoformat(),
            }
            row = {"region": one.region} | values
            out.writerow({name: _cell(value) for name, value in row.items()})


def _cell(value: object) -> str:
    """Return a value that no spreadsheet takes for a formula: people chose some of the texts."""
    text = "" if value is None else visible(str(value))
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _print(one: AccessReport) -> None:
    mean = one.mean_to_revoke
    revoked = f", after {mean.total_seconds() / 60:.0f} minutes on average" if mean else ""
    print_facts(
        [
            ("region", one.region),
            ("from", f"{format_minute(one.since)} UTC, to {format_minute(one.until)} UTC"),
            ("staff", f"{plural(one.staff, 'person', 'people')} of at most {one.staff_max}"),
            ("grants", f"{one.requested} requested, {one.approved} approved"),
            ("revoked", f"{one.revoked}{revoked}"),
            ("refused", _refused(one)),
        ]
    )
    if one.forgotten:
        print_note(f"{plural(one.forgotten, 'line')} of the log in it: the text is forgotten.")
    if one.unreadable:
        _note_unreadable(one.unreadable, one.unreadable_lines)
    if one.looked:
        print_table(
            ("actor", "login", "purpose", "tenant", "case", "approved by", "records"),
            [
                (
                    f"{each.actor} ({each.actor_kind})",
                    ", ".join(each.logins) or "-",
                    each.purpose,
                    each.tenant,
                    each.case or "-",
                    ", ".join(each.approved_by) or "-",
                    str(each.records),
                )
                for each in one.looked
            ],
        )
    print_blank()


def _refused(one: AccessReport) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in one.refused.items())
    return reasons or "none"


def _note_unreadable(count: int, lines: Sequence[UnreadableLine]) -> None:
    """Say how many lines cannot be read, and by whom the first ones are."""
    print_note(bad(f"{plural(count, 'line')} in it cannot be read: nothing of them counts."))
    for line in lines[:_SHOWN]:
        place = "not in a checkpoint yet" if line.number is None else f"number {line.number}"
        print_note(f"- {line.line} ({place}), added by the login {line.login or '-'}")
    if count > _SHOWN:
        print_note("- and others. See: domicile log show")
