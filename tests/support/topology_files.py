"""A topology on disk that a test changes, and the problem that loading then reports."""

from pathlib import Path

import pytest

import regions
from regions.load import TopologyProblem, load_topology
from storage.testing import Domicile

SHIPPED = Path(regions.__file__).parent / "data"
EU = "regions/eu-central-1.toml"
US = "regions/us-east-1.toml"
COMPANIES = "sub_processors.toml"
RESIDENCIES = "residencies.toml"
CLASSES = "classes.toml"
CONSENTS = "consents.toml"
EPOCHS = "epochs.toml"
TOPOLOGY = "topology.toml"
JURISDICTIONS = "jurisdictions.toml"


def edit(file: Path, old: str, new: str) -> None:
    """Replace the first ``old``; a test whose edit does nothing would prove nothing."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def use_topology(domicile: Domicile, topology: Path | None) -> None:
    """Reopen the store with another topology, as a new process."""
    domicile.settings = domicile.settings.model_copy(update={"topology": topology})
    domicile.open()


def problem(data: Path) -> TopologyProblem:
    """What loading says."""
    with pytest.raises(TopologyProblem) as caught:
        load_topology(data)
    return caught.value
