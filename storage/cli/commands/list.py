"""``list``: the records of a tenant."""

from typing import Annotated

from typer import Option

from regions.model import RECORD_CLASSES
from storage.cli.opening import opened
from storage.cli.options import (
    AsJson,
    Group,
    Limit,
    StdinOption,
    Subject,
    TenantId,
    one_of,
)
from storage.cli.output import format_minute, print_json, print_page
from storage.model import DataClass, RecordInfo
from storage.text import format_size


def list_records(
    tenant: TenantId,
    *,
    data_class: Annotated[
        DataClass | None,
        Option("--class", metavar="CLASS", help=f"Only this data class. {one_of(RECORD_CLASSES)}"),
    ] = None,
    subject: Subject = None,
    group: Group = None,
    flagged: Annotated[bool, Option("--flagged", help="Only records that have a flag.")] = False,
    after: Annotated[
        str | None, Option(metavar="ID", help="Start after this record, for the next page.")
    ] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List the readable records of a tenant, oldest first.

    Erased and expired records are not listed.
    """
    stdin = StdinOption()
    subject, group = stdin.read(subject), stdin.read(group)
    with opened() as store:
        found = store.tenant(tenant).list(
            data_class=data_class,
            subject=subject,
            group=group,
            flagged=flagged or None,
            after=after,
            limit=limit,
        )
    following = str(found[-1].id) if len(found) == limit else None
    if as_json:
        print_json({"records": found, "next": following})
        return
    heads = ("record", "size", "written (UTC)", "deleted by (UTC)")
    print_page(heads, [_row(info) for info in found], following)


def _row(info: RecordInfo) -> tuple[str, str, str, str]:
    size = format_size(info.size) + (" (incomplete)" if info.incomplete else "")
    deadline = format_minute(info.deadline, never="no deadline")
    return str(info.id), size, format_minute(info.written), deadline
