"""Topologies with short periods, so that tests pass few days."""

import json
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

from regions.model import Topology
from storage.region import Backends, OpenRegion
from tests.support.topology_files import CLASSES, COMPANIES, EU, SHIPPED, edit

PLACE, CELL = "eu-central-1", "eu-central-1-b"

_SHORTER = (
    ("retention_days = 30", "retention_days = 7"),
    ("ceiling_days = 30", "ceiling_days = 7"),
    ("compaction_hours = 72", "compaction_hours = 5"),
)
_BACKEND = 'kind = "directory"\nsub_processor = "quellwerk"\npath = "backends/eu-c"\n'
_CHANGES = {
    "sub_processors.toml": ("since = 2025-01-01", "since = 2025-01-01\nuntil = 2026-03-02"),
    "us-east-1.toml": ("required = 1", "required = 2"),
    "eu-central-1.toml": (
        'path = "backends/eu-b"\n',
        f'path = "backends/eu-b"\n\n[[backends]]\nname = "eu-c"\n{_BACKEND}',
    ),
}


def small_topology(data: Path, directory: Path, *, changes: bool, alone: bool = False) -> Path:
    """The shipped topology with shorter times, so that few days pass until all has happened.

    ``changes``: the EU has a third backend, and the contract of the first ends on 2 March; the US
    wants two replicas before a write is acknowledged. ``alone``: without the US.
    """
    for source in data.rglob("*.toml"):
        target = directory / source.relative_to(data)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text()
        for old, new in _SHORTER:
            text = text.replace(old, new)
        old, new = _CHANGES.get(source.name, ("", "")) if changes else ("", "")
        target.write_text(text.replace(old, new, 1))
    if alone:
        (directory / "regions" / "us-east-1.toml").unlink()
    return directory


def shorten_floor(directory: Path) -> None:
    """Let a topology keep events for days instead of months."""
    for old, new in (
        ("days = 186", "days = 6"),
        ("days = 366", "days = 9"),
        ("days = 184", "days = 4"),
    ):
        edit(directory / CLASSES, old, new)


def three_backends(
    directory: Path, *, retires: str | None = None, until: str | None = None, exit_days: int = 0
) -> Path:
    """The shipped topology with a third backend in the EU, eu-c.

    ``retires``: the backend that retires. ``until``: when the agreement of eu-a's company ends.
    """
    shutil.copytree(SHIPPED, directory, dirs_exist_ok=True)
    edit(directory / EU, *_CHANGES[Path(EU).name])
    if retires is not None:
        edit(directory / EU, f'name = "{retires}"', f'name = "{retires}"\nretires = true')
    if until is not None:
        more = f"since = 2025-01-01\nuntil = {until}\nexit_days = {exit_days}"
        edit(directory / COMPANIES, "since = 2025-01-01", more)
    return directory


def add_cell(directory: Path, *, rule: str = "fill", rooms: tuple[int, int] = (2, 3)) -> None:
    """Write the topology of the example with a second cell of its first region."""
    shutil.copytree(SHIPPED, directory, dirs_exist_ok=True)
    first = directory / EU
    text = first.read_text()
    head = f'cells = "{rule}"\nroom = {rooms[0]}\nreplicas ='
    first.write_text(text.replace("replicas =", head, 1))
    second = text.replace(f'name = "{PLACE}"', f'name = "{CELL}"\nplace = "{PLACE}"', 1)
    second = second.replace("replicas =", f"room = {rooms[1]}\nreplicas =", 1)
    second = second.replace("eu-a", "eu-c").replace("eu-b", "eu-d")
    (directory / "regions" / f"{CELL}.toml").write_text(second)


def dedicating(directory: Path, *tenants: str, retire: bool = False) -> Path:
    """The shipped topology with two more backends in the EU, own-a and own-b, of these tenants.

    Without tenants they are spares that all share.
    """
    shutil.copytree(SHIPPED, directory, dirs_exist_ok=True)
    with (directory / EU).open("a") as file:
        for name, company in (("own-a", "lindenhost"), ("own-b", "meerspeicher")):
            kind = f'kind = "directory"\nsub_processor = "{company}"\npath = "backends/{name}"'
            own = f"dedicated_to = {json.dumps(tenants)}\n" if tenants else ""
            own += f"retires = {str(retire).lower()}"
            file.write(f'\n[[backends]]\nname = "{name}"\n{kind}\n{own}\n')
    return directory


def with_baas(directory: Path, *, without: str | None = None) -> Path:
    """A topology, by default the shipped one, with a BAA of each company but one."""
    file = directory / COMPANIES
    if not file.exists():
        shutil.copytree(SHIPPED, directory, dirs_exist_ok=True)
    baa = f'baa = {{ document = "{"d" * 64}", since = 2025-01-01 }}\n'
    first, *entries = file.read_text().split("[[sub_processors]]\n")
    given = [entry if f'name = "{without}"' in entry else baa + entry for entry in entries]
    file.write_text("[[sub_processors]]\n".join((first, *given)))
    return directory


def delete_entry(directory: Path, name: str) -> None:
    """Delete the entry of a backend of the EU."""
    file = directory / EU
    first, *entries = file.read_text().split("[[backends]]\n")
    left = [entry for entry in entries if not entry.startswith(f'name = "{name}"\n')]
    assert len(left) == len(entries) - 1
    file.write_text("[[backends]]\n".join((first, *left)))


def lacking(region: OpenRegion, name: str) -> OpenRegion:
    """Return a region as a process has it whose topology lacks a backend."""
    specs = tuple(spec for spec in region.region.backends if spec.name != name)
    backends = Backends({spec.name: region.backends[spec.name] for spec in specs})
    return replace(
        region, region=region.region.model_copy(update={"backends": specs}), backends=backends
    )


def wanted(topology: Topology, region: str, on: date) -> list[str]:
    """Return the backends that a record of the region goes to on that day."""
    home = topology.regions[region]
    lawful = [b.name for b in home.backends if topology.sub_processors[b.sub_processor].active(on)]
    return lawful[: home.replicas]
