"""``put``: store one record from a file or stdin."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from regions.model import CONTENT_CLASSES, RECORD_CLASSES
from regions.words import begun_with_article
from storage.cli import files
from storage.cli.opening import opened
from storage.cli.options import (
    STDIN,
    AsJson,
    Group,
    StdinOption,
    Subject,
    TenantId,
    check_digest,
    one_of,
    parse_date,
    parse_time,
)
from storage.cli.output import format_time, print_json, print_note, print_value
from storage.cli.progress import transfer
from storage.client.tenant import Tenant
from storage.errors import InvalidRequest
from storage.model import DataClass, Origin, PutResult, RecordId

_LARGEST = 16 * 1024 * 1024  # bytes; the store refuses one byte more


@dataclass(frozen=True, slots=True)
class _Request:
    """What to store, without its content."""

    data_class: DataClass
    id: RecordId
    subject: str | None
    group: str | None
    metadata: Mapping[str, object]
    derived_from: tuple[str, ...]
    filename: str | None
    origin: Origin | None
    keep_days: int | None
    readable_until: datetime | None


_ContentFile = Annotated[
    str, Argument(metavar="FILE", help="The content. - is stdin, the default.")
]
_ClassOption = Annotated[
    DataClass, Option("--class", metavar="CLASS", help=f"Its data class. {one_of(RECORD_CLASSES)}")
]
_RecordId = Annotated[
    str | None, Option("--id", metavar="ID", help="Store under this id, from an earlier put.")
]
_IdempotencyKey = Annotated[
    str | None,
    Option(metavar="KEY", help="Idempotency key: the same key on the same day, the same id."),
]
_KeepDays = Annotated[
    int | None,
    Option(metavar="DAYS", help="Keep it for fewer days than the tenant keeps its class."),
]
_ReadableUntil = Annotated[
    str | None,
    Option(metavar="TIME", help="When reading ends (UTC), if before its last day is over."),
]
_MetadataJson = Annotated[
    str | None, Option(metavar="JSON", help="A JSON object, at most 4 KiB. - reads stdin.")
]
_DerivedFrom = Annotated[
    list[str] | None, Option(metavar="ID", help="A record it derives from. Repeatable.")
]
_Filename = Annotated[
    str | None,
    Option(metavar="NAME", help="Name of a fine-tuning file. Default: that of FILE."),
]
_OriginDate = Annotated[
    str | None,
    Option(metavar="DATE", help="Data from before Domicile: the UTC day on which it came in."),
]
_OriginSource = Annotated[
    str | None, Option(metavar="SHA256", help="The SHA-256 of what it was taken from.")
]


def put(  # noqa: PLR0913 - one per option
    tenant: TenantId,
    file: _ContentFile = STDIN,
    *,
    data_class: _ClassOption,
    record_id: _RecordId = None,
    key: _IdempotencyKey = None,
    keep_days: _KeepDays = None,
    readable_until: _ReadableUntil = None,
    subject: Subject = None,
    group: Group = None,
    metadata: _MetadataJson = None,
    derived_from: _DerivedFrom = None,
    filename: _Filename = None,
    origin_date: _OriginDate = None,
    origin_source: _OriginSource = None,
    as_json: AsJson = False,
) -> None:
    """Store a record, and print its id.

    The command returns when the record is durable on the required replicas. A prompt or a
    completion has at most 16 MiB. A fine-tuning file has no limit and is streamed. An event has
    metadata and no content.

    With --origin-date and --origin-source it takes in data from before Domicile: its retention
    counts from that day, and what is past its end by then is refused.

    If it ends with 6, the outcome is unknown: run it again with the id that it names.
    """
    stdin = StdinOption()
    if data_class not in CONTENT_CLASSES:
        _check_no_content(data_class, file)
    elif file == STDIN:
        stdin.take()
        if sys.stdin.isatty():
            print_note("Type the content. End it with Ctrl-D.")
    origin, until = _origin(origin_date, origin_source), parse_time(readable_until)
    names = stdin.read(subject), stdin.read(group), _parse_metadata(stdin.read(metadata))
    with opened(probing=True) as store:
        bound = store.tenant(tenant)
        minted = _id(bound, data_class, record_id, key, origin, keep_days, until)
        parents = tuple(derived_from or ())
        request = _Request(data_class, minted, *names, parents, filename, origin, keep_days, until)
        if data_class is DataClass.FINE_TUNING_FILE:
            result = _store_file(bound, request, file)
        else:
            result = _store(bound, request, file)
    if as_json:
        print_json(result)
        return
    print_value(str(result.id))
    if not result.stored:
        print_note("Nothing was stored: the tenant's retention for this class is zero.")
    elif result.deadline:
        print_note(f"Stored. It will be deleted by {format_time(result.deadline)}.")
    else:
        print_note("Stored. It has no deadline: it is kept until you erase it.")


def _check_no_content(data_class: DataClass, file: str) -> None:
    if file != STDIN:
        raise InvalidRequest(
            f"{begun_with_article(data_class)} has no content.",
            advice="Leave out FILE, and give --metadata.",
        )


def _store(tenant: Tenant, request: _Request, file: str) -> PutResult:
    if request.filename is not None:
        raise InvalidRequest(
            f"{begun_with_article(request.data_class)} has no file name.",
            advice="Put the name into --metadata.",
        )
    empty = request.data_class not in CONTENT_CLASSES
    body = b"" if empty else files.content(file, most=_LARGEST)
    return tenant.put(
        request.data_class,
        body,
        id=request.id,
        subject=request.subject,
        group=request.group,
        metadata=request.metadata,
        derived_from=request.derived_from,
        origin=request.origin,
        keep_days=request.keep_days,
        readable_until=request.readable_until,
    )


def _store_file(tenant: Tenant, request: _Request, file: str) -> PutResult:
    if request.group is not None or request.derived_from:
        raise InvalidRequest(
            "A fine-tuning file has no group and derives from no records.",
            advice="Leave out --group and --derived-from.",
        )
    name = request.filename or (None if file == STDIN else Path(file).name)
    with files.source(file) as (stream, total), transfer("Storing", total) as progress:
        return tenant.put_file(
            files.metered(files.pieces_of(stream), progress),
            filename=name,
            id=request.id,
            subject=request.subject,
            metadata=request.metadata,
            origin=request.origin,
            keep_days=request.keep_days,
            readable_until=request.readable_until,
        )


def _origin(day: str | None, source: str | None) -> Origin | None:
    if day is None and source is None:
        return None
    if day is None or source is None:
        raise InvalidRequest(
            "An origin has a date and a source.", advice="Give --origin-date and --origin-source."
        )
    check_digest(source)
    return Origin(parse_date(day), bytes.fromhex(source))


def _id(  # noqa: PLR0917 - what an id is minted from
    tenant: Tenant,
    data_class: DataClass,
    given: str | None,
    key: str | None,
    origin: Origin | None,
    keep_days: int | None,
    until: datetime | None,
) -> RecordId:
    if given is None:
        day = origin.date if origin is not None else None
        return tenant.new_id(
            data_class, key=key, origin_date=day, keep_days=keep_days, readable_until=until
        )
    if key is not None:
        raise InvalidRequest("Both --id and --key are given.", advice="Give one of them.")
    return RecordId.parse(given)


def _parse_metadata(text: str | None) -> Mapping[str, object]:
    if text is None:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidRequest(
            "--metadata must be a JSON object.", advice='Give it as {"model": "m-1"}.'
        )
    return found
