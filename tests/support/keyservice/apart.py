"""A Domicile whose root keys are in a key service."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from storage.catalog import objects
from storage.catalog.engine import Catalog
from storage.crypto.approvers import load_approvers
from storage.crypto.root import OF_KEY_SERVICE, LocalRootKeys, split
from storage.keyservice.address import Address
from storage.keyservice.local import LocalKeyService
from storage.keyservice.register import CatalogRegister
from storage.model import ReplicaState
from storage.ports import RootKeys
from storage.settings import topology_of
from storage.testing import Domicile
from tests.support.inspect.stored import home
from tests.support.keyservice.serving import serving, short_folder
from tests.support.people import key_of, make_logins, url_for

HOME = "eu-central-1"
LOGIN = "keys_of_eu"


@dataclass
class Apart:
    """A Domicile, and what its key service has."""

    domicile: Domicile
    root_file: Path
    path: Path
    log: io.StringIO = field(default_factory=io.StringIO)

    @property
    def approvers(self) -> dict[str, Ed25519PublicKey]:
        """The pinned keys: of bob, and of whoever approves the grants of ``Domicile.grant``."""
        file = self.domicile.settings.regions[HOME].approvers_file
        assert file is not None
        return {"bob": key_of("bob").public_key(), **load_approvers(file)}

    @property
    def url(self) -> str:
        """The URL of the catalog for the key service."""
        own = self.domicile.settings.regions[HOME]
        make_logins(self.domicile.settings, LOGIN, role="domicile_keys")
        return url_for(own.catalog_url.get_secret_value(), LOGIN)

    def root_keys(self) -> LocalRootKeys:
        """The root keys of the file of the key service."""
        return LocalRootKeys.load(self.root_file, os.urandom, region=HOME, needs=OF_KEY_SERVICE)

    @contextmanager
    def serving(
        self,
        pinned: dict[str, Ed25519PublicKey] | None = None,
        *,
        roots: RootKeys | None = None,
    ) -> Iterator[None]:
        """Let the key service answer, in a thread. ``pinned``: other approvers.

        ``roots``: what wraps new keys, instead of its file.
        """
        catalog = Catalog(HOME, self.url, connections=2)
        keys = LocalKeyService(
            roots or self.root_keys(),
            CatalogRegister(catalog, own_login=True),
            self.approvers if pinned is None else pinned,
            region=HOME,
            topology=topology_of(self.domicile.settings),
            clock=self.domicile.clock,
            entropy=os.urandom,
            uptime=lambda: timedelta(days=1),
        )
        with serving(keys, Address(path=self.path), log=self.log):
            yield
        catalog.close()

    def sealed_key(self, key_id: UUID) -> bytes:
        """Return a key object as its backend has it."""
        region = home(self.domicile)
        with region.catalog.begin() as connection:
            found = objects.replicas_of(connection, [key_id], [ReplicaState.STORED])[key_id]
        return region.backends[found[0].backend].get(found[0].key)


@contextmanager
def apart(domicile: Domicile) -> Iterator[Apart]:
    """Move the root keys of a Domicile to a key service, which does not answer yet."""
    original = domicile.settings
    own = original.regions[HOME]
    with short_folder() as folder:
        made = Apart(domicile, folder / "root.json", folder / "keys.sock")
        split(own.keys_file, made.root_file, region=HOME)
        other = own.model_copy(update={"key_service": f"unix:{made.path}"})
        domicile.settings = original.model_copy(update={"regions": {HOME: other}})
        try:
            yield made
        finally:
            domicile.stack.close()
            domicile.settings = original
