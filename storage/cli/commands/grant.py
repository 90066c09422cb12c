"""``grant request``, ``approve``, ``revoke``, ``list``, ``show`` and ``keygen``."""

import base64
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from rich.text import Text
from typer import Argument, Option

from storage.cli.approver_keys import make_key, public_key, read_key
from storage.cli.error_handling import end_with_failed, failed_regions
from storage.cli.opening import chosen_regions, opened, opened_homes
from storage.cli.options import (
    AsJson,
    Limit,
    OneRegion,
    StdinOption,
    TenantId,
    one_of,
    parse_scope,
)
from storage.cli.output import (
    bad,
    format_minute,
    format_named,
    format_time,
    good,
    print_facts,
    print_json,
    print_note,
    print_page,
    print_value,
    warning,
)
from storage.cli.reason_texts import reason_text
from storage.cli.terminal import confirm
from storage.client.homes import ask_each
from storage.client.store import Store
from storage.client.validate import as_uuid
from storage.errors import DomicileError
from storage.evidence.grants import statement
from storage.model import (
    GRANT_PURPOSES,
    LONGEST_GRANT_HOURS,
    Approval,
    Grant,
    GrantSpec,
    GrantState,
    Purpose,
    Scope,
    ScopeKind,
    count_named,
)
from storage.policy import PermitReason

_GrantId = Annotated[str, Argument(metavar="GRANT", help="The grant's id.", show_default=False)]
_PurposeOption = Annotated[Purpose, Option(metavar="PURPOSE", help=one_of(sorted(GRANT_PURPOSES)))]
_ActorOption = Annotated[
    str, Option(metavar="ID", help="Who is to use it: an actor of the roster.")
]
_Records = Annotated[
    int, Option("--records", metavar="N", min=1, help="The most records that it opens.")
]
_Hours = Annotated[
    int,
    Option(metavar="N", min=1, max=LONGEST_GRANT_HOURS, help="Its time from now, in hours."),
]
_Justification = Annotated[
    str, Option(metavar="TEXT", help="Why, for who approves it. Kept sealed. - reads stdin.")
]
_Case = Annotated[
    str | None,
    Option(
        metavar="TEXT",
        help="Your reference. Without one an abuse_investigation opens only what is flagged.",
    ),
]
_HoldOption = Annotated[
    str | None, Option(metavar="HOLD", help="For legal: open what this hold covers.")
]
_SubjectOption = Annotated[
    str | None, Option(metavar="NAME", help="Open records of an end user. - reads stdin.")
]
_GroupOption = Annotated[
    str | None, Option(metavar="NAME", help="Open records of a conversation. - reads stdin.")
]
_RecordOption = Annotated[str | None, Option(metavar="ID", help="Open one record.")]
_Everything = Annotated[bool, Option("--all", help="Open any record of the tenant.")]
_KeyOption = Annotated[
    Path, Option(metavar="FILE", help="Your private key. See: domicile grant keygen")
]
_Yes = Annotated[bool, Option("--yes", "-y", help="Do not ask for confirmation.")]


@dataclass(frozen=True, slots=True)
class _Checked:
    """What the key service says of the signatures of a grant: what is against it, which count."""

    against: Sequence[PermitReason]
    counting: Collection[Approval]


def request(  # noqa: PLR0913 - one per option
    tenant: TenantId,
    *,
    purpose: _PurposeOption,
    actor: _ActorOption,
    records: _Records,
    hours: _Hours,
    justification: _Justification,
    case: _Case = None,
    hold: _HoldOption = None,
    subject: _SubjectOption = None,
    group: _GroupOption = None,
    record: _RecordOption = None,
    everything: _Everything = False,
    as_json: AsJson = False,
) -> None:
    """Request that a person may open some records of a tenant, for a purpose, for some hours.

    You are known by the login of catalog_url. A second person approves the grant: neither you nor
    who is to use it.
    """
    stdin = StdinOption()
    justification = stdin.read(justification) or ""
    named = (subject, group, record)
    scope: Scope | None = None
    if purpose is not Purpose.LEGAL or everything or any(name is not None for name in named):
        scope = parse_scope(stdin, *named, everything=everything)
    held = None if hold is None else as_uuid(hold, "a hold")
    spec = GrantSpec(tenant, purpose, actor, scope, justification, records, hours, case, held)
    with opened() as store:
        found = store.admin.grants.request(spec)
    if as_json:
        print_json({"grant": _plain(found)})
        return
    print_value(str(found.id))
    print_note(f"Until {format_time(found.until)}. A second person approves it:")
    print_note(f"domicile grant approve {found.id} --key FILE")
    if found.customer_must_approve:
        print_note(warning("The customer must approve it too."))


