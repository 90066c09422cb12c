"""``hold place``, ``list``, ``show``, ``release``, ``records`` and ``get``."""

import base64
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

from rich.text import Text
from typer import Argument, Option

from storage.cli import files
from storage.cli.commands.get import to_stdout, too_much_for_json
from storage.cli.options import AsJson, Given, Limit, OneRegion, RecordText, TenantId, opened
from storage.cli.output import bad, document, facts, good, minute, moment, note, say, table
from storage.errors import InvalidRequest
from storage.model import DataClass, Hold, HoldSpec, PlacedHold, Scope
from storage.text import format_size, plural

HoldId = Annotated[str, Argument(metavar="HOLD", help="The hold's id.")]


def place(  # noqa: PLR0913 - one per option
    tenant: TenantId,
    *,
    matter: Annotated[str, Option(help="The case. At most 200 characters.")],
    authority: Annotated[str, Option(help="Who demands it.")],
    issuer: Annotated[str, Option(help="Who places it.")],
    review: Annotated[str, Option(metavar="DATE", help="When somebody must look at it again.")],
    future: Annotated[
        bool, Option("--future/--no-future", help="Cover what is stored later too, or not.")
    ],
    subject: Annotated[str | None, Option(help="An end user; - reads it from stdin.")] = None,
    group: Annotated[str | None, Option(help="A conversation; - reads it from stdin.")] = None,
    record: Annotated[str | None, Option(metavar="ID", help="A record.")] = None,
    everything: Annotated[bool, Option("--all", help="All records of the tenant.")] = False,
    data_class: Annotated[
        list[DataClass] | None, Option("--class", help="Only of this class. Repeatable.")
    ] = None,
    minted_from: Annotated[
        str | None, Option("--from", metavar="TIME", help="Only what was minted from then on, UTC.")
    ] = None,
    minted_to: Annotated[
        str | None, Option("--to", metavar="TIME", help="Only what was minted before then, UTC.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Place a legal hold. From then on nothing destroys what it covers, until it is released.

    The answer says what it came too late for: an expiry day that had begun to go, an erasure that
    had begun to delete.
    """
    given = Given()
    spec = HoldSpec(
        tenant,
        _scope(given.text(subject), given.text(group), record, everything=everything),
        matter,
        authority,
        issuer,
        _date(review),
        future,
        tuple(data_class or ()),
        _time(minted_from),
        _time(minted_to),
    )
    with opened() as store:
        placed = store.admin.holds.place(spec)
    if as_json:
        document(placed)
    else:
        _tell(placed)


def release(
    hold: HoldId,
    *,
    why: Annotated[str, Option(help="Why it ends. At most 200 characters.")],
    as_json: AsJson = False,
) -> None:
    """End a hold. The worker goes on with the expiry and the erasures that it has deferred."""
    with opened() as store:
        found = store.admin.holds.release(hold, why=why)
    if as_json:
        document({"hold": found})
    else:
        note(f"Released since {moment(found.released)}.")


def show(hold: HoldId, as_json: AsJson = False) -> None:
    """What a hold covers, why, and since when."""
    with opened() as store:
        found = store.admin.holds.show(hold)
    if as_json:
        document({"hold": found})
        return
    facts(
        [
            ("hold", str(found.id)),
            ("tenant", f"{found.tenant} in {found.region}"),
            ("covers", _covers(found)),
            ("matter", found.matter),
            ("authority", found.authority),
            ("issuer", found.issuer),
            ("placed", moment(found.placed)),
            ("review", str(found.review)),
            ("released", moment(found.released, never="in force")),
            *([("because", found.released_why)] if found.released_why else []),
        ]
    )


def list_holds(  # noqa: PLR0917 - one per option
    region: OneRegion = None,
    tenant: Annotated[str | None, Option(metavar="TENANT", help="Only on this tenant.")] = None,
    released: Annotated[bool, Option("--released", help="Those that ended, too.")] = False,
    after: Annotated[str | None, Option(metavar="HOLD", help="Go on before this one.")] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Holds in the regions that this process serves, newest first."""
    with opened() as store:
        found: list[Hold] = []
        for name in [region] if region else store.regions:
            found += store.admin.holds.list(
                name, tenant=tenant, released=released, after=after, limit=limit
            )
    page = sorted(found, key=lambda hold: hold.id, reverse=True)[:limit]
    following = str(page[-1].id) if len(found) >= limit and page else None
    if as_json:
        document({"holds": page, "next": following})
        return
    table(
        ("hold", "state", "tenant", "placed (UTC)", "review", "covers"),
        [
            (str(h.id), _state(h), h.tenant, minute(h.placed), str(h.review), _covers(h))
            for h in page
        ],
    )
    if following:
        note(f"There may be more: --after {following}")


def records(
    hold: HoldId,
    after: Annotated[str | None, Option(metavar="ID", help="Go on after this record.")] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """What a hold keeps, erased and expired records too, oldest first."""
    with opened() as store:
        found = store.admin.holds.records(hold, after=after, limit=limit)
    following = str(found[-1].id) if len(found) == limit else None
    if as_json:
        document({"records": found, "next": following})
        return
    table(
        ("record", "size", "written (UTC)"),
        [(str(info.id), format_size(info.size), minute(info.written)) for info in found],
    )
    if following:
        note(f"There may be more: --after {following}")


def get(
    hold: HoldId,
    record_id: RecordText,
    *,
    actor: Annotated[str, Option(help="Who reads: your id of the person. It is audited.")],
    output: Annotated[Path | None, Option("--output", "-o", help="Where to write it.")] = None,
    force: Annotated[bool, Option(help="Replace the file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Open a record that a hold keeps, for the purpose legal. Who does is in the audit log first.

    Its bytes go to stdout, or whole into a file that only you can read.
    """
    if output is not None:
        files.check_new(output, force=force)
    body: str | None = None
    with opened() as store, store.admin.holds.open(hold, record_id, actor=actor) as file:
        if output is not None:
            files.write_new(output, file.chunks(), force=force)
        elif not as_json:
            to_stdout(file.chunks())
        else:
            too_much_for_json(file.size)
            body = base64.b64encode(b"".join(file.chunks())).decode()
    if as_json:
        document({"record": file.info, "metadata": file.metadata, "body": body})
    elif output is not None:
        note(f"Written: {format_size(file.size)}.")


def _scope(
    subject: str | None, group: str | None, record: str | None, *, everything: bool
) -> Scope:
    scopes = [
        *([Scope.subject(subject)] if subject is not None else []),
        *([Scope.group(group)] if group is not None else []),
        *([Scope.record(record)] if record is not None else []),
        *([Scope.tenant()] if everything else []),
    ]
    if len(scopes) != 1:
        raise InvalidRequest(
            "Say what to hold, and only one thing at a time.",
            advice="Give --subject, --group, --record or --all.",
        )
    return scopes[0]


def _tell(placed: PlacedHold) -> None:
    say(str(placed.hold.id))
    note(f"It keeps {plural(placed.records, 'record')} that are there now.")
    for day in placed.expiring:
        note(bad(f"Too late for {plural(day.records, 'record')} of {day.day}: they expire."))
    for erasure in placed.erasures:
        note(bad(f"Too late for what erasure {erasure} has deleted by now."))


def _state(hold: Hold) -> Text:
    if hold.released is not None:
        return Text("released")
    return good("in force") if hold.review >= datetime.now(UTC).date() else bad("review overdue")


def _covers(hold: Hold) -> str:
    """For people. It never names a subject or a group."""
    what = {"tenant": "everything"}.get(hold.scope.value, f"one {hold.scope.value}")
    span = [
        *([", ".join(hold.classes)] if hold.classes else []),
        *([f"from {hold.minted_from:%Y-%m-%d %H:%M}"] if hold.minted_from else []),
        *([f"to {hold.minted_to:%Y-%m-%d %H:%M}"] if hold.minted_to else []),
        *(["also what comes later"] if hold.future else []),
    ]
    return "; ".join([what, *span])


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidRequest("That is no date.", advice="Give it as 2027-01-15.") from None


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest("That is no time.", advice="Give it as 2026-03-01T12:00.") from None
    return given.replace(tzinfo=UTC) if given.tzinfo is None else given
