"""People with logins of their own, for tests of the roster and of grants."""

import base64
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Engine, text

from storage.bootstrap import open_store
from storage.catalog import roster
from storage.catalog.engine import _Watch
from storage.client.store import Store
from storage.evidence.grants import statement
from storage.model import KEEPER, ActorKind, Grant, RosterSpec
from storage.region import OpenRegion
from storage.settings import Settings
from storage.testing import Domicile
from tests.support.catalogs.databases import HOME, catalog_of, with_urls

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
            make_login(connection, name, role)


def make_login(connection: Connection, name: str, role: str = "domicile_admin") -> None:
    """Make a login on a server, if it is not there."""
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


@contextmanager
def as_person(domicile: Domicile, login: str, region: str = HOME) -> Iterator[Store]:
    """Open the store of a process of one region that connects to its catalog with a login."""
    settings = settings_for(domicile.settings, login)
    only = settings.model_copy(update={"regions": {region: settings.regions[region]}})
    with open_store(only, dependencies=domicile.dependencies, log=domicile.log) as store:
        yield store


@contextmanager
def acting(region: OpenRegion, login: str) -> Iterator[None]:
    """Let the transactions of this thread in an open region begin with the login of a person.

    Much cheaper than a store of its own.
    """
    catalog, begin, me = region.catalog, region.catalog._begin, threading.get_ident()

    @contextmanager
    def begin_as(engine: Engine, watch: _Watch | None = None) -> Iterator[Connection]:
        with begin(engine, watch) as connection:
            if threading.get_ident() == me:
                connection.execute(text(f"SET LOCAL SESSION AUTHORIZATION {login}"))
            yield connection

    catalog._begin = begin_as  # type: ignore[method-assign]
    try:
        yield
    finally:
        del catalog._begin


def enter(settings: Settings, now: datetime, *entries: RosterSpec, region: str = HOME) -> None:
    """Enter people in the roster of a region, as the owner of its catalog."""
    with catalog_of(settings, region) as connection:
        for spec in entries:
            roster.enter(connection, spec, now)


def staff(settings: Settings, now: datetime, *actors: str) -> None:
    """Make logins for employees, and enter them in the roster; the first one keeps it."""
    make_logins(settings, *actors)
    roles = dict.fromkeys(actors, "safety") | {actors[0]: KEEPER}
    enter(settings, now, *(person(actor, role=role) for actor, role in roles.items()))


def key_of(actor: str) -> Ed25519PrivateKey:
    """Return the key with which an approver signs."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(actor.encode()).digest())


def pin(settings: Settings, actor: str) -> None:
    """Pin the key of an approver in each region, beside those that are pinned."""
    public = base64.b64encode(key_of(actor).public_key().public_bytes_raw()).decode()
    for file in {own.approvers_file for own in settings.regions.values()}:
        assert file is not None
        file.write_text(file.read_text() + f'{actor} = "{public}"\n')


def approve(domicile: Domicile, actor: str, grant: Grant) -> Grant:
    """Approve a grant, signed by the approver."""
    signature = key_of(actor).sign(statement(grant))
    with as_person(domicile, actor) as store:
        return store.admin.grants.approve(grant.id, signature=signature)