def approve(
    grant: _GrantId, *, key: _KeyOption, yes: _Yes = False, as_json: AsJson = False
) -> None:
    """Approve a grant that somebody else requested for somebody else. Shows it all before.

    You are known by the login of catalog_url, and sign with your own key.
    """
    private = read_key(key)
    with opened() as store:
        found = store.admin.grants.show(grant)
        if not as_json:
            why = store.admin.grants.justification(grant)
            _print_facts(found, why, _check(store, found))
        if not yes:
            confirm(
                f"Approve that {found.actor} opens up to {found.records_max} records?",
                advice="Give --yes, after: domicile grant show",
            )
        signature = private.sign(statement(found))
        approved = store.admin.grants.approve(found.id, signature=signature)
        checked = _check(store, approved)
    mine = _mine(found, approved, signature)
    counts = _counts(mine, checked)
    if as_json:
        told = {"grant": _plain(approved, checked), "pinned": _pinned(approved, checked)}
        print_json(told | {"counts": counts})
        return
    nothing = checked is not None and checked.against
    print_note("Approved." if nothing else f"Approved. It is {_state_text(approved)}.")
    _note_signatures(approved, checked)
    if not nothing and counts is False:
        print_note(bad("Your signature does not count: it is in force by that of somebody else."))
        print_note(f"The file of approvers of {approved.region} does not pin your key.")
    if counts is not True:
        print_note(f'Your line in that file: {mine.actor} = "{public_key(private)}"')


def revoke(grant: _GrantId, as_json: AsJson = False) -> None:
    """Revoke a grant: nothing more is opened under it, not even the rest of an open file."""
    with opened() as store:
        ended = store.admin.grants.revoke(grant)
    if as_json:
        print_json({"grant": _plain(ended)})
    else:
        print_note(f"Revoked since {format_time(ended.revoked)}.")


def show(grant: _GrantId, as_json: AsJson = False) -> None:
    """Show who may open what under a grant, why, and how much of it was used."""
    with opened() as store:
        found = store.admin.grants.show(grant)
        why = store.admin.grants.justification(grant)
        checked = _check(store, found)
    if as_json:
        told = {"grant": _plain(found, checked), "justification": why}
        print_json(told | {"pinned": _pinned(found, checked)})
    else:
        _print_facts(found, why, checked)
        _note_signatures(found, checked)


