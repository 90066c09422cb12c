"""What a login of a process may say does not stop the log, a recovery or the rules about people."""

import json
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from storage.errors import PurposeRefused
from storage.model import LineKind, RecordId
from storage.policy import AccessReason
from storage.testing import INVESTIGATOR, Domicile
from tests.integration.test_hold_people_sql import PLACE, new_hold
from tests.integration.test_recorded_reads import LOOK, put, spec
from tests.support.catalogs.backups import Dump, recover_catalog
from tests.support.catalogs.databases import HOME, as_role, catalog_of, with_urls
from tests.support.inspect.stored import home
from tests.support.people import as_person
from tests.support.people_sql import ENTER, People, people
from tests.support.transparency import lines, note_lines, publisher

__all__ = ["people"]

SALT = "decode(repeat('11', 32), 'hex')"
COMMITTED = (
    "'\\x01'::bytea || sha256('domicile log line v1'::bytea || '\\x00'::bytea || "
    f"{SALT} || convert_to(CAST(:said AS text), 'UTF8'))"
)
ADD = "INSERT INTO log_line (id, kind, at, text, salt, commitment) VALUES "


def do(domicile: Domicile, role: str, statement: str, **given: object) -> None:
    """Execute a statement with the rights of a role alone."""
    urls = {
        name: as_role(own.catalog_url.get_secret_value(), role)
        for name, own in domicile.settings.regions.items()
    }
    with catalog_of(with_urls(domicile.settings, urls), HOME) as connection:
        connection.execute(text(statement), given)
        connection.commit()


def open_under(domicile: Domicile, grant: object, record: RecordId) -> bytes:
    """Return what the investigator sees under the grant."""
    tenant = domicile.store.tenant("acme-eu").bind(INVESTIGATOR, grant=grant)  # type: ignore[arg-type]
    return tenant.get(record, purpose=LOOK).body


class TestTheLog:
    def test_a_line_without_a_text_is_refused(self, domicile: Domicile) -> None:
        """It could never be published, nor any line after it."""
        with pytest.raises(IntegrityError, match="log_line_waiting"):
            do(
                domicile,
                "domicile_service",
                f"{ADD} (gen_random_uuid(), 'opening', now(), NULL, NULL, "
                "decode(repeat('44', 33), 'hex'))",
            )

    def test_a_lease_that_nobody_takes_stops_nobody(self, domicile: Domicile) -> None:
        """One that is taken is waited for."""
        forged = "UPDATE log_state SET holder = gen_random_uuid(), lease = '9998-01-01'"
        do(domicile, "domicile_service", forged)

        publisher(domicile).publish(*note_lines(home(domicile)))

    @pytest.mark.parametrize("said", ["{}", '{"at": "x"}', '{"at": 3}', '{"at": "2026-01-01"}'])
    def test_a_line_that_says_nothing_is_recovered(self, domicile: Domicile, said: str) -> None:
        """As one of which only the place is known; its commitment still holds."""
        region = home(domicile)
        publisher(domicile).publish(*note_lines(region))
        dump = Dump.of(domicile)
        add = f"{ADD} (gen_random_uuid(), 'opening', now(), :said, {SALT}, {COMMITTED})"
        do(domicile, "domicile_service", add, said=said)
        publisher(domicile).publish(*note_lines(region))

        dump.restore(domicile)
        recover_catalog(domicile)

        (line,) = domicile.store.admin.log.lines(HOME, kind=LineKind.LOST)
        assert line.text == said


class TestARecovery:
    def test_ends_every_grant_of_before(self, domicile: Domicile) -> None:
        """The catalog lacks what was revoked since, and how often each was used."""
        record = put(domicile)
        granted = domicile.grant(spec(hours=24))
        dump = Dump.of(domicile)
        with as_person(domicile, "approver") as store:
            store.admin.grants.revoke(granted.id)

        dump.restore(domicile)
        recover_catalog(domicile)

        with pytest.raises(PurposeRefused) as caught:
            open_under(domicile, granted.id, record)
        assert caught.value.reasons == (AccessReason.GRANT_REVOKED,)
        (said,) = lines(domicile, LineKind.GRANT_REVOKED)
        assert (said["grant"], said["revoked_by"]) == (str(granted.id), "recovery")
        again = domicile.grant(spec(hours=24))
        assert open_under(domicile, again.id, record)

    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE catalog_info SET identity = NULL",
            "UPDATE catalog_info SET unread = '{eu-a}'",
        ],
    )
    def test_a_login_that_says_so_leaves_a_line(self, domicile: Domicile, change: str) -> None:
        """Only then is replayed what people did; also if all is put back."""
        with home(domicile).catalog.begin() as connection:
            identity = connection.scalar(text("SELECT identity FROM catalog_info"))
        do(domicile, "domicile_worker", change)
        again = "UPDATE catalog_info SET identity = :was, unread = '{}'"
        do(domicile, "domicile_worker", again, was=identity)

        (line,) = domicile.store.admin.log.lines(HOME, kind=LineKind.RECOVERY)
        assert json.loads(line.text or "")["begun"] == 1
        assert line.login


def test_a_hold_is_not_placed_in_the_future(people: People) -> None:
    """Its alarm would count from then."""
    later = json.dumps(json.loads(new_hold(uuid4())) | {"placed": "9000-01-01T00:00Z"})

    assert people.do("alice", PLACE, new=later) == "wrong_time"


def test_the_agreement_of_a_contractor_is_a_digest(people: People) -> None:
    """So that it can be compared with the document."""
    assert people.do("kim", ENTER, kind="contractor", document="x") == "no_agreement"
    assert people.do("kim", ENTER, kind="contractor", document="ab" * 32) == ""
