"""A worker's login moves no key under a hold to another record, and no login spends all numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from storage.catalog import schema
from storage.crypto.record import associated, open_body
from storage.errors import KeyUnavailable, PurposeRefused
from storage.model import (
    DataClass,
    Purpose,
    Reason,
    RecordId,
    Scope,
    StaffPermit,
)
from storage.policy import AccessReason
from storage.testing import Domicile
from storage.testing.harness import take_any_time
from tests.integration.test_guarded import do
from tests.support.actions import work
from tests.support.catalogs.databases import HOME, as_role, catalog_of, with_urls
from tests.support.holds import (
    COUNSEL,
    SOON,
    confirm,
    held_tenant,
    place_hold,
    relocated,
)
from tests.support.inspect.stored import home
from tests.support.keyservice.apart import Apart, apart
from tests.support.people import settings_for, staff

MOST = 2**63 - 1
HOLD = (
    "INSERT INTO hold (id, number, tenant, scope, matter, authority, issuer, placed, review) "
    "VALUES (gen_random_uuid(), :number, 'acme-eu', 'tenant', 'm', 'a', 'i', now(), '2030-01-01')"
)
ENTRY = (
    "INSERT INTO object SELECT (jsonb_populate_record(o, jsonb_build_object('id', "
    "gen_random_uuid(), 'kind', 'ledger', 'number', CAST(:number AS bigint), 'state', 'stored', "
    "'size', 1, 'digest', '\\x00'))).* FROM object o LIMIT 1"
)
SWAP = "UPDATE held SET (key_id, wrapped_key) = (:key, :wrapped) WHERE uid = :a"
DROP_B = "DELETE FROM held WHERE uid = :b"
TAKE = "CREATE TEMP TABLE taken AS SELECT * FROM held WHERE uid = :{}"
AGAIN = ["DELETE FROM held WHERE uid IN (:a, :b)", "INSERT INTO held SELECT * FROM taken"]
LIES = {
    "the key of b in the row of a": [SWAP],
    "without the row of b": [DROP_B, SWAP],
    "a new row of a": [
        TAKE.format("a"),
        "UPDATE taken SET (key_id, wrapped_key) = (:key, :wrapped)",
        *AGAIN,
    ],
    "b under the name of a": [
        "DELETE FROM held WHERE uid = :a",
        "UPDATE held SET uid = :a, subject = :subject WHERE uid = :b",
    ],
    "b under the name of a alone": [
        "DELETE FROM held WHERE uid = :a",
        "UPDATE held SET uid = :a WHERE uid = :b",
    ],
    "b about the subject of a": ["UPDATE held SET subject = :subject WHERE uid = :b"],
    "a new row of b": [TAKE.format("b"), "UPDATE taken SET subject = :subject", *AGAIN],
    "b of another class": ["UPDATE held SET data_class = 'other' WHERE uid = :b"],
    "b made from a": ["UPDATE held SET ancestors = ARRAY[CAST(:a AS bytea)] WHERE uid = :b"],
    "b of another time": ["UPDATE held SET minted = '2020-01-01' WHERE uid = :b"],
    "b of another group": ["UPDATE held SET grp = :subject WHERE uid = :b"],
    "b of another tenant": ["UPDATE held SET tenant = 'acme-us' WHERE uid = :b"],
    "b of another day": ["UPDATE held SET expiry_day = '2020-01-01' WHERE uid = :b"],
}


@dataclass(frozen=True, slots=True)
class Two:
    """Records ``a`` and ``b``, each under a hold; somebody may open what is under that of ``a``."""

    apart: Apart
    domicile: Domicile
    a: RecordId
    b: RecordId
    grant: UUID
    rows: dict[bytes, dict[str, Any]]

    def lie(self, statements: list[str]) -> None:
        """Execute them in one transaction as a worker."""
        row = self.rows[self.b.unique]
        given = {
            "a": self.a.unique,
            "b": self.b.unique,
            "key": row["key_id"],
            "wrapped": row["wrapped_key"],
            "subject": self.rows[self.a.unique]["subject"],
        }
        urls = {
            name: as_role(own.catalog_url.get_secret_value(), "domicile_worker")
            for name, own in self.domicile.settings.regions.items()
        }
        with catalog_of(with_urls(self.domicile.settings, urls), HOME) as connection:
            for statement in statements:
                connection.execute(text(statement), given)
            connection.commit()

    def refuses(self, statements: list[str]) -> bool:
        """Return whether the catalog says that a key is bound."""
        try:
            self.lie(statements)
        except IntegrityError as error:
            return "belongs to another record" in str(error)
        return False

    def open_b(self, record: RecordId, number: int) -> bytes:
        """Open the bytes of ``b`` with what the key service gives for a record."""
        row = self.rows[self.b.unique]
        permit = StaffPermit(
            region=HOME,
            grant=self.grant,
            purpose=Purpose.LEGAL,
            tenant="acme-eu",
            record=record,
            actor=COUNSEL,
            nonce=bytes([number]) * 16,
            issued=self.domicile.clock.now(),
        )
        roots = home(self.domicile).roots
        key = roots.unwrap_record(self.apart.sealed_key(row["key_id"]), permit)
        sealed = self.apart.sealed_key(row["object_id"])
        body = sealed[row["start"] : row["start"] + row["length"]]
        return open_body(key, body, associated(self.b, "acme-eu"), row["size"])


@pytest.fixture
def two(domicile: Domicile) -> Iterator[Two]:
    """Two records that are relocated, with the key service apart."""
    with apart(domicile) as made, made.serving():
        domicile.open()
        tenant = domicile.tenant(retention=SOON)
        a = tenant.put(DataClass.PROMPT, b"of a", subject="u").id
        b = tenant.put(DataClass.PROMPT, b"of b", subject="v").id
        placed = place_hold(domicile, Scope.subject("u"))
        place_hold(domicile, Scope.subject("v"))  # nobody confirms it
        confirm(domicile, placed)
        work(domicile)
        work(domicile, days=4)
        assert relocated(domicile) == {a.unique, b.unique}
        counsel = held_tenant(domicile.store, domicile.settings, placed.hold.id)
        assert counsel.get(a, purpose=Purpose.LEGAL).body == b"of a"  # it is counted
        with home(domicile).catalog.begin() as connection:
            found = connection.execute(text("SELECT * FROM held")).mappings().all()
        rows = {bytes(row["uid"]): dict(row) for row in found}
        assert counsel.grant is not None
        yield Two(made, domicile, a, b, counsel.grant, rows)
        domicile.stack.close()


def test_a_grant_for_one_record_opens_no_other(two: Two) -> None:
    """Who has a worker's login and the socket of the key service has no other way to its key."""
    done = [how for how, statements in LIES.items() if not two.refuses(statements)]
    assert not done
    with pytest.raises(KeyUnavailable):
        two.open_b(two.a, 1)
    with pytest.raises(PurposeRefused) as refused:
        two.open_b(two.b, 2)
    assert AccessReason.NOT_HELD in refused.value.reasons


