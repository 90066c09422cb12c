"""``log show``, ``prove``, ``export`` and ``key``: the transparency log of a region."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from storage.cli import files
from storage.cli.error_handling import end_with_failed, failed_regions
from storage.cli.opening import chosen_regions, opened, opened_homes
from storage.cli.options import AsJson, Limit, OneRegion, one_of, parse_time
from storage.cli.output import (
    format_minute,
    print_json,
    print_note,
    print_page,
    print_value,
)
from storage.client.homes import ask_each
from storage.client.store import Store
from storage.model import LineKind, LogLine
from storage.policy import Fact, read_line
from storage.text import plural

_COMMON = ("line", "kind", "at")


def show(
    *,
    region: OneRegion = None,
    kind: Annotated[
        LineKind | None, Option(metavar="KIND", help=f"Only this kind. {one_of(LineKind)}")
    ] = None,
    since: Annotated[
        str | None, Option(metavar="TIME", help="Only lines of TIME (UTC) or later.")
    ] = None,
    after: Annotated[
        str | None, Option(metavar="ID", help="Start after this line, for the next page.")
    ] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Show the lines of the log, oldest first. A number is its place; - waits for a checkpoint.

    What a line says is forgotten when the time in jurisdictions.toml has passed. Any login may add
    a line: one that Domicile did not write is not shown, but who added it.
    """
    begin = parse_time(since)
    with opened_homes() as homes:
        store = Store(homes)
        pages, failed = ask_each(
            chosen_regions(homes, region),
            lambda name: store.admin.log.lines(
                name, kind=kind, since=begin, after=after, limit=limit
            ),
        )
    found = [(name, line) for name, lines in pages.items() for line in lines]
    found = sorted(found, key=lambda each: (each[1].at, each[1].id))[:limit]
    following = str(found[-1][1].id) if len(found) == limit else None
    if as_json:
        lines = [_as_json(name, line) for name, line in found]
        print_json({"lines": lines, "next": following} | failed_regions(failed))
    else:
        heads = ("number", "time (UTC)", "kind", "line", "says")
        print_page(heads, [_row(line) for _, line in found], following)
    end_with_failed(failed, as_json=as_json)


def _row(line: LogLine) -> tuple[str, ...]:
    return (
        "-" if line.number is None else str(line.number),
        format_minute(line.at),
        line.kind.value,
        str(line.id),
        _said(line),
    )


def prove(
    line: Annotated[str, Argument(metavar="LINE", help="The line's id.", show_default=False)],
    output: Annotated[
        str | None, Option("--output", metavar="FILE", help="Where to. Default: stdout.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print a proof that the log has a line, for whoever has the log's verifier key.

    The proof contains what the line says. It is verified offline: domicile log verify FILE
    """
    with opened() as store:
        proof = store.admin.log.prove(line)
    if as_json:
        print_json({"line": line, "proof": proof.decode()})
    elif output is None:
        sys.stdout.write(proof.decode())
    else:
        files.write_new(Path(output), [proof], force=False)


def export(
    directory: Annotated[Path, Argument(metavar="DIR", help="Where to. It is made if need be.")],
    region: OneRegion = None,
    as_json: AsJson = False,
) -> None:
    """Copy the log as files that others can verify, in a directory for each region.

    They have commitments to the lines, not what the lines say. What is there already is not written
    again. Each directory can be served under a URL: it is a log of c2sp.org/tlog-tiles.
    """
    with opened_homes() as homes:
        store = Store(homes)
        done, failed = ask_each(
            chosen_regions(homes, region),
            lambda name: store.admin.log.export(name, directory / name),
        )
    if as_json:
        print_json({"written": done} | failed_regions(failed))
        end_with_failed(failed, as_json=True)
        return
    for name, written in done.items():
        print_note(f"{name}: {plural(written, 'file')} written to {directory / name}.")
    end_with_failed(failed, as_json=False)


def key(
    region: OneRegion = None,
    as_json: AsJson = False,
) -> None:
    """Print the verifier key of the log, for those who verify it. Publish it where they look.

    If the signing key was rotated, former keys follow: they signed what was published before.
    """
    with opened_homes() as homes:
        store = Store(homes)
        found, failed = ask_each(chosen_regions(homes, region), store.admin.log.keys)
    if as_json:
        print_json({"keys": found} | failed_regions(failed))
        end_with_failed(failed, as_json=True)
        return
    for keys in found.values():
        for each in keys:
            print_value(each)
    end_with_failed(failed, as_json=False)


def _as_json(region: str, line: LogLine) -> dict[str, object]:
    said = None if line.text is None else read_line(line.kind, line.text)
    return {
        "region": region,
        "line": line.id,
        "number": line.number,
        "kind": line.kind,
        "at": line.at,
        "commitment": line.commitment.hex(),
        "login": line.login,
        "says": None if said is None else said.facts,
        "unreadable": said is None and line.text is not None,
    }


def _said(line: LogLine) -> str:
    if line.text is None:
        return "(forgotten)"
    said = read_line(line.kind, line.text)
    if said is None:
        return f"(cannot be read: added by the login {line.login or '-'})"
    facts = {k: v for k, v in said.facts.items() if k not in _COMMON and v is not None}
    return ", ".join(f"{name} {_fact(value)}" for name, value in facts.items())


def _fact(value: Fact) -> str:
    return " ".join(value) if isinstance(value, tuple) else str(value)
