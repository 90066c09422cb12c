"""``get``: read one record."""

from pathlib import Path
from typing import Annotated

from typer import Option

from storage.cli import files
from storage.cli.opening import opened
from storage.cli.options import AsJson, RecordText, TenantId, one_of
from storage.cli.terminal import deliver
from storage.model import Actor, ActorKind, Purpose

Output = Annotated[
    Path | None, Option("--output", "-o", metavar="FILE", help="Write it to FILE, mode 0600.")
]
Force = Annotated[bool, Option(help="Replace FILE if it exists.")]


def get(
    tenant: TenantId,
    record_id: RecordText,
    *,
    purpose: Annotated[
        Purpose, Option(metavar="PURPOSE", help=f"Why it is read. {one_of(Purpose)}")
    ],
    actor: Annotated[str, Option(metavar="ID", help="Who reads it: your own id of it.")],
    output: Output = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Read a record to stdout, or into a file that only you can read.

    With --json it prints the metadata too and, without --output, the body in base64.
    """
    if output is not None:
        files.check_new(output, force=force)
    with opened() as store:
        spec = store.admin.tenants.get(tenant)
        reader = Actor(actor, ActorKind.CUSTOMER, employer=spec.account, location=spec.residency)
        with store.tenant(tenant).bind(reader).open(record_id, purpose=purpose) as file:
            deliver(file, output, force=force, as_json=as_json)
