"""People with logins of their own, for tests of the roster and of grants."""

from datetime import date

from sqlalchemy import text

from storage.catalog import roster
from storage.model import KEEPER, ActorKind, RosterSpec
from storage.settings import Settings
from storage.testing import Domicile
from tests.support.catalogs.databases import HOME, catalog_of, opened, with_urls

SINCE = date(2026, 1, 1)


def person(actor: str, **other: object) -> RosterSpec:
    """Return an employee in the EU whose login has the name of the actor."""
    given: dict[str, object] = {
        "kind": ActorKind.EMPLOYEE,
        "role": "safety",
        "employer": "domicile",
        "location": "EU",
        "since": SINCE,
        "login": actor,
    }
    return RosterSpec(actor, **(given | other))  # type: ignore[arg-type]


def make_logins(settings: Settings, *names: str, role: str = "domicile_admin") -> None:
    """Make logins on the server of the catalogs, with the rights of a role."""
    with catalog_of(settings) as connection:
        for name in names:
            there = text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :name)")
            if not connection.scalar(there, {"name": name}):
                connection.execute(text(f"CREATE ROLE {name} LOGIN IN ROLE {role}"))


def url_for(url: str, login: str) -> str:
    """Return the URL of a catalog for another login."""
    return url.replace("//postgres:@", f"//{login}:@")


def settings_for(settings: Settings, login: str) -> Settings:
    """Return the settings of a process that connects with a login."""
    urls = {n: own.catalog_url.get_secret_value() for n, own in settings.regions.items()}
    return with_urls(settings, {name: url_for(url, login) for name, url in urls.items()})


def enter(domicile: Domicile, *entries: RosterSpec, region: str = HOME) -> None:
    """Enter people in the roster of a region, as the owner of its catalog."""
    url = domicile.settings.regions[region].catalog_url.get_secret_value()
    with opened(region, url) as connection:
        for spec in entries:
            roster.enter(connection, spec, domicile.clock.now())


def staff(domicile: Domicile, *actors: str) -> None:
    """Make logins for employees, and enter them in the roster; the first one keeps it."""
    make_logins(domicile.settings, *actors)
    roles = dict.fromkeys(actors, "safety") | {actors[0]: KEEPER}
    enter(domicile, *(person(actor, role=role) for actor, role in roles.items()))
