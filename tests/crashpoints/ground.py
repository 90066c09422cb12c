"""The region in which all trials run, one by one. It is set back after each."""

from dataclasses import dataclass
from pathlib import Path
from shutil import copytree

import regions
from regions.load import load_topology
from storage.settings import Settings
from storage.testing import Server
from storage.testing.snapshot import Snapshot, snapshot
from tests.support.topologies import small_topology
from tests.support.topology_files import CLASSES

HOME = "eu-central-1"


@dataclass(frozen=True)
class Ground:
    """Settings of one region, with the rows of its catalog and its keys when it was new."""

    server: Server
    full: Settings
    settings: Settings
    region: Snapshot

    def clear(self) -> None:
        """Set the region back to when it was new."""
        self.region.restore(self.settings.regions[HOME].keys_file)
        self.region.close()


def make_ground(server: Server, folder: Path) -> Ground:
    """Make a region in a topology with short periods."""
    topology = folder / "topology"
    if not topology.exists():
        data = Path(regions.__file__).parent / "data"
        copytree(data, topology)
        small_topology(data, topology, changes=False, alone=True)
        classes = topology / CLASSES
        named = classes.read_text().replace('purposes = ["serve"', 'purposes = ["train", "serve"')
        classes.write_text(named)
    full = server.make()
    settings = full.model_copy(update={"regions": {HOME: full.regions[HOME]}, "topology": topology})
    return Ground(server, full, settings, snapshot(settings, HOME, load_topology(topology)))
