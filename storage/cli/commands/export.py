"""``export``: what is kept of one subject, in a ZIP."""

from pathlib import Path
from typing import Annotated

from typer import Option

from storage.cli import files
from storage.cli.acting import actor_of
from storage.cli.opening import opened_homes
from storage.cli.options import AsJson, StdinOption, TenantId
from storage.cli.output import print_json, print_note
from storage.cli.progress import transfer
from storage.client.export import archive, check_export
from storage.client.files import OpenFile
from storage.client.lines import check_login, facts_of
from storage.client.recorded import RecordedRead
from storage.client.store import Store
from storage.client.validate import PAGE, as_uuid
from storage.model import DataClass, Page, Purpose, RecordId
from storage.text import format_size


def export(
    tenant: TenantId,
    *,
    subject: Annotated[
        str, Option(metavar="NAME", help="The end user that it is about. - reads stdin.")
    ],
    purpose: Annotated[
        Purpose, Option(metavar="PURPOSE", help="Why it is read: serve or subject_request.")
    ],
    actor: Annotated[
        str, Option(metavar="ID", help="Who reads it: with --grant, an actor of the roster.")
    ],
    output: Annotated[
        Path, Option("--output", "-o", metavar="FILE", help="Write it to FILE, mode 0600.")
    ],
    grant: Annotated[
        str | None, Option(metavar="GRANT", help="A person needs one. See: domicile grant")
    ] = None,
    force: Annotated[bool, Option(help="Replace FILE if it exists.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write what is kept of a subject into a ZIP that only you can read.

    Each read is in the region's log before the content is decrypted. If it fails, no file is left.
    """
    files.check_new(output, force=force)
    number = None if grant is None else as_uuid(grant, "a grant")
    name = StdinOption().read(subject)
    check_export(name, purpose)
    with opened_homes() as homes:
        served, terms = homes.find(tenant)
        by = actor_of(served, terms, actor, purpose)
        read = RecordedRead(served, tenant, by, purpose, number)
        check_login(served.region, by, facts_of(by, tenant, purpose.value))
        known = Store(homes).tenant(tenant)

        def pages(data_class: DataClass | None, after: RecordId | None) -> Page:
            return known.list(data_class=data_class, subject=name, after=after, limit=PAGE)

        def opened(record_id: RecordId) -> OpenFile:
            reader = read.reader(record_id)
            return OpenFile(reader, tenant, reader.metadata(tenant, record_id))

        with transfer("Exporting", None) as progress:
            pieces = files.metered(archive(pages, opened), progress)
            size = files.write_new(output, pieces, force=force)
    if as_json:
        print_json({"size": size})
    else:
        print_note(f"Written: {format_size(size)}.")
