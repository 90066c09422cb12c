"""Lines of the log last: they say codes of people, companies and cases, and no free text."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from regions.model import Purpose
from storage.errors import DomicileError, GrantRefused, InvalidRequest, PurposeRefused
from storage.model import Actor, ActorKind, DataClass, GrantSpec, LineKind, Scope
from storage.testing import INVESTIGATOR, SERVICE, Domicile
from tests.support.catalogs.databases import HOME
from tests.support.people import as_person, person, staff
from tests.support.people_sql import FOR_CUSTOMER, REQUEST, People, people
from tests.support.transparency import lines

pytestmark = pytest.mark.one_region

__all__ = ["people"]

ADDRESS, SENTENCE = "jane@example.com", "Jane Doe of 5 Main Street complained."
GRANT = GrantSpec(
    "acme-eu", Purpose.ABUSE_INVESTIGATION, "alice", Scope.tenant(), "because", 2, 8, case="CASE-7"
)
ANY_ENTER = (
    "SELECT enter_roster(:who, 'employee', :role, :company, :place, NULL, NULL, '2026-01-01', "
    "NULL, :stopped, {now})"
)
ENTRY: dict[str, Any] = {
    "who": "erin",
    "role": "safety",
    "company": "us",
    "place": "EU",
    "stopped": False,
}


@pytest.mark.parametrize("what", ["who", "role", "company", "place"])
def test_an_entry_says_codes(people: People, what: str) -> None:
    """Whatever process makes it, and with raw SQL too."""
    for said in (ADDRESS, SENTENCE, "x" * 65, ""):
        assert people.do("kim", ANY_ENTER, **ENTRY | {what: said}) == "not_a_code"
    assert people.do("kim", ANY_ENTER, **ENTRY) == ""


def test_who_was_entered_otherwise_is_suspended(people: People) -> None:
    """Entries from before say other things. They count, and the next may repeat them."""
    people.do("postgres", "ALTER TABLE roster DISABLE TRIGGER roster_codes")
    people.do(
        "postgres",
        "INSERT INTO roster (actor, kind, role, employer, location, since, suspended, entered, "
        "entered_by) VALUES (:who, 'employee', 'Trust and Safety', 'us', 'EU', '2026-01-01', "
        "false, now(), 'kim')",
        who=ADDRESS,
    )
    people.do("postgres", "ALTER TABLE roster ENABLE TRIGGER roster_codes")
    before = {"who": ADDRESS, "role": "Trust and Safety"}

    people.request(actor=ADDRESS)
    assert people.do("kim", ANY_ENTER, **ENTRY | before | {"stopped": True}) == ""
    assert people.do("kim", ANY_ENTER, **ENTRY | before | {"company": SENTENCE}) == "not_a_code"
    assert people.do("alice", REQUEST, id=uuid4(), actor=ADDRESS) == "actor_not_in_force"


def test_a_case_and_a_customer_are_codes(people: People) -> None:
    """Also with raw SQL."""
    for said in ("other@example.com", SENTENCE):
        assert people.do("alice", REQUEST, id=uuid4(), case=said) == "not_a_code"
        grant = people.request(case="CASE-7")
        assert people.do("sam", FOR_CUSTOMER, id=grant, actor=said) == "not_a_code"


def refused(error: type[DomicileError], work: Any) -> str:  # noqa: ANN401
    """Return the advice of a refusal."""
    with pytest.raises(error) as caught:
        work()
    assert ADDRESS not in str(caught.value)
    return caught.value.advice


def test_the_api_says_what_a_code_is(domicile: Domicile) -> None:
    """Where a new one is given: in the roster, in a grant, for a customer, and by a service."""
    staff(domicile.settings, domicile.clock.now(), "kim", "alice")
    tenant = domicile.tenant()

    with as_person(domicile, "kim") as store:
        enter = store.admin.roster.enter
        for entry in (person(ADDRESS), person("erin", login="erin", employer=SENTENCE)):
            told = refused(GrantRefused, lambda new=entry: enter(HOME, new))
            assert "opaque id" in told
        request = store.admin.grants.request
        asked = replace(GRANT, case=SENTENCE)
        assert "opaque id" in refused(InvalidRequest, lambda: request(asked))
    approve = domicile.store.tenant("acme-eu").approve
    assert "opaque id" in refused(InvalidRequest, lambda: approve(uuid4(), by=ADDRESS))
    for actor in (replace(SERVICE, id=ADDRESS), replace(SERVICE, employer=SENTENCE)):
        told = refused(InvalidRequest, lambda given=actor: tenant.bind(given))
        assert "opaque id" in told

    said = [line["actor"] for line in lines(domicile, LineKind.REFUSAL)]
    assert said[0].startswith("sha256:")
    assert said[1] == "erin"


def test_a_refusal_repeats_no_text(domicile: Domicile) -> None:
    """Of an actor that the roster does not know, a line says a digest."""
    record = domicile.tenant().put(DataClass.PROMPT, b"mine").id
    unknown = Actor(ADDRESS, ActorKind.EMPLOYEE, employer=SENTENCE, location="the Moon")

    with pytest.raises(PurposeRefused):
        domicile.store.tenant("acme-eu").bind(unknown).get(
            record, purpose=Purpose.ABUSE_INVESTIGATION
        )

    (line,) = lines(domicile, LineKind.REFUSAL)
    for said in ("actor", "employer", "location"):
        assert line[said].startswith("sha256:")


def test_what_was_entered_by_its_code_is_said_as_it_is(domicile: Domicile) -> None:
    """So that a report shows who looked."""
    record = domicile.tenant().put(DataClass.PROMPT, b"mine").id
    given = domicile.grant(replace(GRANT, actor=INVESTIGATOR.id))
    looking = domicile.store.tenant("acme-eu").bind(INVESTIGATOR, grant=given.id)

    assert looking.get(record, purpose=GRANT.purpose).body == b"mine"

    (line,) = lines(domicile, LineKind.OPENING)
    assert (line["actor"], line["employer"]) == (INVESTIGATOR.id, INVESTIGATOR.employer)
    assert line["case"] == "CASE-7"
