"""All commands of ``domicile``, by name."""

from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer
from typer import Option, Typer

from storage.cli import exit_codes
from storage.cli.commands import (
    doctor,
    erase,
    get,
    hold,
    init,
    key,
    policy,
    processor,
    put,
    receipt,
    recover,
    scrub,
    status,
    tenant,
    worker,
)
from storage.cli.error_handling import Guarded
from storage.cli.options import AsJson
from storage.cli.output import say

_RECORDS, _EVIDENCE, _OPERATION = "Records", "Erasure and evidence", "Operation"

app = Typer(
    cls=Guarded,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    epilog=exit_codes.listing(),
)


def _version(wanted: bool) -> None:
    if wanted:
        try:
            say(metadata.version("domicile"))
        except metadata.PackageNotFoundError:
            say("not installed: it runs from a source tree")
        raise typer.Exit


@app.callback()
def domicile(
    version: Annotated[
        bool, Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Stores LLM API data in its place, for as long as it may be there, and no longer.

    Settings come from DOMICILE_*; without any, everything lives under one directory of this
    machine. Every command takes --json and then prints one document: the result, or
    {"error": {...}} with the exit code below.
    """


def demo(
    file: Annotated[
        Path | None,
        Option("--input", metavar="FILE", help="Your own: JSONL in the OpenAI chat format."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the main job from end to end on two regions of this machine, with its proof."""
    from storage.cli.commands.demo import demo as run  # noqa: PLC0415 - nothing else needs it

    run(file, as_json=as_json)


def _group(name: str, about: str, panel: str) -> Typer:
    group = Typer(help=about, no_args_is_help=True)
    app.add_typer(group, name=name, rich_help_panel=panel)
    return group


app.command()(init.init)
app.command()(doctor.doctor)
app.command()(demo)

app.command(rich_help_panel=_RECORDS)(put.put)
app.command(rich_help_panel=_RECORDS)(get.get)
app.command("list", rich_help_panel=_RECORDS)(get.list_records)
app.command(rich_help_panel=_RECORDS)(get.explain)

app.command(rich_help_panel=_EVIDENCE)(erase.erase)
_erasure = _group("erasure", "How far erasures are.", _EVIDENCE)
_erasure.command("show")(erase.show)
_erasure.command("list")(erase.list_erasures)
_hold = _group("hold", "Legal holds.", _EVIDENCE)
_hold.command("place")(hold.place)
_hold.command("list")(hold.list_holds)
_hold.command("show")(hold.show)
_hold.command("release")(hold.release)
_hold.command("records")(hold.records)
_hold.command("get")(hold.get)
_receipt = _group("receipt", "The evidence of an erasure.", _EVIDENCE)
_receipt.command("verify")(receipt.verify)
_receipt.command("key")(key.public)

app.command(rich_help_panel=_OPERATION)(worker.worker)
app.command(rich_help_panel=_OPERATION)(scrub.scrub)
app.command(rich_help_panel=_OPERATION)(status.status)
app.command(rich_help_panel=_OPERATION)(recover.recover)
_tenant = _group("tenant", "Customers' projects.", _OPERATION)
_tenant.command("ensure")(tenant.ensure)
_tenant.command("list")(tenant.list_tenants)
_processor = _group("processor", "Copies at sub-processors without a bucket.", _OPERATION)
_processor.command("list")(processor.list_processors)
_processor.command("copies")(processor.list_copies)
_processor.command("attest")(processor.attest)
_processor.command("key")(processor.key)
_region = _group("region", "Where machines stand.", _OPERATION)
_region.command("list")(init.region_list)
_key = _group("key", "The keys of a region.", _OPERATION)
_key.command("rotate")(key.rotate)
_policy = _group("policy", "What the configuration amounts to.", _OPERATION)
_policy.command("explain")(policy.explain)
