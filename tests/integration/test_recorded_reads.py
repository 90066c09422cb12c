"""What people open: under a grant, with a line in the log before the plaintext."""

from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import text

from storage.catalog import checkpoints, log
from storage.catalog.engine import Catalog
from storage.client.tenant import BoundTenant
from storage.errors import (
    Erased,
    Expired,
    NotFound,
    PurposeRefused,
    TooFewReplicas,
)
from storage.model import (
    ActorKind,
    DataClass,
    GrantSpec,
    LineKind,
    Purpose,
    RecordId,
    Scope,
    Trait,
)
from storage.testing import INVESTIGATOR, Domicile
from storage.testing.people import acting_as
from storage.transparency.publish import Publisher
from tests.support.actions import erase
from tests.support.inspect.stored import home
from tests.support.transparency import lines

LOOK = Purpose.ABUSE_INVESTIGATION


def spec(**other: object) -> GrantSpec:
    """Return a grant to investigate the subject ``u``."""
    given: dict[str, object] = {
        "tenant": "acme-eu",
        "purpose": LOOK,
        "actor": INVESTIGATOR.id,
        "scope": Scope.subject("u"),
        "justification": "a report of abuse",
        "records_max": 2,
        "hours": 1,
        "case": "case-1",
    }
    return GrantSpec(**(given | other))  # type: ignore[arg-type]


def person(domicile: Domicile, **other: object) -> BoundTenant:
    """Return the tenant for the investigator, under a grant in force."""
    granted = domicile.grant(spec(**other))
    return domicile.store.tenant("acme-eu").bind(INVESTIGATOR, grant=granted.id)


def put(domicile: Domicile, body: bytes = b"mine", subject: str = "u") -> RecordId:
    """Store a prompt."""
    return domicile.tenant().put(DataClass.PROMPT, body, subject=subject).id


def test_a_person_opens_under_a_grant(domicile: Domicile) -> None:
    """The line says who, what, why, under which case, and who approved."""
    record = put(domicile)
    looking = person(domicile)

    found = looking.get(record, purpose=LOOK)

    assert found.body == b"mine"
    (line,) = lines(domicile, LineKind.OPENING)
    del line["at"], line["line"]
    assert line == {
        "kind": "opening",
        "actor": "investigator",
        "actor_kind": "employee",
        "employer": "operator",
        "location": "EU",
        "purpose": "abuse_investigation",
        "grant": str(looking.grant),
        "case": "case-1",
        "approved_by": ["approver"],
        "tenant": "acme-eu",
        "record": str(record),
    }


