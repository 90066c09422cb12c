"""``erase``, ``erasure show`` and ``erasure list``."""

import sys
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import typer
from rich.text import Text
from typer import Argument, Option

from storage.cli.erase_preview import Preview, account_preview, tenant_preview
from storage.cli.exit_codes import Exit
from storage.cli.options import AsJson, Given, Limit, OneRegion, opened
from storage.cli.output import (
    bad,
    document,
    doubtful,
    facts,
    good,
    minute,
    moment,
    note,
    say,
    table,
)
from storage.client.store import Store
from storage.errors import InvalidRequest, NotFound
from storage.model import Erasure, ErasureState, Reason, Scope, ScopeKind
from storage.text import plural

_WHAT = {
    ScopeKind.RECORD: "one record of {0}, and what derives from it",
    ScopeKind.SUBJECT: "one subject of {0}",
    ScopeKind.GROUP: "one group of {0}",
    ScopeKind.TENANT: "everything of {0}",
    ScopeKind.ACCOUNT: "everything of all tenants of account {0}",
}


@dataclass(frozen=True, slots=True)
class _Request:
    """What to erase: of a tenant, or of an account."""

    of: str
    scope: Scope

    @property
    def what(self) -> str:
        """For people. It never names a subject or a group."""
        return _WHAT[self.scope.kind].format(self.of)


