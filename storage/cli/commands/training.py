"""``training exclusions|confirm|verify`` and ``model add|list|exclusions|confirm``."""

from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from storage.cli import files
from storage.cli.opening import opened
from storage.cli.options import AsJson, TenantId, check_digest, parse_time
from storage.cli.output import format_time, good, print_facts, print_json, print_note, print_table
from storage.errors import InvalidRequest, ReceiptInvalid
from storage.evidence.keys import import_public_keys
from storage.evidence.manifests import verify_manifests
from storage.model import Exclusion, ExclusionList

_Run = Annotated[str, Argument(metavar="RUN", help="The name of the run.", show_default=False)]
_Model = Annotated[str, Argument(metavar="MODEL", help="The model.", show_default=False)]
_Listed = Annotated[str, Option(metavar="TIME", help="When the list was made: it says so.")]
_Document = Annotated[str, Option(metavar="SHA256", help="Of what shows the deletion.")]
_By = Annotated[str, Option(metavar="ID", help="Who confirms it: an opaque id.")]
_LARGEST = 1024 * 1024  # bytes of a file with keys
_SHOWN = 1000


def exclusions(run: _Run, as_json: AsJson = False) -> None:
    """List what a run was given and must not use any more: withdrawn, or erased.

    A model that was trained on it is not undone. Leave it out of the next training, delete it from
    exported copies, and confirm that: domicile training confirm.
    """
    with opened() as store:
        _show(store.training_runs.exclusions(run), as_json=as_json)


def confirm(
    run: _Run, *, listed: _Listed, document: _Document, by: _By, as_json: AsJson = False
) -> None:
    """Confirm that a run has nothing more of what was on its list, also not in a copy."""
    check_digest(document)
    moment = _moment(listed)
    with opened() as store:
        store.training_runs.confirm(run, listed=moment, document=document, by=by)
    _say_confirmed(run, as_json=as_json)


def verify(
    file: Annotated[Path, Argument(metavar="FILE", help="The manifest.", show_default=False)],
    key: Annotated[
        Path, Option(metavar="FILE", help="The region's public keys: PEM, or a JWK set.")
    ],
    as_json: AsJson = False,
) -> None:
    """Verify the manifest of a run offline, and show what it states.

    Ends with 8 if a line is not what was signed, or the end is cut off.
    """
    keys = import_public_keys(files.content(str(key), most=_LARGEST).decode("ascii", "replace"))
    with files.source(str(file)) as (raw, _):
        found = list(verify_manifests((line.decode("ascii", "replace") for line in raw), keys))
    if not found:
        raise ReceiptInvalid("The file is no manifest.", advice="Give its lines as they were.")
    if as_json:
        print_json({"valid": True, "manifests": [one.model_dump() for one in found]})
        return
    for one in found:
        print_facts(
            [
                ("run", one.run),
                ("tenant", f"{one.tenant} in {one.region}"),
                ("records", f"{one.records:,}"),
                ("from", format_time(one.began)),
                ("until", format_time(one.ended)),
                ("read by", one.actor),
            ]
        )
    print_note(str(good("The manifest is genuine.")))


def add_model(tenant: TenantId, model: _Model, *, by: _By, as_json: AsJson = False) -> None:
    """Note a model as a tenant's own, for ever. Only such a model is fine-tuned with its files."""
    with opened() as store:
        store.tenant(tenant).models.add(model, by=by)
    if as_json:
        print_json({"tenant": tenant, "model": model})
    else:
        print_note(f"{model} is a model of {tenant}.")


def list_models(tenant: TenantId, as_json: AsJson = False) -> None:
    """List the models of a tenant."""
    with opened() as store:
        found = store.tenant(tenant).models.list()
    if as_json:
        print_json({"models": found})
        return
    rows = [(one.name, format_time(one.added), one.by) for one in found]
    print_table(("model", "added (UTC)", "by"), rows)


def model_exclusions(tenant: TenantId, model: _Model, as_json: AsJson = False) -> None:
    """List the files that were used for a model and are erased since."""
    with opened() as store:
        _show(store.tenant(tenant).models.exclusions(model), as_json=as_json)


def confirm_model(
    tenant: TenantId,
    model: _Model,
    *,
    listed: _Listed,
    document: _Document,
    by: _By,
    as_json: AsJson = False,
) -> None:
    """Confirm that nothing is left of these files where the model is made."""
    check_digest(document)
    moment = _moment(listed)
    with opened() as store:
        store.tenant(tenant).models.confirm(model, listed=moment, document=document, by=by)
    _say_confirmed(model, as_json=as_json)


def _show(found: ExclusionList, *, as_json: bool) -> None:
    if as_json:
        print_json({"run": found.run, "listed": found.listed, "exclusions": list(found.records)})
        return
    print_note(f"Listed {found.listed.isoformat()}: give it to confirm.")
    shown = list(islice(found.records, _SHOWN + 1))
    print_table(("tenant", "record", "why", "statement"), list(_rows(shown[:_SHOWN])))
    if len(shown) > _SHOWN:
        print_note(f"There are more than {_SHOWN:,}: use --json.")


def _rows(found: Iterable[Exclusion]) -> Iterable[tuple[str, str, str, str]]:
    for one in found:
        yield one.tenant, str(one.record), one.reason.value, str(one.statement or "-")


def _moment(listed: str) -> datetime:
    moment = parse_time(listed)
    if moment is None:
        raise InvalidRequest("Invalid time.", advice="Give what the list says.")
    return moment


def _say_confirmed(run: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"run": run, "confirmed": True})
    else:
        print_note(f"Noted. Erasures that waited for {run} go on.")