def test_a_checkpoint_holds_the_line_before_anything_is_fetched(
    domicile: Domicile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a key. When it is published, the backends were asked for nothing of the record."""
    record = put(domicile)
    looking = person(domicile)
    domicile.open()  # no key is in memory
    region = home(domicile)
    looking = domicile.store.tenant("acme-eu").bind(INVESTIGATOR, grant=looking.grant)
    asked, published = list[int](), list[UUID]()
    publish = Publisher.publish

    def watch(publisher: Publisher, line: object) -> object:
        asked.append(sum(b.count("get") for b in domicile.backends.values()))
        done = publish(publisher, line)  # type: ignore[arg-type]
        asked.append(sum(b.count("get") for b in domicile.backends.values()))
        with region.catalog.begin() as connection:
            published.extend(checkpoints.held(connection, [line], done.size))  # type: ignore[list-item]
        return done

    monkeypatch.setattr(Publisher, "publish", watch)
    before = sum(b.count("get") for b in domicile.backends.values())

    assert looking.get(record, purpose=LOOK).body == b"mine"

    assert asked == [before, before]
    assert len(published) == 1


def test_nothing_is_opened_while_the_log_cannot_be_continued(domicile: Domicile) -> None:
    """The tenant itself reads from the other backend meanwhile."""
    record, looking = put(domicile), person(domicile)
    for backend in ("eu-a", "eu-b"):
        domicile.backends[backend].full = True

    with pytest.raises(TooFewReplicas):
        looking.get(record, purpose=LOOK)
    assert domicile.tenant().get(record, purpose=Purpose.SERVE).body == b"mine"


class TestRefusals:
    """Each has one reason, and a line in the log."""

    def refused(self, domicile: Domicile, looking: BoundTenant, record: RecordId) -> str:
        """Return why a read is refused."""
        with pytest.raises(PurposeRefused) as caught:
            looking.get(record, purpose=LOOK)
        (reason,) = caught.value.reasons
        assert lines(domicile, LineKind.REFUSAL)[-1]["reasons"] == [reason]
        assert lines(domicile, LineKind.OPENING) == []
        return reason

    def test_by_the_grant(self, domicile: Domicile) -> None:
        """Without one, of another person, tenant, purpose, subject."""
        record, other = put(domicile), put(domicile, subject="v")
        tenant = domicile.store.tenant("acme-eu")
        beta = domicile.tenant("beta-eu")
        theirs = beta.put(DataClass.PROMPT, b"theirs", subject="u").id
        looking = person(domicile)

        assert self.refused(domicile, tenant.bind(INVESTIGATOR), record) == "no_grant"
        ghost = tenant.bind(INVESTIGATOR, grant="0199c9d3-0000-7000-8000-000000000000")
        assert self.refused(domicile, ghost, record) == "no_grant"
        somebody = replace(INVESTIGATOR, id="requester")
        stolen = tenant.bind(somebody, grant=looking.grant)
        assert self.refused(domicile, stolen, record) == "grant_for_another"
        elsewhere = domicile.store.tenant("beta-eu").bind(INVESTIGATOR, grant=looking.grant)
        assert self.refused(domicile, elsewhere, theirs) == "grant_for_another"
        assert self.refused(domicile, looking, other) == "outside_grant"

    def test_by_the_person(self, domicile: Domicile) -> None:
        """Unknown, other than the roster says, elsewhere."""
        record, looking = put(domicile), person(domicile)

        def of(**other: object) -> BoundTenant:
            actor = replace(INVESTIGATOR, **other)  # type: ignore[arg-type]
            return domicile.store.tenant("acme-eu").bind(actor, grant=looking.grant)

        assert self.refused(domicile, of(id="nobody"), record) == "unknown_actor"
        assert self.refused(domicile, of(location="US"), record) == "actor_differs"
        assert self.refused(domicile, of(kind=ActorKind.CONTRACTOR), record) == "actor_differs"

    def test_by_the_customer(self, domicile: Domicile) -> None:
        """Who wants no review from now on, though a grant was given before."""
        record, looking = put(domicile), person(domicile)
        domicile.tenant(traits=frozenset({Trait.NO_HUMAN_REVIEW}))

        assert self.refused(domicile, looking, record) == "no_human_review"

    def test_what_is_gone(self, domicile: Domicile) -> None:
        """Erased, expired, and never there."""
        record, looking = put(domicile), person(domicile, scope=Scope.tenant())
        erase(domicile.tenant(), Scope.subject("u"))
        with pytest.raises(Erased):
            looking.get(record, purpose=LOOK)
        with pytest.raises(NotFound):
            looking.get(domicile.tenant().new_id(DataClass.PROMPT), purpose=LOOK)
        late = put(domicile, subject="v")
        domicile.pass_time(days=30)
        with pytest.raises(Expired):
            person(domicile, scope=Scope.tenant()).get(late, purpose=LOOK)

        errors = [line["error"] for line in lines(domicile, LineKind.REFUSAL)]
        assert errors == ["Erased", "NotFound", "Expired"]

    def test_by_the_key_service(self, domicile: Domicile) -> None:
        """A grant that no pinned key has signed opens nothing, whatever the catalog says."""
        record, looking = put(domicile), person(domicile)
        forged = b"x" * 64
        own = domicile.settings.regions["eu-central-1"]
        owner = Catalog("eu-central-1", own.catalog_url.get_secret_value(), connections=2)
        with owner.begin() as connection:
            change = text("UPDATE grant_approval SET signature = :forged")
            connection.execute(change, {"forged": forged})
        owner.close()

        with pytest.raises(PurposeRefused) as caught:
            looking.get(record, purpose=LOOK)

        assert caught.value.reasons == ("signature_invalid",)
        assert lines(domicile, LineKind.REFUSAL)[-1]["reasons"] == ["signature_invalid"]


def test_a_grant_opens_so_many_records(domicile: Domicile) -> None:
    """What was opened may be opened again."""
    records = [put(domicile, b"%d" % n) for n in range(3)]
    looking = person(domicile)

    assert [looking.get(r, purpose=LOOK).body for r in records[:2]] == [b"0", b"1"]
    assert looking.get(records[0], purpose=LOOK).body == b"0"
    with pytest.raises(PurposeRefused) as caught:
        looking.get(records[2], purpose=LOOK)
    assert caught.value.reasons == ("grant_exhausted",)


@pytest.mark.parametrize("how", ["revoked", "over", "erased", "suspended"])
def test_the_next_range_of_an_open_file_refuses(domicile: Domicile, how: str) -> None:
    """And that refusal is on record."""
    record, looking = put(domicile), person(domicile)
    with looking.open(record, purpose=LOOK) as file:
        assert file.read_range(0, 2) == b"mi"
        if how == "revoked":
            with acting_as(domicile.settings.regions["eu-central-1"], "requester") as connection:
                revoke = text("SELECT revoke_grant(:grant, :now)")
                now = domicile.clock.now()
                connection.execute(revoke, {"grant": looking.grant, "now": now})
        if how == "over":
            domicile.pass_time(hours=1)
        if how == "erased":
            erase(domicile.tenant(), Scope.subject("u"))
        if how == "suspended":
            with acting_as(domicile.settings.regions["eu-central-1"], "postgres") as connection:
                connection.execute(
                    text(
                        "INSERT INTO roster (actor, kind, role, employer, location, login, since, "
                        "suspended, entered, entered_by) SELECT actor, kind, role, employer, "
                        "location, login, since, true, entered, entered_by FROM roster "
                        "WHERE actor = 'investigator'"
                    )
                )
        with pytest.raises((PurposeRefused, Erased)) as caught:
            file.read_range(2, 4)

    refusal = lines(domicile, LineKind.REFUSAL)[-1]
    assert refusal["error"] == caught.value.code
    assert refusal["record"] == str(record)


def test_a_service_reads_without_a_line(domicile: Domicile) -> None:
    """The tenant's own reads do not wait for the log."""
    record = put(domicile)
    with home(domicile).catalog.begin() as connection:
        before = len(log.page(connection, kind=None, since=None, after=None, limit=1000))

    domicile.tenant().get(record, purpose=Purpose.SERVE)

    with home(domicile).catalog.begin() as connection:
        assert len(log.page(connection, kind=None, since=None, after=None, limit=1000)) == before
