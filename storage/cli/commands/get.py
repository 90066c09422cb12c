"""``get``: read one record."""

from pathlib import Path
from typing import Annotated

from typer import Option

from storage.cli import files
from storage.cli.acting import actor_of
from storage.cli.opening import opened_homes
from storage.cli.options import AsJson, RecordText, TenantId, one_of
from storage.cli.terminal import deliver
from storage.client.files import OpenFile
from storage.client.lines import check_login
from storage.client.recorded import RecordedRead
from storage.client.training import check_tuning
from storage.client.validate import as_id, as_uuid
from storage.model import FineTuning, Purpose
from storage.training.tuning import note_tuning

Output = Annotated[
    Path | None, Option("--output", "-o", metavar="FILE", help="Write it to FILE, mode 0600.")
]
Force = Annotated[bool, Option(help="Replace FILE if it exists.")]


def get(  # noqa: PLR0913 - one per option
    tenant: TenantId,
    record_id: RecordText,
    *,
    purpose: Annotated[
        Purpose, Option(metavar="PURPOSE", help=f"Why it is read. {one_of(Purpose)}")
    ],
    actor: Annotated[
        str, Option(metavar="ID", help="Who reads it: with --grant, an actor of the roster.")
    ],
    grant: Annotated[
        str | None, Option(metavar="GRANT", help="A person needs one. See: domicile grant")
    ] = None,
    job: Annotated[
        str | None, Option(metavar="NAME", help="Of fine_tune: the job that reads it.")
    ] = None,
    model: Annotated[
        str | None, Option(metavar="MODEL", help="Of fine_tune: a model of the tenant's own.")
    ] = None,
    output: Output = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Read a record to stdout, or into a file that only you can read.

    The read is in the region's log before the content is decrypted. With --json it prints the
    metadata too and, without --output, the body in base64.
    """
    if output is not None:
        files.check_new(output, force=force)
    number = None if grant is None else as_uuid(grant, "a grant")
    with opened_homes() as homes:
        served, terms = homes.find(tenant)
        wanted = as_id(record_id)
        by = actor_of(served, terms, actor, purpose)
        read = RecordedRead(served, tenant, by, purpose, number)
        check_login(served.region, by, read.facts(wanted))
        if purpose is Purpose.FINE_TUNE and not by.staff:
            tuning = check_tuning(FineTuning(job, model) if job and model else None)
            note_tuning(served.region, by, tuning, tenant=tenant, record_id=wanted)
        reader = read.reader(wanted)
        with OpenFile(reader, tenant, reader.metadata(tenant, wanted)) as file:
            deliver(file, output, force=force, as_json=as_json)