def erase(  # noqa: PLR0913 - one per option
    tenant: Annotated[str | None, Argument(metavar="TENANT", help="The tenant's id.")] = None,
    *,
    reason: Annotated[Reason, Option(help="Why; the receipt says it.")],
    subject: Annotated[str | None, Option(help="An end user; - reads it from stdin.")] = None,
    group: Annotated[str | None, Option(help="A conversation; - reads it from stdin.")] = None,
    record: Annotated[str | None, Option(metavar="ID", help="A record.")] = None,
    everything: Annotated[bool, Option("--all", help="All records of the tenant.")] = False,
    account: Annotated[str | None, Option(help="All tenants of an account, instead.")] = None,
    ticket: Annotated[str | None, Option(help="Your own reference. Nothing personal.")] = None,
    dry_run: Annotated[bool, Option("--dry-run", help="Say what it would do.")] = False,
    yes: Annotated[bool, Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase a subject, a group, a record, a tenant or an account, with all that derives from it.

    When the command returns, nothing of it can be read. The worker removes rows and bytes; the
    receipt comes when every byte has been seen to be absent. A name given as an argument stays in
    the history of your shell: give - and pipe it in.
    """
    given = Given()
    request = _request(
        tenant, account, given.text(subject), given.text(group), record, everything=everything
    )
    with opened() as store:
        if dry_run:
            _show_preview(request, _preview(store, request), as_json=as_json)
            return
        if not yes:
            _confirm(request)
        if request.scope.kind is ScopeKind.ACCOUNT:
            _erase_account(store, request, reason, ticket, as_json=as_json)
        else:
            _erase_one(store, request, reason, ticket, as_json=as_json)


def _erase_one(
    store: Store, request: _Request, reason: Reason, ticket: str | None, *, as_json: bool
) -> None:
    done = store.tenant(request.of).erase(request.scope, reason=reason, ticket=ticket)
    if as_json:
        document({"erasure": done})
    else:
        say(str(done.id))
        note(f"Nothing of it can be read any more. See: domicile erasure show {done.id}")


def show(
    erasure: Annotated[str, Argument(metavar="ID", help="The erasure's id.")],
    receipt: Annotated[bool, Option("--receipt", help="Print the receipt alone.")] = False,
    as_json: AsJson = False,
) -> None:
    """How far an erasure is, and what is left where."""
    with opened() as store:
        found = store.erasure(erasure)
    if receipt:
        if found.receipt is None:
            raise NotFound("There is no receipt yet.", advice="Is a worker running?")
        say(found.receipt)
    elif as_json:
        document({"erasure": found})
    else:
        _show(found)


def list_erasures(
    region: OneRegion = None,
    after: Annotated[str | None, Option(metavar="ID", help="Go on before this one.")] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Erasures in the regions that this process serves, newest first."""
    with opened() as store:
        found: list[Erasure] = []
        for name in [region] if region else store.regions:
            found += store.erasures(name, after=_uuid(after) if after else None, limit=limit)
    found = sorted(found, key=lambda erasure: erasure.id, reverse=True)
    page = found[:limit]
    following = str(page[-1].id) if len(found) >= limit and page else None
    if as_json:
        document({"erasures": page, "next": following})
        return
    table(
        ("erasure", "state", "requested (UTC)", "tenant", "scope", "deleted"),
        [
            (str(e.id), _state(e), minute(e.requested), e.tenant, e.scope.value, str(e.deleted))
            for e in page
        ],
    )
    if following:
        note(f"There may be more: --after {following}")


def _request(
    tenant: str | None,
    account: str | None,
    subject: str | None,
    group: str | None,
    record: str | None,
    *,
    everything: bool,
) -> _Request:
    """Exactly one scope, of exactly one tenant or account. Raises InvalidRequest."""
    scopes = [
        *([Scope.subject(subject)] if subject is not None else []),
        *([Scope.group(group)] if group is not None else []),
        *([Scope.record(record)] if record is not None else []),
        *([Scope.tenant()] if everything else []),
        *([Scope.account(account)] if account is not None else []),
    ]
    if len(scopes) != 1:
        raise InvalidRequest(
            "Say what to erase, and only one thing at a time.",
            advice="Give --subject, --group, --record or --all with a tenant, or --account.",
        )
    of = account if tenant is None else tenant
    if of is None or (account is not None and tenant is not None):
        raise InvalidRequest("Give a tenant, or --account without a tenant.")
    return _Request(of, scopes[0])


def _preview(store: Store, request: _Request) -> Preview:
    if request.scope.kind is ScopeKind.ACCOUNT:
        return account_preview(store, request.of)
    return tenant_preview(store, request.of, request.scope)


def _show_preview(request: _Request, preview: Preview, *, as_json: bool) -> None:
    if as_json:
        document({"dry_run": True, "scope": request.scope.kind, "of": request.of} | preview.told())
        return
    say(f"Would erase {request.what}. Nothing was done.")
    facts(preview.lines(), indent=2)


def at_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty()


def _confirm(request: _Request) -> None:
    if not at_terminal():
        raise InvalidRequest(
            "There is no terminal to ask on.", advice="Give --yes, or --dry-run first."
        )
    typer.confirm(f"Erase {request.what}? This cannot be undone", abort=True, err=True)


def _erase_account(
    store: Store, request: _Request, reason: Reason, ticket: str | None, *, as_json: bool
) -> None:
    done = store.erase(request.scope, reason=reason, ticket=ticket)
    if as_json:
        document(done)
    else:
        for erasure in done.erasures:
            say(str(erasure.id))
        note(f"Nothing of {plural(len(done.erasures), 'tenant')} can be read any more.")
        for region in done.not_reached:
            note(bad(f"Not reached: {region}. Ask there, or again: what is erased stays so."))
    if done.not_reached:
        raise typer.Exit(Exit.UNAVAILABLE)


def _show(erasure: Erasure) -> None:
    facts(
        [
            ("erasure", str(erasure.id)),
            ("tenant", f"{erasure.tenant} in {erasure.region}"),
            ("scope", f"{erasure.scope.value}, because of {erasure.reason.value}"),
            ("state", _state(erasure)),
            ("unreadable since", moment(erasure.fenced)),
            ("bytes gone", moment(erasure.completed, never="not yet")),
            ("records deleted", str(erasure.deleted)),
        ]
    )
    waiting = [deferral for deferral in erasure.deferred if deferral.until is None]
    for deferral in waiting:
        note(f"Hold {deferral.hold} keeps {plural(deferral.records, 'record')} of it.")
    if erasure.left:
        say()
        table(
            ("waits for", "objects", "next attempt (UTC)", "last error"),
            [
                (x.backend, str(x.replicas), minute(x.next_attempt), x.last_error or "-")
                for x in erasure.left
            ],
        )
    if erasure.receipt is not None:
        note(f"Its receipt: domicile erasure show {erasure.id} --receipt")


def _state(erasure: Erasure) -> Text:
    state = erasure.state.value
    return good(state) if erasure.state is ErasureState.COMPLETE else doubtful(state)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidRequest("That is no id of an erasure.") from None
