"""``hold confirm``, ``release``, ``narrow``, ``decide`` and ``approve``: two people each."""

from typing import Annotated

from typer import Argument, Option

from storage.cli.commands.hold import ClassOption, HoldId, describe
from storage.cli.opening import opened
from storage.cli.options import AsJson, MintedFrom, MintedTo, check_digest, parse_time
from storage.cli.output import format_time, print_json, print_note, print_value
from storage.model import CarveOut, ChangeKind, HoldChange

_Why = Annotated[str, Option(metavar="TEXT", help="Why. At most 200 characters.")]
_DONE = {
    ChangeKind.RELEASE: "The hold is released. Workers resume what it deferred.",
    ChangeKind.NARROWING: "The hold is narrowed. Workers resume what it let go.",
    ChangeKind.DECISION: "The decision is in force.",
}


def confirm(hold: HoldId, as_json: AsJson = False) -> None:
    """Confirm a hold that another person placed, with your own login to the catalog.

    If a process placed it, you stand for it from now on, and somebody else confirms it.
    """
    with opened() as store:
        found = store.admin.holds.confirm(hold)
    if as_json:
        print_json({"hold": found})
    elif found.confirmed is None:
        print_note("A process placed the hold. You stand for it now: a second person confirms it.")
    else:
        print_note(f"Confirmed by {found.confirmed_by}, {format_time(found.confirmed)}.")


def release(hold: HoldId, *, why: _Why, as_json: AsJson = False) -> None:
    """Request the end of a hold. It ends when another person approves it."""
    with opened() as store:
        _requested(store.admin.holds.release(hold, why=why), as_json=as_json)


def narrow(
    hold: HoldId,
    *,
    why: _Why,
    tenant: Annotated[
        list[str] | None, Option(metavar="TENANT", help="Only this tenant. Repeatable.")
    ] = None,
    account: Annotated[
        list[str] | None, Option(metavar="ACCOUNT", help="Only this account. Repeatable.")
    ] = None,
    data_class: ClassOption = None,
    minted_from: MintedFrom = None,
    minted_to: MintedTo = None,
    as_json: AsJson = False,
) -> None:
    """Request that a hold lets go what matches all of the options, and nothing else.

    It does so when another person approves it. Each --tenant and --account must be there.
    """
    part = CarveOut(
        tuple(tenant or ()),
        tuple(account or ()),
        tuple(data_class or ()),
        parse_time(minted_from),
        parse_time(minted_to),
    )
    with opened() as store:
        for name in part.tenants:
            store.admin.tenants.get(name)
        _requested(store.admin.holds.narrow(hold, part, why=why), as_json=as_json)


def decide(
    hold: HoldId,
    *,
    permitted: Annotated[
        bool, Option("--permitted/--not-permitted", help="Whether the order may be followed.")
    ],
    document: Annotated[str, Option(metavar="SHA256", help="The SHA-256 of the legal opinion.")],
    as_json: AsJson = False,
) -> None:
    """Request a decision: whether what a foreign authority ordered to be held may be read.

    It is in force when another person approves it.
    """
    check_digest(document)
    with opened() as store:
        change = store.admin.holds.decide(hold, document=document, permitted=permitted)
    _requested(change, as_json=as_json)


def approve(
    change: Annotated[
        str,
        Argument(metavar="CHANGE", help="The change's id: domicile hold show", show_default=False),
    ],
    as_json: AsJson = False,
) -> None:
    """Approve a release, a narrowing or a decision that another person requested.

    Read before what it lets go or permits, and why: domicile hold show HOLD
    """
    with opened() as store:
        done = store.admin.holds.approve(change)
    if as_json:
        print_json({"change": done})
        return
    print_note(_DONE[done.kind])
    for part in done.carve_outs:
        print_note(f"It does not keep any more: {describe(part)}.")


def _requested(change: HoldChange, *, as_json: bool) -> None:
    if as_json:
        print_json({"change": change})
        return
    print_value(str(change.id))
    print_note("Nothing has changed yet. Another person reads it and approves it:")
    print_note(f"domicile hold show {change.hold}")
    print_note(f"domicile hold approve {change.id}")
