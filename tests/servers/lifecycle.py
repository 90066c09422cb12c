"""A Domicile on a real Ceph: each backend has a gateway of its own."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from regions.backends import BackendSpec
from storage.backends.registry import open_backend
from storage.ports import Backend
from storage.region import Limits
from storage.settings import Settings
from storage.testing import Call, Domicile, FaultyBackend, Server
from tests.servers.ceph import REGIONS, Ceph
from tests.support.actions import work
from tests.support.inspect.stored import HOME, home, orphans
from tests.support.topology_files import EU, SHIPPED, edit

PATIENCE = 4.0
"""Seconds for a request. The gateway has half of it for its answer."""

COMPANIES = {"eu-a": "lindenhost", "eu-b": "meerspeicher", "eu-c": "quellwerk"}
PLACES = {"eu-a": REGIONS[0], "eu-b": REGIONS[1], "eu-c": REGIONS[2]}

Fault = Literal["killed", "stopped"]


class OnCeph(Domicile):
    """A Domicile whose backends are those of its topology."""

    def _make(self, spec: BackendSpec, settings: Settings) -> Backend:
        credentials = settings.backends[spec.name]
        return open_backend(spec, data_dir=settings.home, credentials=credentials, timeout=PATIENCE)


@dataclass
class Outage:
    """The gateways of backends fail. ``where``: whose."""

    ceph: Ceph
    how: Fault
    where: tuple[str, ...] = ("eu-a",)
    began: bool = False

    def begin(self) -> None:
        """Fail now."""
        self.began = True
        fail = self.ceph.kill if self.how == "killed" else self.ceph.stop
        for name in self.where:
            fail(PLACES[name])

    def at(self, backend: FaultyBackend, method: str, *, prefix: str = "", nth: int = 1) -> None:
        """Fail right before a call of the backend."""
        backend.inject(self._before, method, prefix=prefix, nth=nth, times=1)

    def end(self) -> None:
        """Run again."""
        if self.began:
            for name in self.where:
                self.ceph.bring_back(PLACES[name])

    def _before(self, call: Call) -> object:
        self.begin()
        return call.proceed()


ATTESTED = f"""
[backends.posture_attested]
on = 2026-01-01
document = "{"5e" * 32}"
checks = ["inventory"]

"""
"""Ceph does not know the question for inventories."""


@dataclass
class Buckets:
    """The bucket of each backend, and the topologies that name them."""

    ceph: Ceph
    folder: Path
    names: dict[str, str] = field(default_factory=dict)

    def settings(self, *names: str, retires: str | None = None) -> dict[str, object]:
        """Return the settings of a topology whose region has these backends."""
        directory = self.folder / "-".join((*names, retires or ""))
        shutil.copytree(SHIPPED, directory)
        file = directory / EU
        head, _, _ = file.read_text().partition("[[backends]]")
        file.write_text(head + "".join(map(self._entry, names)))
        if retires is not None:
            edit(file, f'name = "{retires}"', f'name = "{retires}"\nretires = true')
        return {"topology": directory, "backends": dict.fromkeys(names, self.ceph.credentials)}

    def _entry(self, name: str) -> str:
        place = PLACES[name]
        if name not in self.names:
            self.names[name] = self.ceph.make_bucket(place, locks=True)
        values = {
            "name": name,
            "kind": "s3",
            "sub_processor": COMPANIES[name],
            "bucket": self.names[name],
            "aws_region": place,
            "endpoint_url": self.ceph.endpoints[place],
        }
        lines = [f'{key} = "{value}"\n' for key, value in values.items()]
        return "[[backends]]\n" + "".join(lines) + ATTESTED


@contextmanager
def on_ceph(server: Server, ceph: Ceph, folder: Path) -> Iterator[tuple[OnCeph, Buckets]]:
    """Open a Domicile of one region, with ``eu-a`` and ``eu-b``."""
    buckets = Buckets(ceph, folder)
    lent = server.make()
    settings = lent.model_copy(
        update={"regions": {HOME: lent.regions[HOME]}, **buckets.settings("eu-a", "eu-b")}
    )
    made = OnCeph(settings, limits=Limits(attempt=PATIENCE, linger=0.01))
    try:
        made.open()
        yield made, buckets
    finally:
        made.close()
        server.reclaim(lent)


def settled(domicile: Domicile) -> None:
    """Work until no abandoned write can take effect any more. No byte is then without a row."""
    for _ in range(4):
        work(domicile, hours=1)
    assert orphans(home(domicile)) == []


def reopen(domicile: Domicile, settings: dict[str, object]) -> None:
    """Open the store again with other settings."""
    domicile.settings = domicile.settings.model_copy(update=settings)
    domicile.open()
