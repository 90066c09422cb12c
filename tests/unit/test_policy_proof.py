"""Every property holds in every case that a topology can reach."""

from datetime import date
from pathlib import Path

import pytest

from regions.load import load_topology
from storage.policy.proof import families
from storage.policy.proof.check import counterexamples
from tests.support.rich_topology import rich_topology

TODAY = date(2026, 11, 28)


@pytest.mark.deep  # ``policy check`` of the shipped topology is in test_cli_policy.py
def test_a_topology_with_everything_has_no_counterexample(tmp_path: Path) -> None:
    """It ends at the first: a mutant of a clause must give one (``tests/mutants/clauses.py``)."""
    topology = load_topology(rich_topology(tmp_path))

    for family in sorted(families(topology, TODAY), key=lambda one: one.size):
        for found, example in counterexamples(family):
            pytest.fail(f"{found.violated}: {found.says} Given: {example.given}")
