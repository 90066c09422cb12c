"""A topology states the version of Domicile that it needs, and keeps its digest across versions."""

import shutil
from pathlib import Path

import pytest

from regions import version
from regions.load import load_topology
from regions.model import Topology
from regions.version import VERSION
from storage.errors import TopologyError
from storage.settings import Settings, topology_of
from tests.support.topology_files import CLASSES, EU, SHIPPED, TOPOLOGY, edit, problem


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A copy of the shipped topology, to be changed."""
    return shutil.copytree(SHIPPED, tmp_path / "data")


def require(data: Path, version: str) -> None:
    """State the version that the topology needs."""
    (data / TOPOLOGY).write_text(f'requires = "{version}"\n')


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (EU, "replicas = 2", "replicas = 2\nlater = 1"),
        (EU, 'kind = "directory"', 'kind = "later"'),
        (CLASSES, "retention_days = 30", 'retention_days = "a month"'),
        (TOPOLOGY, "requires", "later = 1\nrequires"),
    ],
)
def test_older_code_says_which_version_knows_the_new_keys(
    data: Path, file: str, old: str, new: str
) -> None:
    """Before it reports what it does not know: there is no mistake to correct in that file."""
    require(data, "99.1")
    edit(data / file, old, new)

    with pytest.raises(TopologyError) as caught:
        topology_of(Settings(topology=data))

    error = caught.value
    assert (error.file, error.key) == (str(data / TOPOLOGY), "requires")
    assert error.reason == f"needs Domicile 99.1 or later; this is {VERSION}"
    assert error.advice.startswith("Install Domicile 99.1 or later")


@pytest.mark.parametrize(
    ("here", "required", "older"),
    [
        ("0.9.2", "0", False),
        ("0.9.2", "0.9", False),
        ("0.9.2", "0.9.2", False),
        ("0.9.2", "0.9.3", True),
        ("0.9.2", "0.10", True),
        ("0.9.2", "1", True),
        ("0.10.0", "0.9.9", False),
        ("1.0.0", "0.99", False),
        ("1.0.0rc1", "1.0", False),
        ("1.0.0.dev3", "1.0.1", True),
    ],
)
def test_versions_are_compared_by_their_parts(
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    here: str,
    required: str,
    older: bool,  # noqa: FBT001
) -> None:
    """They are numbers, not text, and may have fewer parts. A pre-release knows the keys."""
    monkeypatch.setattr(version, "VERSION", here)
    require(data, required)

    if older:
        assert problem(data).key == "requires"
    else:
        assert load_topology(data).regions


def test_the_shipped_topology_can_be_read_by_the_version_that_ships_it() -> None:
    """It states one, so that a copy of it does."""
    assert "requires = " in (SHIPPED / TOPOLOGY).read_text()
    assert load_topology().regions


def test_a_version_need_not_be_required(data: Path) -> None:
    """Then what is not known is reported key by key."""
    (data / TOPOLOGY).unlink()
    assert load_topology(data) == load_topology().model_copy(update={"operator": None})
    edit(data / EU, "replicas = 2", "replicas = 2\nlater = 1")

    assert (problem(data).key, problem(data).reason) == ("later", "is not a known key")


@pytest.mark.parametrize(
    "stated",
    ['">=0.1"', '""', "0.1", '"soon"', '"0.1.0.0"', pytest.param(f'"{"9" * 5000}"', id="long")],
)
def test_what_is_required_is_a_version(data: Path, stated: str) -> None:
    """Anything else would require nothing, quietly."""
    (data / TOPOLOGY).write_text(f"requires = {stated}\n")

    assert problem(data).key == "requires"


def test_the_digest_is_the_same_in_a_version_with_more_keys() -> None:
    """Receipts of workers of two versions name one topology, until it states the new key."""

    class Later(Topology):
        later: int = 0

    topology = load_topology()

    assert Later(**dict(topology)).digest == topology.digest
    assert Later(**dict(topology), later=0).digest != topology.digest
