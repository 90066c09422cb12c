"""The command ``domicile``: every command with its name, registered in the order of its help."""

from typing import Annotated

import typer
from typer import Option, Typer

from regions.version import VERSION
from storage.cli import exit_codes
from storage.cli.commands import (
    access,
    apikey,
    backend,
    backend_loss,
    consent,
    demo,
    doctor,
    drain,
    erase,
    erasure,
    explain,
    export,
    get,
    grant,
    hold,
    hold_change,
    init,
    key,
    keyservice,
    log,
    log_verify,
    objection,
    policy,
    policy_check,
    policy_diff,
    processor,
    put,
    receipt,
    receipt_export,
    recover,
    region,
    roster,
    scrub,
    serve,
    status,
    subprocessor,
    tenant,
    tenant_agreement,
    tenant_exit,
    tenant_retention,
    topology,
    training,
    what_if,
    worker,
)
from storage.cli.commands import (
    list as list_,
)
from storage.cli.error_handling import Group, MainGroup
from storage.cli.output import print_value

_RECORDS, _EVIDENCE, _OPERATION = "Records", "Erasure and evidence", "Operation"

app = Typer(
    cls=MainGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    epilog=exit_codes.listing(),
)


def _print_version(wanted: bool) -> None:
    if not wanted:
        return
    print_value(VERSION)
    raise typer.Exit


