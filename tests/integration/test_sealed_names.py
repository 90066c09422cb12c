"""What a login wrote as a sealed name, and no name is, keeps no region from a new pseudonym key."""

import json
import os
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError

from storage.catalog import holds
from storage.catalog import tables as t
from storage.crypto.envelope import root_version, seal_name
from storage.crypto.record import framed
from storage.crypto.root import rotate
from storage.errors import KeyUnavailable
from storage.initialize import Ready, init
from storage.model import Scope
from storage.testing import Domicile
from tests.integration.test_guarded import do
from tests.integration.test_hold_people_sql import PLACE, new_hold
from tests.integration.test_upgrades import new
from tests.support.actions import put_prompt
from tests.support.catalogs.databases import HOME, catalog_of
from tests.support.cli_harness import CommandLine
from tests.support.holds import held_records, place_hold
from tests.support.inspect.stored import home
from tests.support.training import withdraw

__all__ = ["new"]

TABLES = {"hold": t.hold, "consent": t.consent}
STATE = "SELECT state_consent(CAST(:new AS jsonb))"
KEY, SIZE, NAME = bytes([1]) + bytes(60), bytes([0, 0, 0, 9]), bytes(26)
NONE = {
    "nothing": b"",
    "too short": b"\0",
    "junk": b"\1" + b"\xab" * 90,
    "a key of another length": framed(KEY[:-1], SIZE) + NAME,
    "no blob of KMS": framed(b"\0", SIZE) + NAME + bytes(9),
    "a blob that KMS does not make": framed(bytes(6146), SIZE) + NAME,
    "a size of another length": framed(KEY, bytes(3)) + NAME,
    "no sealed bytes": framed(KEY, SIZE) + NAME[:16],
    "more than the size": framed(KEY, SIZE) + NAME + b"\0",
}
TOO_LONG = {"a longer name than any": framed(KEY, bytes([0, 0, 4, 1])) + bytes(1042)}
MAY_BE = {
    "of a key file": framed(KEY, SIZE) + NAME,
    "shorter when sealed": framed(KEY, SIZE) + NAME[:17],
    "of KMS": framed(bytes(200), SIZE) + NAME,
    "the longest": framed(bytes(6145), bytes([0, 0, 4, 0])) + bytes(1041),
}
FORGED: dict[str, Callable[[bytes, bytes], bytes]] = {
    "nothing": lambda _own, _other: b"",
    "junk": lambda _own, _other: NONE["junk"],
    "an unknown key": lambda _own, _other: MAY_BE["of a key file"],
    "that of another": lambda _own, other: other,
    "its own, changed": lambda own, _other: own[:-1] + bytes([own[-1] ^ 1]),
}


def statement(sealed: bytes) -> str:
    """Return an opt-out of a subject, as the function of the catalog takes it."""
    return json.dumps(
        {
            "id": str(uuid4()),
            "tenant": "acme-eu",
            "kind": "opt_out",
            "sought": ["\\x01" + "aa" * 32],
            "sealed_name": f"\\x{sealed.hex()}",
            "classes": ["prompt"],
            "purposes": ["train"],
            "actor": "x",
            "given": "2026-03-01T00:00:00Z",
            "document": "ab" * 32,
            "recorded": "2026-03-01T12:00:00Z",
        }
    )


def hold_with(sealed: bytes, scope: str = "subject") -> str:
    """Return a hold, as the function of the catalog takes it."""
    named = {"tenant": "acme-eu", "sought": ["\\x01" + "aa" * 32]}
    new = json.loads(new_hold(uuid4())) | {"placed": "2026-03-01T00:00Z", "scope": scope}
    return json.dumps(
        new | (named if scope != "region" else {}) | {"sealed_name": f"\\x{sealed.hex()}"}
    )


def sealed_of(domicile: Domicile, table: str, which: UUID) -> bytes:
    """Return the sealed name of a hold or a statement."""
    with catalog_of(domicile.settings) as connection:
        where = TABLES[table].c
        return bytes(
            connection.execute(select(where.sealed_name).where(where.id == which)).one()[0]
        )


