"""``erase``: erase a record, a subject, a group, a tenant or an account."""

from dataclasses import dataclass
from typing import Annotated

import typer
from typer import Argument, Option

from storage.cli.erase_preview import Preview, account_preview, tenant_preview
from storage.cli.exit_codes import Exit
from storage.cli.opening import opened_homes
from storage.cli.options import AsJson, StdinOption, one_of, parse_scope
from storage.cli.output import (
    bad,
    print_facts,
    print_json,
    print_note,
    print_text,
    print_value,
    warning,
)
from storage.cli.terminal import confirm
from storage.client.homes import Homes
from storage.client.store import Store
from storage.errors import (
    ConfigurationError,
    Erased,
    Expired,
    InvalidRequest,
    NotFound,
    Unavailable,
)
from storage.model import REQUESTED, Reason, Scope, ScopeKind
from storage.text import plural

_WHAT = {
    ScopeKind.RECORD: "one record of {0}, and all records derived from it",
    ScopeKind.SUBJECT: "all records of one subject of {0}",
    ScopeKind.GROUP: "all records of one group of {0}",
    ScopeKind.TENANT: "all records of {0}",
    ScopeKind.ACCOUNT: "all records of all tenants of account {0}",
}

_NOTHING = "It covers no record that can be read now. Check the name."


@dataclass(frozen=True, slots=True)
class _Request:
    """A scope of ``owner``: a tenant, or an account."""

    owner: str
    scope: Scope

    @property
    def description(self) -> str:
        """The scope for people. It never names a subject or a group."""
        return _WHAT[self.scope.kind].format(self.owner)


_Tenant = Annotated[
    str | None, Argument(metavar="TENANT", help="The tenant's id.", show_default=False)
]
_ReasonOption = Annotated[
    Reason, Option(metavar="REASON", help=f"Why, for the receipt. {one_of(REQUESTED)}")
]
_SubjectOption = Annotated[
    str | None, Option(metavar="NAME", help="Erase an end user. - reads stdin.")
]
_GroupOption = Annotated[
    str | None, Option(metavar="NAME", help="Erase a conversation. - reads stdin.")
]
_RecordOption = Annotated[str | None, Option(metavar="ID", help="Erase one record.")]
_Everything = Annotated[bool, Option("--all", help="Erase all records of the tenant.")]
_AccountOption = Annotated[
    str | None, Option(metavar="ID", help="Erase all tenants of an account; no TENANT.")
]
_Ticket = Annotated[str | None, Option(metavar="TEXT", help="Your reference. No personal data.")]
_DryRun = Annotated[bool, Option("--dry-run", help="Show what it would erase; change nothing.")]
_Yes = Annotated[bool, Option("--yes", "-y", help="Do not ask for confirmation.")]


def erase(  # noqa: PLR0913 - one per option
    tenant: _Tenant = None,
    *,
    reason: _ReasonOption,
    subject: _SubjectOption = None,
    group: _GroupOption = None,
    record: _RecordOption = None,
    everything: _Everything = False,
    account: _AccountOption = None,
    ticket: _Ticket = None,
    dry_run: _DryRun = False,
    yes: _Yes = False,
    as_json: AsJson = False,
) -> None:
    """Erase a subject, group, record, tenant or account, with all derived records.

    When the command returns, none of the erased records can be read. A worker then deletes rows
    and bytes. It issues the receipt when it has seen every byte absent: see domicile erasure show.

    A name on the command line stays in your shell's history. Give - and pipe the name instead.

    Ends with 5 if a region was not reached, with 9 if you do not confirm.
    """
    request = _request(tenant, account, subject, group, record, everything=everything)
    with opened_homes() as homes:
        if dry_run:
            _show_preview(request, _preview(homes, request), as_json=as_json)
            return
        store, covered = Store(homes), _covered(homes, request)
        if not yes:
            _confirm(request, covered)
        if request.scope.kind is ScopeKind.ACCOUNT:
            _erase_account(store, request, covered, reason, ticket, as_json=as_json)
        else:
            _erase_tenant(store, request, covered, reason, ticket, as_json=as_json)


def _request(
    tenant: str | None,
    account: str | None,
    subject: str | None,
    group: str | None,
    record: str | None,
    *,
    everything: bool,
) -> _Request:
    """Return the one scope of the one tenant or account. Raise InvalidRequest."""
    scope = parse_scope(
        StdinOption(), subject, group, record, everything=everything, account=account
    )
    owner = account if tenant is None else tenant
    if owner is None or (account is not None and tenant is not None):
        raise InvalidRequest(
            "Exactly one tenant or account is needed.",
            advice="Give a TENANT, or --account without a TENANT.",
        )
    return _Request(owner, scope)


def _covered(homes: Homes, request: _Request) -> Preview | None:
    """Return what the erasure covers now. None: unknown, which does not stop the erasure."""
    try:
        return _preview(homes, request)
    except (NotFound, Erased, Expired):
        return Preview((request.owner,), 0, exact=True, cascades=())
    except (Unavailable, ConfigurationError):
        return None


def _confirm(request: _Request, covered: Preview | None) -> None:
    if covered is not None and not covered.records:
        print_note(warning(_NOTHING))
    count = "" if covered is None else f" Readable now: {covered.count}."
    confirm(f"Erase {request.description}?{count} This cannot be undone")


def _told(covered: Preview | None) -> dict[str, object]:
    return {"readable_before": None if covered is None else covered.counted}


def _print_erased(what: str, covered: Preview | None) -> None:
    """Print how many records could be read before, and warn if there were none."""
    count = "" if covered is None else f" Readable before: {covered.count}."
    print_note(f"Erased{what}: no longer readable.{count}")
    if covered is not None and not covered.records:
        print_note(warning(_NOTHING))


def _erase_tenant(
    store: Store,
    request: _Request,
    covered: Preview | None,
    reason: Reason,
    ticket: str | None,
    *,
    as_json: bool,
) -> None:
    done = store.tenant(request.owner).erase(request.scope, reason=reason, ticket=ticket)
    if as_json:
        print_json({"erasure": done} | _told(covered))
        return
    print_value(str(done.id))
    _print_erased("", covered)
    print_note(f"Progress: domicile erasure show {done.id}")


def _erase_account(
    store: Store,
    request: _Request,
    covered: Preview | None,
    reason: Reason,
    ticket: str | None,
    *,
    as_json: bool,
) -> None:
    done = store.erase(request.scope, reason=reason, ticket=ticket)
    if as_json:
        print_json(
            {"account": done.account, "erasures": done.erasures, "not_reached": done.not_reached}
            | _told(covered)
        )
    else:
        for erasure in done.erasures:
            print_value(str(erasure.id))
        _print_erased(f" {plural(len(done.erasures), 'tenant')}", covered)
        print_note("Progress: domicile erasure list")
        for region in done.not_reached:
            print_note(
                bad(f"Not reached: {region}. Run this command again, or run it in that region.")
            )
    if done.not_reached:
        raise typer.Exit(Exit.UNAVAILABLE)


def _preview(homes: Homes, request: _Request) -> Preview:
    if request.scope.kind is ScopeKind.ACCOUNT:
        return account_preview(homes, request.owner)
    return tenant_preview(homes, request.owner, request.scope)


def _show_preview(request: _Request, preview: Preview, *, as_json: bool) -> None:
    if as_json:
        head = {"dry_run": True, "scope": request.scope.kind, "of": request.owner}
        print_json(head | preview.as_json())
        return
    print_text(f"Would erase {request.description}. Nothing was changed.")
    print_facts(preview.facts(), indent=2)
