"""A topology whose dedicated or shared backends are too few, or dedicated to nobody, is refused."""

import json
import shutil
from pathlib import Path

import pytest

from tests.support.topology_files import EU, SHIPPED, edit, problem

DEDICATED = "backends.eu-a.dedicated_to"


def _own(name: str, *tenants: str) -> str:
    """Return the entry of a backend of tenants."""
    kind = 'kind = "directory"\nsub_processor = "lindenhost"'
    owners = json.dumps(tenants)
    return f"""
[[backends]]
name = "own-{name}"
{kind}
path = "own-{name}"
dedicated_to = {owners}
"""


BROKEN = [
    (EU, 'name = "eu-a"', 'name = "eu-a"\ndedicated_to = []', DEDICATED, "not be empty"),
    (EU, 'name = "eu-a"', 'name = "eu-a"\ndedicated_to = ["a b"]', f"{DEDICATED}.1", "pattern"),
    (
        EU,
        'name = "eu-a"',
        'name = "eu-a"\ndedicated_to = ["acme"]',
        "replicas",
        "is 2, above the number of backends that are shared",
    ),
    (
        EU,
        'path = "backends/eu-b"',
        f'path = "backends/eu-b"{_own("a", "acme")}{_own("b", "acme", "bolt")}',
        "replicas",
        "is 2, above the number of backends dedicated to bolt",
    ),
    (
        EU,
        'path = "backends/eu-b"',
        f'path = "backends/eu-b"{_own("a", "acme")}{_own("b", "acme")}retires = true',
        "replicas",
        "is 2, above the number of backends dedicated to acme that do not retire",
    ),
]


@pytest.mark.parametrize(("file", "old", "new", "key", "reason"), BROKEN)
def test_the_fault_is_named(
    tmp_path: Path, *, file: str, old: str, new: str, key: str, reason: str
) -> None:
    """With its key, and whose backends are too few."""
    data = shutil.copytree(SHIPPED, tmp_path / "data")
    edit(data / file, old, new)

    found = problem(data)

    assert (found.key, reason in found.reason) == (key, True)