@app.callback()
def domicile(
    version: Annotated[
        bool,
        Option("--version", callback=_print_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Store LLM API data in its lawful regions, for its lawful time, and prove its deletion.

    Settings come from DOMICILE_* environment variables. Without any, all data is in one directory
    of this machine. Every command takes --json and then prints one document: the result, or
    {"error": {...}}. The exit codes are below.
    """


def _group(name: str, about: str, panel: str) -> Typer:
    return _part(app, name, about, panel)


def _part(of: Typer, name: str, about: str, panel: str | None = None) -> Typer:
    group = Typer(cls=Group, help=about, no_args_is_help=True)
    of.add_typer(group, name=name, rich_help_panel=panel)
    return group


app.command()(init.init)
app.command()(doctor.doctor)
app.command()(demo.demo)

app.command(rich_help_panel=_RECORDS)(put.put)
app.command(rich_help_panel=_RECORDS)(get.get)
app.command("list", rich_help_panel=_RECORDS)(list_.list_records)
app.command(rich_help_panel=_RECORDS)(export.export)
app.command(rich_help_panel=_RECORDS)(explain.explain)

app.command(rich_help_panel=_EVIDENCE)(erase.erase)
_erasure = _group("erasure", "Show the progress of erasures.", _EVIDENCE)
_erasure.command("show")(erasure.show)
_erasure.command("list")(erasure.list_erasures)
_hold = _group("hold", "Place, confirm, change and inspect legal holds.", _EVIDENCE)
_hold.command("place")(hold.place)
_hold.command("list")(hold.list_holds)
_hold.command("show")(hold.show)
_hold.command("confirm")(hold_change.confirm)
_hold.command("release")(hold_change.release)
_hold.command("narrow")(hold_change.narrow)
_hold.command("decide")(hold_change.decide)
_hold.command("approve")(hold_change.approve)
_hold.command("records")(hold.records)
_roster = _group("roster", "Say who may have to do with content.", _EVIDENCE)
_roster.command("login")(roster.login)
_roster.command("enter")(roster.enter)
_roster.command("list")(roster.list_roster)
_grant = _group("grant", "Let a person open records, with the approval of another.", _EVIDENCE)
_grant.command("request")(grant.request)
_grant.command("approve")(grant.approve)
_grant.command("revoke")(grant.revoke)
_grant.command("list")(grant.list_grants)
_grant.command("show")(grant.show)
_grant.command("keygen")(grant.keygen)
_consent = _group("consent", "Record and export what customers say about consent.", _EVIDENCE)
_consent.command("give")(consent.give)
_consent.command("withdraw")(consent.withdraw)
_consent.command("opt-out")(consent.opt_out)
_consent.command("list")(consent.list_consents)
_consent.command("export")(consent.export)
_training = _group("training", "Show what a run must not use any more.", _EVIDENCE)
_training.command("exclusions")(training.exclusions)
_training.command("confirm")(training.confirm)
_training.command("verify")(training.verify)
_model = _group("model", "Manage the models that are fine-tuned for one tenant.", _EVIDENCE)
_model.command("add")(training.add_model)
_model.command("list")(training.list_models)
_model.command("exclusions")(training.model_exclusions)
_model.command("confirm")(training.confirm_model)
_receipt = _group("receipt", "Verify and export the evidence of erasures.", _EVIDENCE)
_receipt.command("verify")(receipt.verify)
_receipt.command("key")(receipt.public)
_receipt.command("export")(receipt_export.export)
_access = _group("access", "Show who opened what.", _EVIDENCE)
_access.command("report")(access.report)
_log = _group("log", "Show, prove, export and verify the log of a region.", _EVIDENCE)
_log.command("show")(log.show)
_log.command("prove")(log.prove)
_log.command("export")(log.export)
_log.command("key")(log.key)
_log.command("verify")(log_verify.verify)

app.command(rich_help_panel=_OPERATION)(worker.worker)
app.command(rich_help_panel=_OPERATION)(serve.serve)
app.command(rich_help_panel=_OPERATION)(scrub.scrub)
app.command(rich_help_panel=_OPERATION)(status.status)
app.command(rich_help_panel=_OPERATION)(recover.recover)
_tenant = _group("tenant", "Manage tenants: the customers' projects.", _OPERATION)
_tenant.command("ensure")(tenant.ensure)
_tenant.command("list")(tenant.list_tenants)
_tenant.command("remove")(tenant.remove)
_tenant.command("retention")(tenant_retention.retention)
_tenant.command("object")(objection.object_)
_tenant.command("withdraw")(objection.withdraw)
_tenant.command("objections")(objection.list_objections)
_agreement = _part(_tenant, "agreement", "Record agreements with customers, and their end.")
_agreement.command("add")(tenant_agreement.add)
_agreement.command("list")(tenant_agreement.list_agreements)
_agreement.command("end")(tenant_agreement.end)
_exit = _part(_tenant, "exit", "Record what becomes of a tenant's data after the agreement.")
_exit.command("choose")(tenant_exit.choose)
_exit.command("notice")(tenant_exit.notice)
_exit.command("confirm")(tenant_exit.confirm)
_exit.command("list")(tenant_exit.list_exits)
_api_key = _group(
    "apikey", "Manage the keys with which customers call the HTTP service.", _OPERATION
)
_api_key.command("create")(apikey.create)
_api_key.command("list")(apikey.list_keys)
_api_key.command("revoke")(apikey.revoke)
_processor = _group("processor", "Track the copies at processors.", _OPERATION)
_processor.command("list")(processor.list_processors)
_processor.command("copies")(processor.list_copies)
_processor.command("attest")(processor.attest)
_processor.command("key")(processor.key)
_sub_processor = _group(
    "subprocessor", "List the companies that hold or handle data, by day.", _OPERATION
)
_sub_processor.command("list")(subprocessor.list_sub_processors)
_sub_processor.command("diff")(subprocessor.diff)
_sub_processor.command("notice")(subprocessor.notice)
_sub_processor.command("drain")(drain.drain)
_sub_processor.command("attest")(drain.attest)
_region = _group("region", "List, declare, make and end regions.", _OPERATION)
app.command("what-if", rich_help_panel=_OPERATION)(what_if.what_if)
_region.command("list")(region.list_regions)
_region.command("new")(region.new)
_region.command("provision")(region.provision)
_region.command("retire")(region.retire)
_topology = _group("topology", "Make a topology of your own.", _OPERATION)
_topology.command("new")(topology.new)
_backend = _group("backend", "Check backends, and empty one that leaves.", _OPERATION)
_backend.command("posture")(backend.posture)
_backend.command("accept")(backend.accept)
_backend.command("retire")(backend.retire)
_backend.command("lost")(backend_loss.lost)
_key = _group("key", "Manage the keys of a region.", _OPERATION)
_key.command("rotate")(key.rotate)
_key.command("split")(key.split)
_keyservice = _group("keyservice", "Hold the root keys of a region in a process apart.", _OPERATION)
_keyservice.command("init")(keyservice.init)
_keyservice.command("serve")(keyservice.serve)
_keyservice.command("rotate")(keyservice.rotate)
_policy = _group(
    "policy", "Explain, check and compare what the configuration promises.", _OPERATION
)
_policy.command("explain")(policy.explain)
_policy.command("check")(policy_check.check)
_policy.command("diff")(policy_diff.diff)
