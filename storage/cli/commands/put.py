"""``put``: one record, from a file or stdin."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from storage.cli import files
from storage.cli.options import AsJson, Given, Group, Subject, TenantId, opened
from storage.cli.output import document, moment, note, say
from storage.cli.progress import transfer
from storage.client.tenant import Tenant
from storage.errors import InvalidRequest
from storage.model import DataClass, PutResult, RecordId

Metadata = Annotated[
    str | None, Option(metavar="JSON", help="An object of at most 4 KiB; - reads stdin.")
]
Parents = Annotated[
    list[str] | None, Option(metavar="ID", help="A record that it derives from. Repeatable.")
]
FileName = Annotated[
    str | None, Option(help="The name of a fine-tuning file; else that of FILE. Sealed.")
]

_BODY = 16 * 1024 * 1024  # bytes; of more than that the store says that it is too much


@dataclass(frozen=True, slots=True)
class _Told:
    """What is to be stored, but for its bytes."""

    data_class: DataClass
    id: RecordId
    subject: str | None
    group: str | None
    metadata: Mapping[str, object]
    derived_from: tuple[str, ...]
    filename: str | None


def put(  # noqa: PLR0913 - one per option
    tenant: TenantId,
    file: Annotated[str, Argument(metavar="FILE", help="What to store; - is stdin.")] = "-",
    *,
    data_class: Annotated[DataClass, Option("--class", help="What it is.")],
    record_id: Annotated[str | None, Option("--id", help="An id that was minted before.")] = None,
    key: Annotated[str | None, Option(help="The same key on the same day: the same id.")] = None,
    subject: Subject = None,
    group: Group = None,
    metadata: Metadata = None,
    derived_from: Parents = None,
    filename: FileName = None,
    as_json: AsJson = False,
) -> None:
    """Store a record. Prints its id when it is durable on the required replicas.

    A prompt or a completion may have 16 MiB. A fine-tuning file has no limit and is streamed.
    """
    given = Given()
    if file == files.STDIN:
        given.take()
        if sys.stdin.isatty():
            note("Type it; Ctrl-D ends it.")
    names = given.text(subject), given.text(group), _metadata(given.text(metadata))
    with opened(probing=True) as store:
        bound = store.tenant(tenant)
        minted = _id(bound, data_class, record_id, key)
        told = _Told(data_class, minted, *names, tuple(derived_from or ()), filename)
        result = _store_file(bound, told, file) if _is_file(told) else _store(bound, told, file)
    if as_json:
        document(result)
        return
    say(str(result.id))
    if result.stored:
        until = f"Its bytes are gone by {moment(result.deadline)}."
        note(f"Stored. {until if result.deadline else 'It is kept until it is erased.'}")
    else:
        note("Nothing was stored: the tenant keeps none of this class (zero retention).")


def _is_file(told: _Told) -> bool:
    return told.data_class is DataClass.FINE_TUNING_FILE


def _store(tenant: Tenant, told: _Told, file: str) -> PutResult:
    if told.filename is not None:
        raise InvalidRequest(f"A {told.data_class} has no file name.", advice="Use --metadata.")
    body = files.content(file, most=_BODY)
    return tenant.put(
        told.data_class,
        body,
        id=told.id,
        subject=told.subject,
        group=told.group,
        metadata=told.metadata,
        derived_from=told.derived_from,
    )


def _store_file(tenant: Tenant, told: _Told, file: str) -> PutResult:
    if told.group is not None or told.derived_from:
        raise InvalidRequest("A fine-tuning file has neither a group nor records it derives from.")
    name = told.filename or (None if file == files.STDIN else Path(file).name)
    with files.source(file) as (stream, total), transfer("Storing", total) as seen:
        return tenant.put_file(
            files.metered(stream, seen),
            filename=name,
            id=told.id,
            subject=told.subject,
            metadata=told.metadata,
        )


def _id(tenant: Tenant, data_class: DataClass, given: str | None, key: str | None) -> RecordId:
    if given is None:
        return tenant.new_id(data_class, key=key)
    if key is not None:
        raise InvalidRequest("Give --id or --key, not both.")
    return RecordId.parse(given)


def _metadata(text: str | None) -> Mapping[str, object]:
    if text is None:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidRequest("--metadata is no JSON object.", advice='Give it as {"model": "m-1"}.')
    return found