def overwrite(domicile: Domicile, table: str, which: UUID, sealed: bytes) -> None:
    """Write it as an older schema let any login write it."""
    with catalog_of(domicile.settings) as connection:
        found = update(TABLES[table]).where(TABLES[table].c.id == which)
        connection.execute(found.values(sealed_name=sealed))
        connection.commit()


def new_key(domicile: Domicile, section: str = "pseudonym") -> None:
    """Add a key to the key file."""
    file = domicile.settings.regions[HOME].keys_file
    rotate(file, os.urandom, region=HOME, section=section)  # type: ignore[arg-type]


def initialized(domicile: Domicile) -> Ready:
    """Initialize every region, and return what became of the home of the tenant."""
    return init(domicile.settings, dependencies=domicile.dependencies)[HOME]


def versions(domicile: Domicile) -> int:
    """Return how many pseudonym keys the catalog knows."""
    with catalog_of(domicile.settings) as connection:
        return int(connection.execute(text("SELECT count(*) FROM pseudonym_key")).scalar_one())


@pytest.mark.parametrize("what", FORGED)
@pytest.mark.parametrize("table", ["hold", "consent"])
def test_what_is_no_name_is_passed_over_and_named(
    domicile: Domicile, table: str, what: str
) -> None:
    """The names of others match what is stored under the new key, as if it were not there."""
    domicile.tenant()
    true, other = place_hold(domicile, future=True), withdraw(domicile, subject="u")
    if table == "hold":
        forged = place_hold(domicile, Scope.group("g"), future=True).hold.id
    else:
        forged = withdraw(domicile, subject="v").id
    own, of_another = sealed_of(domicile, table, forged), sealed_of(domicile, "consent", other.id)
    overwrite(domicile, table, forged, FORGED[what](own, of_another))
    assert initialized(domicile).nameless == ()
    new_key(domicile)

    assert initialized(domicile).nameless == (f"{table} {forged}",)

    domicile.open()
    domicile.pass_time(minutes=1)
    after = put_prompt(domicile, "u")
    assert held_records(domicile, true) == {after}
    assert [x.id for x in domicile.store.consents.list("acme-eu", subject="u")] == [other.id]


@pytest.mark.parametrize("table", ["hold", "consent"])
@pytest.mark.parametrize("lost", ["the newest key is missing", "a key is another one"])
def test_a_name_without_its_root_key_stops_a_new_pseudonym_key(
    domicile: Domicile, table: str, lost: str
) -> None:
    """What is stored under that would be covered by no hold; without one, init goes on."""
    domicile.tenant()
    file = domicile.settings.regions[HOME].keys_file
    if lost == "the newest key is missing":
        place_hold(domicile, Scope.group("of an older root key"), future=True)
        new_key(domicile, "root")
        domicile.open()
    if table == "hold":
        placed = place_hold(domicile, future=True).hold.id
    else:
        placed = withdraw(domicile, subject="u").id
    keys = json.loads(file.read_text())
    true = dict(keys["root"])
    keys["root"].popitem()
    if lost == "a key is another one":
        keys["root"]["1"] = keys["pseudonym"]["1"]
    file.write_text(json.dumps(keys))
    initialized(domicile)
    new_key(domicile)

    with pytest.raises(KeyUnavailable, match=f"The sealed name of {table} {placed}") as caught:
        initialized(domicile)
    assert not caught.value.retryable
    assert versions(domicile) == 1

    file.write_text(json.dumps(json.loads(file.read_text()) | {"root": true}))
    assert initialized(domicile).nameless == ()
    assert versions(domicile) == 2


def test_a_name_of_kms_stops_it_too(domicile: Domicile) -> None:
    """Another KMS key may have wrapped it, whatever the one of today opens."""
    domicile.tenant()
    placed = place_hold(domicile, future=True).hold.id
    place_hold(domicile, Scope.group("g"), future=True)
    overwrite(domicile, "hold", placed, MAY_BE["of KMS"])
    new_key(domicile)

    with pytest.raises(KeyUnavailable, match=str(placed)):
        initialized(domicile)


