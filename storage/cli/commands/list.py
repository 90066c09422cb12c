"""``list``: the records of a tenant."""

from typing import Annotated

from typer import Option

from regions.model import RECORD_CLASSES
from storage.cli.opening import opened
from storage.cli.options import (
    AsJson,
    Group,
    Limit,
    MintedFrom,
    MintedTo,
    StdinOption,
    Subject,
    TenantId,
    one_of,
    parse_time,
)
from storage.cli.output import format_minute, print_json, print_page
from storage.model import DataClass, RecordInfo
from storage.text import format_size


def list_records(  # noqa: PLR0913 - one per option
    tenant: TenantId,
    *,
    data_class: Annotated[
        DataClass | None,
        Option("--class", metavar="CLASS", help=f"Only this data class. {one_of(RECORD_CLASSES)}"),
    ] = None,
    subject: Subject = None,
    group: Group = None,
    flagged: Annotated[bool, Option("--flagged", help="Only records that have a flag.")] = False,
    minted_from: MintedFrom = None,
    minted_to: MintedTo = None,
    newest: Annotated[bool, Option("--newest", help="The newest first.")] = False,
    after: Annotated[
        str | None, Option(metavar="ID", help="Start after this record, for the next page.")
    ] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List the readable records of a tenant, oldest first unless told otherwise.

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
            minted_from=parse_time(minted_from),
            minted_to=parse_time(minted_to),
            newest_first=newest,
            after=after,
            limit=limit,
        )
    following = str(found.cursor) if found.has_more else None
    if as_json:
        print_json({"records": found.rows, "next": following})
        return
    heads = ("record", "size", "written (UTC)", "deleted by (UTC)")
    print_page(heads, [_row(info) for info in found], following)


def _row(info: RecordInfo) -> tuple[str, str, str, str]:
    size = format_size(info.size) + (" (incomplete)" if info.incomplete else "")
    deadline = format_minute(info.deadline, never="no deadline")
    return str(info.id), size, format_minute(info.written), deadline
