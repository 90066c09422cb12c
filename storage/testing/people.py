"""People for tests: an investigator, and grants that others requested and approved."""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, text

from storage.catalog import grants, roster
from storage.catalog.engine import Catalog
from storage.client.grants import justification_context
from storage.crypto.envelope import seal_name
from storage.evidence.grants import statement
from storage.ledger.fence import match_values
from storage.model import Actor, ActorKind, Grant, GrantSpec, RosterSpec
from storage.region import OpenRegion
from storage.settings import RegionSettings

INVESTIGATOR: Final = Actor("investigator", ActorKind.EMPLOYEE, employer="operator", location="EU")
"""The person who uses the grants of ``Domicile.grant``."""

_REQUESTER, _APPROVER = "requester", "approver"
_KEY = "approver.key"
_SINCE = date(2020, 1, 1)


def pin_approver(keys: Path) -> Path:
    """Make a key for the approver of tests, and the file that pins it; return that file's path."""
    keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    file, key = keys / "approvers.toml", Ed25519PrivateKey.generate()
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    file.write_text(f'[approvers]\n{_APPROVER} = "{public}"\n')
    file.chmod(0o600)  # whatever the umask
    file.with_name(_KEY).write_bytes(key.private_bytes_raw())
    return file


def grant(region: OpenRegion, own: RegionSettings, spec: GrantSpec) -> Grant:
    """Return a grant of a region in force, for an employee within the jurisdiction of the region.

    ``own``: the settings of the region, with the login of the owner of its database, who may act as
    each of these people, and with the file that ``pin_approver`` made.
    """
    assert own.approvers_file is not None
    key = Ed25519PrivateKey.from_private_bytes(own.approvers_file.with_name(_KEY).read_bytes())
    owner = Catalog(region.name, own.catalog_url.get_secret_value(), connections=2)
    try:
        return _grant(region, owner, spec, key)
    finally:
        owner.close()


def _grant(region: OpenRegion, owner: Catalog, spec: GrantSpec, key: Ed25519PrivateKey) -> Grant:
    with owner.begin() as connection:
        for actor in (spec.actor, _REQUESTER, _APPROVER):
            _enter(connection, actor, region)
    now, new = region.clock.now(), region.new_uuid(region.clock.now())
    sought = () if spec.scope is None else match_values(region, spec.tenant, spec.scope)
    digest = hashlib.sha256(spec.justification.encode()).hexdigest()
    sealed = seal_name(region.roots, region.entropy, spec.justification, justification_context(new))
    with _acting(owner, _REQUESTER) as connection:
        grants.request(connection, new, spec, sought=sought, digest=digest, sealed=sealed, now=now)
    with _acting(owner, _APPROVER) as connection:
        found = grants.find(connection, region.name, new)
        assert found is not None
        grants.approve(connection, new, key.sign(statement(found)), now)
        approved = grants.find(connection, region.name, new)
        assert approved is not None
        return approved


def _enter(connection: Connection, actor: str, region: OpenRegion) -> None:
    """Enter an employee with a login of the same name, unless the roster has it."""
    if roster.entry(connection, actor) is not None:
        return
    login = text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :name)")
    if not connection.scalar(login, {"name": actor}):
        connection.execute(text(f'CREATE ROLE "{actor}" LOGIN IN ROLE domicile_admin'))
    spec = RosterSpec(
        actor,
        kind=ActorKind.EMPLOYEE,
        role="safety",
        employer=INVESTIGATOR.employer,
        location=region.region.jurisdiction,
        since=_SINCE,
        login=actor,
    )
    roster.enter(connection, spec, region.clock.now())


@contextmanager
def acting_as(own: RegionSettings, login: str) -> Iterator[Connection]:
    """Yield a transaction of a login. ``own``: with the login of the owner of the database."""
    owner = Catalog("", own.catalog_url.get_secret_value(), connections=2)
    try:
        with _acting(owner, login) as connection:
            yield connection
    finally:
        owner.close()


@contextmanager
def _acting(owner: Catalog, login: str) -> Iterator[Connection]:
    """Yield a transaction in which the session is that of a login."""
    with owner.begin() as connection:
        connection.execute(text(f'SET LOCAL SESSION AUTHORIZATION "{login}"'))
        yield connection