def list_grants(
    region: OneRegion = None,
    tenant: Annotated[
        str | None, Option(metavar="TENANT", help="Only grants for this tenant.")
    ] = None,
    after: Annotated[
        str | None, Option(metavar="GRANT", help="Start after this grant, for the next page.")
    ] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List the grants in the regions that this process serves, newest first."""
    with opened_homes() as homes:
        store = Store(homes)
        pages, failed = ask_each(
            chosen_regions(homes, region),
            lambda name: store.admin.grants.list(name, tenant=tenant, after=after, limit=limit),
        )
        found = [one for some in pages.values() for one in some]
        if tenant is not None and after is None and not found and not failed:
            homes.find(tenant)
    page = sorted(found, key=lambda grant: grant.id, reverse=True)[:limit]
    following = str(page[-1].id) if len(found) >= limit and page else None
    if as_json:
        told = {"grants": [_plain(one) for one in page], "next": following}
        print_json(told | failed_regions(failed))
    else:
        heads = ("grant", "state", "tenant", "purpose", "actor", "until (UTC)", "opened", "case")
        print_page(heads, [_row(one) for one in page], following)
    end_with_failed(failed, as_json=as_json)


def keygen(
    file: Annotated[
        Path, Argument(metavar="FILE", help="The new file of your private key.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Make the key with which you approve grants, and print its public key.

    Keep the file to yourself. The public key is pinned where the keys of the region are.
    """
    public = make_key(file)
    if as_json:
        print_json({"public_key": public})
    else:
        print_value(public)


def _check(store: Store, grant: Grant) -> _Checked | None:
    """Ask for the signatures of a grant. None: the key service does not say."""
    grants = store.admin.grants
    try:
        return _Checked(grants.check_signatures(grant.id), grants.counting(grant.id))
    except DomicileError:
        return None


def _mine(before: Grant, now: Grant, signature: bytes) -> Approval:
    """Return the approval that was given just now. Two people with one key sign alike."""
    alike = [one for one in now.approvals if one.signature == signature]
    new = [one for one in alike if one not in before.approvals]
    return (new or alike)[-1]


def _counts(one: Approval, checked: _Checked | None) -> bool | None:
    """Return whether the signature of an approval counts. None: it has none, or nobody says."""
    if checked is None or one.for_customer:
        return None
    return one in checked.counting


def _pinned(grant: Grant, checked: _Checked | None) -> bool | None:
    """Return whether a key that is pinned signed the grant. None: the key service does not say."""
    signed = any(one.signature is not None for one in grant.approvals)
    return None if checked is None else signed and not checked.against


def _note_signatures(grant: Grant, checked: _Checked | None) -> None:
    """Say that a grant opens nothing, if no key that is pinned has signed it."""
    if checked is None:
        print_note(warning(f"The key service of {grant.region} does not say whose key is pinned."))
        print_note("The grant opens only if the key of an approver is in its file of approvers.")
    elif checked.against:
        print_note(bad(f"It opens nothing: {', '.join(map(reason_text, checked.against))}."))
        print_note(
            f"Pin the approver's key in the file of approvers of {grant.region}, and restart what "
            "reads it: the key service or, without one, the processes that read for people. If it "
            "is there, see why the file is not used: domicile doctor"
        )


def _row(grant: Grant) -> tuple[str | Text, ...]:
    used = f"{grant.used} of {grant.records_max}"
    shown = (grant.tenant, grant.purpose, grant.actor, format_minute(grant.until), used)
    return (str(grant.id), _state(grant), *shown, grant.case or "-")


def _print_facts(grant: Grant, justification: str, checked: _Checked | None) -> None:
    print_facts(
        [
            ("grant", str(grant.id)),
            ("state", _state(grant)),
            ("tenant", f"{grant.tenant} in {grant.region}"),
            ("purpose", grant.purpose),
            ("case", grant.case or "-"),
            ("covers", _covers(grant)),
            ("records", f"{grant.used} of {grant.records_max} opened"),
            ("for", grant.actor),
            ("requested by", grant.requester),
            ("requested", format_time(grant.requested)),
            ("until", format_time(grant.until)),
            ("justification", justification),
            *(("approved by", _approval(one, _counts(one, checked))) for one in grant.approvals),
            *_revoked(grant),
        ]
    )


def _covers(grant: Grant) -> str:
    """Describe the scope for people. It never names a subject or a group."""
    several = count_named(grant.scope, grant.sought)
    if grant.hold is not None and several == 1:
        return f"what hold {grant.hold} covers"
    scoped = format_named(grant.scope, several)
    what = "any record" if grant.scope is ScopeKind.TENANT else scoped
    flagged = grant.purpose is Purpose.ABUSE_INVESTIGATION and grant.case is None
    return f"{what}, if it is flagged" if flagged else what


def _approval(one: Approval, counts: bool | None) -> str | Text:
    whose = f"{one.actor} for the customer" if one.for_customer else one.actor
    said = f"{whose}, {format_time(one.at)}"
    return bad(f"{said}: does not count, no pinned key signed it") if counts is False else said


def _revoked(grant: Grant) -> Iterator[tuple[str, str]]:
    if grant.revoked is not None:
        yield "revoked by", f"{grant.revoked_by}, {format_time(grant.revoked)}"


def _state_text(grant: Grant) -> str:
    return grant.state(datetime.now(UTC)).replace("_", " ")


def _state(grant: Grant) -> Text:
    text = _state_text(grant)
    match grant.state(datetime.now(UTC)):
        case GrantState.IN_FORCE:
            return good(text)
        case GrantState.REQUESTED:
            return warning(text)
        case GrantState.REVOKED:
            return bad(text)
        case GrantState.EXHAUSTED | GrantState.EXPIRED:
            return Text(text)


def _plain(grant: Grant, checked: _Checked | None = None) -> dict[str, Any]:
    """Return a grant for a JSON document. Pseudonyms of subjects and groups are left out."""
    return {
        "id": grant.id,
        "region": grant.region,
        "tenant": grant.tenant,
        "state": grant.state(datetime.now(UTC)),
        "purpose": grant.purpose,
        "actor": grant.actor,
        "requester": grant.requester,
        "scope": grant.scope,
        "hold": grant.hold,
        "case": grant.case,
        "records_max": grant.records_max,
        "used": grant.used,
        "justification_digest": grant.justification_digest,
        "customer_must_approve": grant.customer_must_approve,
        "requested": grant.requested,
        "until": grant.until,
        "approvals": [_plain_approval(one, checked) for one in grant.approvals],
        "revoked": grant.revoked,
        "revoked_by": grant.revoked_by,
    }


def _plain_approval(one: Approval, checked: _Checked | None) -> dict[str, Any]:
    signed = None if one.signature is None else base64.b64encode(one.signature).decode()
    return {
        "actor": one.actor,
        "at": one.at,
        "for_customer": one.for_customer,
        "signature": signed,
        "counts": _counts(one, checked),
    }
