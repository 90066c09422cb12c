"""What a change of the topology would mean, without making it."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from regions.load import TopologyProblem, load_addition, load_topology
from regions.model import DataClass
from storage.errors import InvalidRequest
from storage.model import Dpa, TenantSpec
from storage.policy import Evaluation, Means, suppose

SHIPPED = load_topology()
TODAY = date(2026, 3, 1)
SPEC = TenantSpec(
    "acme-eu", "acme", "eu-central-1", "EU", agreements=(Dpa(signed=date(2026, 1, 5)),)
)
COMPANY = """
[[sub_processors]]
name = "{name}"
title = "Neu GmbH"
service = "{service}"
jurisdictions = ["{where}"]
agreement = "A-1"
since = {since}
"""
BACKEND = """
[[backends.eu-central-1]]
name = "eu-n"
kind = "directory"
sub_processor = "neu"
path = "backends/eu-n"
"""
OWN = """
[[backends.eu-central-1]]
name = "own-a"
kind = "directory"
sub_processor = "lindenhost"
path = "own/a"
dedicated_to = ["acme-eu"]

[[backends.eu-central-1]]
name = "own-b"
kind = "directory"
sub_processor = "meerspeicher"
path = "own/b"
dedicated_to = ["acme-eu"]
"""
ELSEWHERE = """
[[backends.eu-central-1]]
name = "eu-n"
kind = "s3"
sub_processor = "neu"
bucket = "neu-bucket"
aws_region = "us-east-1"
"""


def added(directory: Path, text: str) -> Path:
    """Return a file with entries to add."""
    file = directory / "new.toml"
    file.write_text(text)
    return file


def company(service: str = "hosting", where: str = "EU", since: date = TODAY) -> str:
    """Return the entry of a new company."""
    return COMPANY.format(name="neu", service=service, where=where, since=since)


def means(
    remove: str | None = None, add: Path | None = None, *, objections: tuple[str, ...] = ()
) -> Means:
    """Return what a change means for prompts of the tenant."""
    after = SHIPPED if add is None else load_addition(SHIPPED, add)
    changed = suppose(SHIPPED, after, remove=remove, today=TODAY)
    return Evaluation(changed).means(SPEC, DataClass.PROMPT, frozenset(objections))


def test_tenants_with_backends_of_their_own_are_evaluated_apart(tmp_path: Path) -> None:
    """Else the first of two tenants with the same terms would speak for the other."""
    file = added(tmp_path, OWN)
    changed = suppose(SHIPPED, load_addition(SHIPPED, file), remove="lindenhost", today=TODAY)
    evaluation = Evaluation(changed)

    def told(name: str) -> Means:
        return evaluation.means(replace(SPEC, id=name), DataClass.PROMPT, frozenset())

    other, owner = told("other"), told("acme-eu")
    assert (other.leaves, other.to) == (("eu-a",), ("eu-b",))
    assert (owner.leaves, owner.to) == (("eu-a", "own-a"), ("own-b",))


def test_a_host_less() -> None:
    """Its backend is left, and the other one takes everything: one replica less."""
    found = means("lindenhost")

    assert (found.leaves, found.to, found.replicas) == (("eu-a",), ("eu-b",), 2)
    assert found.refused is None


def test_a_tenant_that_objects_to_the_other_is_refused() -> None:
    """But not one that is refused today already: that is not what the change does."""
    found = means("lindenhost", objections=("meerspeicher",))
    assert found.refused is not None
    assert found.refused.reasons == ("objected", "sub_processor_ended")  # type: ignore[union-attr]

    assert means("lindenhost", objections=("meerspeicher", "lindenhost")).refused is None


def test_without_a_steward_every_write_is_refused() -> None:
    """The reason says what it runs."""
    refused = means("quellwerk").refused

    assert refused is not None
    assert refused.reasons == ("catalog_sub_processor_ended",)  # type: ignore[union-attr]


def test_a_company_of_another_region_means_nothing() -> None:
    """Nothing leaves, and the placement is that of today."""
    found = means("prairie-racks")

    assert (found.leaves, found.to, found.refused) == ((), ("eu-a", "eu-b"), None)


def test_a_host_more(tmp_path: Path) -> None:
    """It is a spare until another one goes, and counts from its first day."""
    later = TODAY + timedelta(30)
    file = added(tmp_path, company(since=later) + BACKEND)

    assert (means(add=file).to, means(add=file).reached) == (("eu-a", "eu-b"), ())
    instead = means("lindenhost", file)
    assert (instead.to, instead.reached) == (("eu-b", "eu-n"), ("neu",))
    assert means("lindenhost", file, objections=("neu",)).to == ("eu-b",)


def test_what_ends_anyway_is_not_blamed_on_the_change(tmp_path: Path) -> None:
    """The tenant's own agreement ends before the first day of what is added."""
    file = added(tmp_path, company(since=TODAY + timedelta(30)) + BACKEND)
    changed = suppose(SHIPPED, load_addition(SHIPPED, file), remove="lindenhost", today=TODAY)
    ends = replace(SPEC, agreements=(Dpa(signed=TODAY, until=TODAY + timedelta(9)),))

    assert Evaluation(changed).means(ends, DataClass.PROMPT, frozenset()).refused is None


@pytest.mark.parametrize(("where", "reached"), [("EU", ("neu",)), ("US", ())])
def test_a_processor_more(tmp_path: Path, where: str, reached: tuple[str, ...]) -> None:
    """It reaches the tenants whose records may be handed over to it."""
    text = company("moderation", where)
    text += '[sub_processors.connector]\nkind = "manual"\nlead_hours = 24\n'

    assert means(add=added(tmp_path, text)).reached == reached


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (company() + BACKEND.replace("eu-central-1", "eu-west-9"), "backends.eu-west-9"),
        (company(where="US") + BACKEND, "backends.eu-n.sub_processor"),
        (BACKEND, "backends.eu-n.sub_processor"),
        (company() + BACKEND.replace('"eu-n"', '"us-a"'), "backends.us-a.name"),
        (company() + company(), "sub_processors.neu"),
        (company().replace('"neu"', '"lindenhost"'), "sub_processors.lindenhost"),
        (company() + "size = 1\n", "sub_processors.1.size"),
        (company() + ELSEWHERE, "backends.eu-n.aws_region"),
        ("nothing", ""),
    ],
)
def test_what_may_not_be_added(tmp_path: Path, text: str, key: str) -> None:
    """The entries are checked like those of a topology."""
    with pytest.raises(TopologyProblem) as caught:
        load_addition(SHIPPED, added(tmp_path, text))

    assert caught.value.key.startswith(key.split(".", maxsplit=1)[0])


def test_an_unknown_company_is_refused_with_the_known_ones() -> None:
    """Otherwise the answer would be that nothing changes."""
    with pytest.raises(InvalidRequest) as caught:
        means("nobody")

    assert "lindenhost" in caught.value.advice


def test_tenants_with_the_same_terms_are_evaluated_once() -> None:
    """Whatever their ids: so a hundred thousand tenants take seconds."""
    evaluation = Evaluation(suppose(SHIPPED, SHIPPED, remove="lindenhost", today=TODAY))
    other = TenantSpec("b", "other", SPEC.home, SPEC.residency, agreements=list(SPEC.agreements))

    first = evaluation.means(SPEC, DataClass.PROMPT, frozenset())
    assert evaluation.means(other, DataClass.PROMPT, frozenset()) is first
    assert evaluation.means(other, DataClass.PROMPT, frozenset({"meerspeicher"})) != first
