"""``doctor``: check that Domicile can work here, and advise what to do if it cannot."""

from collections.abc import Iterator, Sequence
from textwrap import TextWrapper

import typer
from rich.text import Text

from storage.cli import examine, packages
from storage.cli.exit_codes import Exit
from storage.cli.findings import Finding, failed
from storage.cli.options import AsJson
from storage.cli.output import (
    bad,
    good,
    print_json,
    print_lines,
    print_note,
    terminal_width,
    warning,
)
from storage.cli.progress import busy
from storage.errors import DomicileError
from storage.settings import Settings, load_settings, topology_of
from storage.text import plural

_SHOWN = {"ok": good, "warn": warning, "fail": bad}


def doctor(as_json: AsJson = False) -> None:
    """Check packages, settings, key files, catalogs, and every right on every backend.

    Writes one canary to each backend and removes it. Where nothing is set up yet, tries the
    embedded default in a temporary directory. Exits with status 7 if a check fails.
    """
    with busy("Checking..."):
        found = list(_findings())
    wrong = [finding for finding in found if finding.state == "fail"]
    if as_json:
        print_json({"ok": not wrong, "findings": found})
    else:
        _show(found)
    if wrong:
        raise typer.Exit(Exit.CONFIGURATION)


def _findings() -> Iterator[Finding]:
    yield from packages.findings()
    try:
        settings = load_settings()
    except DomicileError as error:
        yield failed("settings", "DOMICILE_*", error)
        return
    yield _settings(settings)
    try:
        topology = topology_of(settings)
    except DomicileError as error:
        yield failed("settings", "topology", error)
        return
    source = settings.topology or "the bundled example"
    yield Finding("settings", "topology", "ok", f"{', '.join(topology.regions)} ({source})")
    yield Finding("settings", "topology", "ok", f"SHA-256 {topology.digest}")
    if settings.embedded and not (settings.home / "keys").exists():
        yield from _empty(settings)
    else:
        yield from examine.regions(settings, topology)


def _settings(settings: Settings) -> Finding:
    if settings.embedded:
        return Finding("settings", "regions", "ok", f"Embedded, in {settings.home}")
    return Finding("settings", "regions", "ok", f"Serves {', '.join(settings.regions)}")


def _empty(settings: Settings) -> Iterator[Finding]:
    """Check the embedded default in a temporary home, before there is one."""
    topology = topology_of(settings)
    if not examine.may_try(topology):
        says = "Nothing is set up yet. Backends outside of the home were not tried."
        yield Finding("settings", "home", "warn", says, "Run: domicile init")
        return
    says = "Nothing is set up yet. The checks below used a temporary directory."
    yield Finding("settings", "home", "ok", says, "To set up: domicile init")
    try:
        with examine.trial(settings) as tried_out:
            yield from examine.regions(tried_out, topology)
    except DomicileError as error:
        yield failed("catalog", "postgresql", error)


def _show(found: Sequence[Finding]) -> None:
    width = terminal_width()
    check = max(len(finding.check) for finding in found)
    what = max(len(finding.what) for finding in found)
    for finding in found:
        columns = f"{finding.state:<6}{finding.check:<{check}}  {finding.what:<{what}}  "
        print_lines(_shown(finding, columns, width))
    counts = {state: sum(1 for f in found if f.state == state) for state in _SHOWN}
    if counts["fail"]:
        print_note(bad(f"{plural(counts['fail'], 'check')} failed."))
    elif counts["warn"]:
        print_note(warning(f"Domicile works, with {plural(counts['warn'], 'warning')}."))
    else:
        print_note(good("All checks passed."))


def _shown(finding: Finding, columns: str, width: int) -> Text:
    """Return a finding in lines of at most ``width``, unless a single word is longer.

    Text goes beside the columns, or below them if one of its words, such as a path, does not fit.
    """
    text = [part for part in (finding.says, finding.advice) if part]
    below = max(map(len, " ".join(text).split())) + len(columns) > width
    indent = 6 if below else len(columns)
    fill = TextWrapper(width - indent, break_long_words=False, break_on_hyphens=False)
    lines = [line for part in text for line in fill.wrap(part)]
    first = [columns.rstrip()] if below else [columns + lines.pop(0)]
    shown = Text("\n".join(first + [" " * indent + line for line in lines]))
    shown.stylize(_SHOWN[finding.state]("").style, 0, len(finding.state))
    return shown
