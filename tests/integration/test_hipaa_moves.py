"""What is moved of protected health information comes to no company without an agreement for it."""

from dataclasses import replace
from pathlib import Path

import pytest

from regions.load import load_topology
from regions.model import DataClass
from storage.model import PlacementReason, Trait
from storage.policy import decide_placement
from storage.testing import Domicile
from tests.integration.test_agreements import FOR_PHI, agreement
from tests.integration.test_vacate import keys_on
from tests.support.actions import work
from tests.support.holds import SOON, place_hold, relocated
from tests.support.inspect.stored import backends_with, ciphertexts
from tests.support.topologies import three_backends, with_baas
from tests.support.topology_files import EU

pytestmark = pytest.mark.one_region

PHI = frozenset({Trait.PHI})
PLAIN: frozenset[Trait] = frozenset()
LACKS = "quellwerk"  # the company of eu-c


def use(domicile: Domicile, directory: Path, *, retires: str | None = None) -> None:
    """Open with three backends, of which the last is of a company without a BAA."""
    topology = lacking_one(directory, retires=retires)
    domicile.settings = domicile.settings.model_copy(update={"topology": topology})
    domicile.open()


def lacking_one(directory: Path, *, retires: str | None = None) -> Path:
    """Write the topology of ``use``."""
    three_backends(directory, retires=retires)
    region = directory / EU
    head, backends = region.read_text().split("[[backends]]", 1)
    region.write_text(f"{head.replace(LACKS, 'lindenhost')}[[backends]]{backends}")
    return with_baas(directory, without=LACKS)


@pytest.mark.parametrize(
    ("traits", "places"), [(PHI, {"eu-b"}), (PLAIN, {"eu-b", "eu-c"})], ids=["phi", "plain"]
)
def test_what_a_backend_that_retires_had_goes_to_no_company_without_a_baa(
    domicile: Domicile, tmp_path: Path, traits: frozenset[Trait], places: set[str]
) -> None:
    """It has one replica then; what is not protected has two."""
    use(domicile, tmp_path / "before")
    t = domicile.tenant(agreements=FOR_PHI, traits=traits)
    record = t.put(DataClass.PROMPT, b"health").id
    samples = ciphertexts(domicile, record)
    assert all(backends_with(domicile, sample) == {"eu-a", "eu-b"} for sample in samples)

    use(domicile, tmp_path / "after", retires="eu-a")
    for hours in (1, 1, 1):
        work(domicile, hours=hours)

    found = {place for sample in samples for place in backends_with(domicile, sample)}
    assert found == places


@pytest.mark.parametrize(("traits", "moved"), [(PHI, False), (PLAIN, True)], ids=["phi", "plain"])
def test_what_a_hold_relocates_goes_to_no_company_without_a_baa(
    domicile: Domicile, tmp_path: Path, traits: frozenset[Trait], *, moved: bool
) -> None:
    """Out of an expiring day."""
    use(domicile, tmp_path / "before")
    t = domicile.tenant(agreements=FOR_PHI, traits=traits, retention=SOON)
    t.put(DataClass.PROMPT, b"health", subject="u")
    place_hold(domicile)

    use(domicile, tmp_path / "after", retires="eu-a")
    for hours in (13, 1, 1, 1):
        work(domicile, hours=hours)

    assert len(relocated(domicile)) == 1
    held = [key for key in keys_on(domicile, "eu-c") if "held" in key]
    assert bool(held) == moved


def test_a_residency_that_names_a_baa_asks_for_those_of_sub_processors(
    domicile: Domicile, tmp_path: Path
) -> None:
    """Without the trait."""
    topology = load_topology(lacking_one(tmp_path))
    t = domicile.tenant(agreements=FOR_PHI)
    spec = replace(
        domicile.store.admin.tenants.get(t.id), agreements=(agreement(), agreement("baa"))
    )
    asked = topology.residencies["EU"].model_copy(update={"agreements": frozenset({"dpa", "baa"})})
    strict = topology.model_copy(update={"residencies": {**topology.residencies, "EU": asked}})
    today = domicile.clock.now().date()

    found = decide_placement(strict, spec, DataClass.PROMPT, today, {}, objections=())

    reasons = {verdict.backend: verdict.reason for verdict in found.verdicts}
    assert reasons["eu-c"] is PlacementReason.SUB_PROCESSOR_BAA_MISSING
    assert found.backends == ("eu-a", "eu-b")
