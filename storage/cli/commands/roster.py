"""``roster login``, ``enter`` and ``list``: who may have to do with content."""

import re
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated, Literal

from rich.text import Text
from sqlalchemy import Connection
from typer import Argument, Option

from storage.catalog import logins
from storage.cli.opening import catalog_of, opened
from storage.cli.options import AsJson, Limit, check_digest, parse_date
from storage.cli.output import bad, good, print_json, print_note, print_page
from storage.errors import InvalidRequest
from storage.model import KEEPER, ActorKind, RosterEntry, RosterSpec
from storage.settings import LOGIN, load_settings, region_settings, topology_of

_Region = Annotated[
    str, Argument(metavar="REGION", help="The region whose roster it is.", show_default=False)
]
_Actor = Annotated[
    str,
    Argument(
        metavar="ACTOR", help="The id that your identity provider has for it.", show_default=False
    ),
]
_Kind = Annotated[
    Literal["employee", "contractor", "machine"],
    Option(metavar="KIND", help="One of: employee, contractor, machine."),
]
_Role = Annotated[
    str, Option(metavar="TEXT", help=f"What it does. {KEEPER} makes entries in the roster.")
]
_Employer = Annotated[str, Option(metavar="COMPANY", help="The company that it works for.")]
_Location = Annotated[str, Option(metavar="JURISDICTION", help="Where it works, for example EU.")]
_Since = Annotated[str, Option(metavar="DATE", help="Its first day.")]
_Until = Annotated[str | None, Option(metavar="DATE", help="The first day on which it may not.")]
_Login = Annotated[
    str | None,
    Option(metavar="NAME", help="Its own login to the catalog, never given to anybody else."),
]
_Agreement = Annotated[
    str | None, Option(metavar="SHA256", help="Of its signed confidentiality agreement.")
]
_Suspended = Annotated[bool, Option("--suspended", help="It may do nothing for now.")]


def login(
    names: Annotated[list[str], Argument(metavar="NAME...", help="One for each person.")],
    as_json: AsJson = False,
) -> None:
    """Make logins for people to the catalogs of an embedded Domicile, each for one person.

    Give one to nobody else, ever. Its person works with DOMICILE_LOGIN=NAME. On a server of your
    own you make them yourself: CREATE ROLE NAME LOGIN PASSWORD '...' IN ROLE domicile_admin
    """
    if not all(re.fullmatch(LOGIN, name) for name in names):
        raise InvalidRequest("A login has lower-case letters, digits and _, 63 at most.")
    settings = load_settings()
    if not settings.embedded:
        raise InvalidRequest(
            "Domicile makes no logins on a server of your own.",
            advice="Make them there: "
            "https://domicile.readthedocs.io/en/latest/howto/open-for-an-investigation/",
        )
    with region_settings(settings, topology_of(settings)) as regions:
        region, own = next(iter(regions.items()))
        with closing(catalog_of(region, own)) as catalog, catalog.begin() as connection:
            for name in names:
                _make(connection, name)
    if as_json:
        print_json({"logins": names})
    for name in () if as_json else names:
        print_note(f"Whoever has it works with: export DOMICILE_LOGIN={name}")


def _make(connection: Connection, name: str) -> None:
    if not logins.make_person(connection, name):
        raise InvalidRequest(
            f"There is a login {name} already.", advice="Each person has one of its own."
        )


def enter(  # noqa: PLR0913 - one per option
    region: _Region,
    actor: _Actor,
    *,
    kind: _Kind,
    role: _Role,
    employer: _Employer,
    location: _Location,
    since: _Since,
    until: _Until = None,
    login: _Login = None,
    agreement: _Agreement = None,
    suspended: _Suspended = False,
    as_json: AsJson = False,
) -> None:
    """Make an entry in the roster of a region. From now on it counts, and no older one of ACTOR.

    State everything again: what you leave out is not taken from the entry before. You are known by
    your login to the catalog: that of a roster keeper, or of the owner of the catalog. Nobody makes
    an entry about himself.
    """
    if agreement is not None:
        check_digest(agreement)
    spec = RosterSpec(
        actor,
        ActorKind(kind),
        role,
        employer,
        location,
        parse_date(since),
        None if until is None else parse_date(until),
        login,
        agreement,
        suspended,
    )
    with opened() as store:
        entered = store.admin.roster.enter(region, spec)
    if as_json:
        print_json({"entry": entered})
    else:
        print_note(f"Entered by {entered.entered_by}.")


def list_roster(
    region: _Region,
    after: Annotated[
        str, Option(metavar="ACTOR", help="Start after this actor, for the next page.")
    ] = "",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List the newest entry of each actor, by their ids. Older entries stay in the catalog."""
    with opened() as store:
        found = store.admin.roster.list(region, after=after, limit=limit)
    following = found[-1].actor if len(found) == limit else None
    if as_json:
        print_json({"entries": found, "next": following})
        return
    print_page(
        ("actor", "state", "kind", "role", "employer", "location", "since", "until", "login"),
        [
            (
                one.actor,
                _state(one),
                one.kind,
                one.role,
                one.employer,
                one.location,
                str(one.since),
                str(one.until or "-"),
                one.login or "-",
            )
            for one in found
        ],
        following,
    )


def _state(entry: RosterEntry) -> Text:
    if entry.suspended:
        return bad("suspended")
    return good("in force") if entry.in_force(datetime.now(UTC).date()) else Text("not in force")