def test_a_key_stays_with_its_record_when_that_is_gone(two: Two) -> None:
    """Its bytes and those of the hold key may have been copied before."""
    two.lie([DROP_B])
    assert two.refuses([SWAP])


def test_a_key_from_before_is_bound(two: Two) -> None:
    """The revision finds it in the row that is there."""
    with catalog_of(two.domicile.settings, HOME) as connection:
        schema.downgrade(connection, "0037")
        schema.upgrade(connection)
        connection.commit()
    take_any_time(two.domicile.settings)  # other tests get this catalog
    two.lie([DROP_B])
    assert two.refuses([SWAP])


def test_held_rows_move_whatever_a_session_has_set(two: Two) -> None:
    """What a login has as its time zone is no other fact."""
    two.lie(
        [
            "SET timezone = 'Asia/Tokyo'",
            "SET bytea_output = 'escape'",
            "UPDATE held SET start = start, object_id = object_id",
        ]
    )
    two.lie(["UPDATE held SET start = start"])


def test_a_hold_has_the_next_number(domicile: Domicile) -> None:
    """So what an admin inserts lets later holds have one."""
    domicile.tenant().put(DataClass.PROMPT, b"x", subject="u")
    staff(domicile.settings, domicile.clock.now(), "kim", "alice", "bob")

    def insert(number: int) -> None:
        with catalog_of(settings_for(domicile.settings, "alice"), HOME) as connection:
            connection.execute(text(HOLD), {"number": number})
            connection.commit()

    for number in (MOST, 2):
        with pytest.raises(IntegrityError, match="the next one"):
            insert(number)
    insert(1)  # as a process of an older version does
    place_hold(domicile, Scope.subject("u"))


def test_an_entry_of_the_ledger_has_the_next_number(domicile: Domicile) -> None:
    """So what a service inserts lets later events have one."""
    tenant = domicile.tenant()
    tenant.put(DataClass.PROMPT, b"mine", subject="u")
    tenant.erase(Scope.subject("v"), reason=Reason.SUBJECT_REQUEST)
    for number in (MOST, 3):
        with pytest.raises(IntegrityError, match="the next one"):
            do(domicile, "domicile_service", ENTRY, number=number)
    do(domicile, "domicile_service", ENTRY, number=2)
    with pytest.raises(IntegrityError, match="the next one"):
        do(
            domicile,
            "domicile_worker",
            "UPDATE object SET number = :number WHERE kind = 'ledger'",
            number=MOST,
        )
    tenant.erase(Scope.subject("u"), reason=Reason.SUBJECT_REQUEST)
    place_hold(domicile)
