"""A tenant sets no retention above the ceiling of the epoch in force."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from regions.load import load_topology
from regions.model import DataClass
from storage.errors import InvalidRequest
from storage.model import TenantSpec, Trait
from storage.policy import suppose_kept
from storage.testing import Domicile
from tests.support.topology_files import CLASSES, EPOCHS, SHIPPED, edit, use_topology

PROMPT = DataClass.PROMPT
BEGINS = date(2026, 3, 11)
BEFORE, SINCE = (datetime(2026, 3, day, 12, tzinfo=UTC) for day in (10, 11))
REFUSED = "A retention of 14 days is above the ceiling of the epoch of 2026-03-11 for prompt"


@pytest.fixture
def announced(tmp_path: Path) -> Path:
    """The shipped topology, with an epoch that will keep prompts for a week at most."""
    made = shutil.copytree(SHIPPED, tmp_path / "announced")
    edit(made / CLASSES, "retention_days = 30", "retention_days = 7")
    text = (made / EPOCHS).read_text()
    epoch = f"\n[[epochs]]\nfrom = {BEGINS}\nceiling_days = {{ prompt = 7 }}\n"
    (made / EPOCHS).write_text(text + epoch)
    return made


def test_from_the_first_day_of_an_epoch_its_ceiling_is_the_most(announced: Path) -> None:
    """The dry run of a retention says no more than what would be kept."""
    topology = load_topology(announced)

    assert suppose_kept(topology, {}, PROMPT, 14, BEFORE).days == 14
    assert suppose_kept(topology, {}, PROMPT, 7, SINCE).days == 7
    with pytest.raises(InvalidRequest, match=REFUSED) as caught:
        suppose_kept(topology, {}, PROMPT, 14, SINCE)
    assert "Use 0 (nothing is stored) to 7 days" in caught.value.advice
    assert suppose_kept(topology, {PROMPT: 14}, PROMPT, 14, SINCE).days == 14


def test_what_a_tenant_had_set_before_stays(domicile: Domicile, announced: Path) -> None:
    """A service that ensures its tenants when it starts is not stopped by the first day."""
    use_topology(domicile, announced)
    tenants = domicile.store.admin.tenants
    spec = TenantSpec("acme-eu", "acme", "eu-central-1", "EU", retention={PROMPT: 14})
    tenants.ensure(spec)
    domicile.pass_time(days=10)

    tenants.ensure(spec)
    tenants.ensure(replace(spec, traits=frozenset({Trait.NO_HUMAN_REVIEW})))
    others: tuple[Callable[[], TenantSpec], ...] = (
        lambda: replace(spec, retention={PROMPT: 10}),
        lambda: replace(spec, id="new-eu"),
    )
    for other in others:
        with pytest.raises(InvalidRequest, match="above the ceiling of the epoch of 2026-03-11"):
            tenants.ensure(other())
    assert tenants.get("acme-eu").retention == {PROMPT: 14}
    assert [one.id for one in tenants.list("eu-central-1")] == ["acme-eu"]

    tenants.ensure(replace(spec, retention={PROMPT: 7}))
    tenants.ensure(replace(spec, id="new-eu", retention={PROMPT: 7}))