def test_a_hold_on_no_subject_has_no_name(domicile: Domicile) -> None:
    """What an older schema let a login write there is nobody's name."""
    wide = place_hold(domicile, Scope.region(), tenant=None, region=HOME, future=True).hold.id
    overwrite(domicile, "hold", wide, NONE["junk"])
    new_key(domicile)

    assert initialized(domicile).nameless == ()


@pytest.mark.parametrize("what", NONE | TOO_LONG)
def test_no_login_writes_what_is_no_name(domicile: Domicile, what: str) -> None:
    """Neither in a hold nor in a statement."""
    domicile.tenant()
    with pytest.raises(IntegrityError, match="a sealed name that is none"):
        do(domicile, "domicile_admin", PLACE, new=hold_with((NONE | TOO_LONG)[what]))
    for role in ("domicile_service", "domicile_admin"):
        with pytest.raises(IntegrityError, match="consent_named"):
            do(domicile, role, STATE, new=statement((NONE | TOO_LONG)[what]))


@pytest.mark.parametrize("what", MAY_BE)
def test_what_may_be_a_name_is_taken(domicile: Domicile, what: str) -> None:
    """Of a key file and of KMS."""
    domicile.tenant()
    do(domicile, "domicile_admin", PLACE, new=hold_with(MAY_BE[what]))
    do(domicile, "domicile_service", STATE, new=statement(MAY_BE[what]))
    with home(domicile).catalog.begin() as connection:
        assert [one.sealed_name for one in holds.named(connection)] == [MAY_BE[what]]


def test_only_a_subject_or_a_group_has_a_name(domicile: Domicile) -> None:
    """Not a hold on a region."""
    with pytest.raises(IntegrityError, match="a sealed name that is none"):
        do(domicile, "domicile_admin", PLACE, new=hold_with(MAY_BE["of KMS"], "region"))


@pytest.mark.parametrize("what", [*NONE, *MAY_BE])
def test_code_and_catalog_agree_on_what_may_be_a_name(domicile: Domicile, what: str) -> None:
    """Byte by byte: each beginning, and each longer one."""
    whole = (NONE | MAY_BE)[what]
    given = [*(whole[:stop] for stop in range(min(len(whole), 300))), whole, whole + b"\0"]
    with catalog_of(domicile.settings) as connection:
        found = [
            connection.execute(text("SELECT is_sealed_name(:given)"), {"given": one}).scalar_one()
            for one in given
        ]
    assert found == [root_version(one) is not None for one in given]


@pytest.mark.parametrize("name", ["u", "x" * 1024, "\u00e9" * 512])
def test_what_is_sealed_is_a_name(domicile: Domicile, name: str) -> None:
    """The shortest and the longest, by a key file."""
    sealed = seal_name(home(domicile).roots, os.urandom, name, b"what it is for: " + bytes(16))
    with catalog_of(domicile.settings) as connection:
        query = text("SELECT is_sealed_name(:given)")
        assert connection.execute(query, {"given": sealed}).scalar_one()
    assert root_version(sealed) == 1


def test_the_command_names_them(new: Domicile) -> None:
    """For people and for programs, when there is a new key."""
    said = statement(NONE["junk"])
    with catalog_of(new.settings) as connection:
        connection.execute(text("SET session_replication_role = replica"))  # as before the check
        connection.execute(text("SELECT insert_consent(CAST(:new AS jsonb), 'x')"), {"new": said})
        connection.commit()
    own, named = new.settings.regions[HOME], f"consent {json.loads(said)['id']}"
    line = CommandLine(new.settings.home)
    environment = {
        "DOMICILE_REGIONS__EU_CENTRAL_1__CATALOG_URL": own.catalog_url.get_secret_value(),
        "DOMICILE_REGIONS__EU_CENTRAL_1__KEYS_FILE": str(own.keys_file),
    }
    new_key(new)
    shown = line("init", environment=environment)
    new_key(new)
    told = line("init", "--json", environment=environment)
    again = line("init", "--json", environment=environment)

    assert named in shown.stderr
    assert json.loads(told.stdout)["nameless"] == {HOME: [named]}
    assert json.loads(again.stdout)["nameless"] == {}
