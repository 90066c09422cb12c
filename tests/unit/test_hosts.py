"""A backend stays with the company that has its bytes."""

from storage.model.listing import Listed, Part, PartKind
from storage.policy import Reassigned, reassigned
from tests.unit.test_notice import HOME, company


def of(name: str, *backends: str, region: str = HOME) -> Listed:
    """Return a company with these backends, and the keys of the region."""
    parts = tuple(Part(region, PartKind.BACKEND, (), backend) for backend in backends)
    return company(0, name=name, parts=(*parts, Part(region, PartKind.KEYS)))


def test_a_backend_stays_with_its_company() -> None:
    """It may leave the topology and come back. A new backend may be of anyone."""
    known = {("eu-a", "one"), ("eu-b", "two")}

    assert list(reassigned(known, [of("one", "eu-a"), of("two", "eu-b", "eu-c")], HOME)) == []
    assert list(reassigned(known, [of("one")], HOME)) == []
    assert list(reassigned([], [of("one", "eu-a")], HOME)) == []


def test_a_backend_of_another_company_is_refused() -> None:
    """Also under a company that is renamed in the file, and if only an older topology knew it."""
    known = {("eu-a", "one"), ("eu-a", "two"), ("eu-b", "two")}

    found = list(reassigned(known, [of("three"), of("two", "eu-a", "eu-b")], HOME))

    assert found == [Reassigned("eu-a", "two", "one")]
    error = found[0].error(HOME)
    assert all(name in error.args[0] for name in ("eu-a", "two", "one", HOME))
    assert "new name" in error.advice


def test_a_backend_of_another_region_does_not_count() -> None:
    """Its own catalog knows what is there."""
    assert list(reassigned({("eu-a", "one")}, [of("two", "eu-a", region="us")], HOME)) == []
