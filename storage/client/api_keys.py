"""``store.admin.api_keys``: with an API key, a customer calls an HTTP service as its tenant."""

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import api_keys, tenants
from storage.catalog.engine import share_tenants
from storage.client.homes import Homes
from storage.client.regions import ServedRegion
from storage.client.validate import as_uuid, check_limit, check_tenant_id
from storage.errors import ApiKeyInvalid, InvalidRequest, NotFound, WrongRegion
from storage.model import ApiKey, KeyScope, NewApiKey

_BYTES: Final = 32
_FORM: Final = re.compile(r"dmc_(?P<region>[a-z0-9-]{1,63})_[A-Za-z0-9_-]{43}")


class ApiKeys:
    """API keys in the regions that this process serves. Thread-safe.

    A key is ``dmc_<region>_<43 characters>``: 256 random bits, and the region of its tenant's
    catalog. That is a hint where to look, never authority. The catalog has its SHA-256 alone.
    """

    def __init__(self, homes: Homes) -> None:
        """Use ``Store.admin.api_keys`` instead."""
        self._homes = homes

    def create(self, tenant: str, scope: KeyScope) -> NewApiKey:
        """Create a key, and return it this once.

        Raises UnknownTenant or WrongRegion.
        """
        check_tenant_id(tenant)
        if not isinstance(scope, KeyScope):
            raise InvalidRequest(
                "Unknown scope of an API key.", advice=f"Choose one of: {', '.join(KeyScope)}."
            )
        served, _ = self._homes.find(tenant)
        region = served.region
        secret = f"dmc_{region.name}_{_text(region.entropy(_BYTES))}"
        now = region.clock.now()
        new = ApiKey(region.new_uuid(now), tenant, scope, now)

        def work(connection: Connection) -> None:
            share_tenants(connection, [tenant])
            tenants.check_known(connection, tenant)
            api_keys.add(connection, new, _digest(secret))

        region.catalog.run(work)
        return NewApiKey(new, secret)

    def list(
        self, tenant: str, *, after: UUID | str | None = None, limit: int = 100
    ) -> Sequence[ApiKey]:
        """Return the keys of a tenant, oldest first, also those that are revoked.

        At most ``limit`` (1 to 1000). To page, pass the last id as ``after``. Raises UnknownTenant
        or WrongRegion.
        """
        check_tenant_id(tenant)
        check_limit(limit)
        last = None if after is None else as_uuid(after, "an API key")
        served, _ = self._homes.find(tenant)
        with served.region.catalog.begin() as connection:
            return api_keys.page(connection, tenant, last, limit)

    def revoke(self, key: UUID | str) -> ApiKey:
        """Revoke a key by its id: from the return on it is good for nothing.

        Revoking it again changes nothing. Raises NotFound if there is none.
        """
        wanted = as_uuid(key, "an API key")

        def ask(served: ServedRegion, connection: Connection) -> ServedRegion | None:
            return served if api_keys.find(connection, wanted) else None

        served = self._homes.first(ask)
        found = None if served is None else _revoked(served, wanted)
        if found is None:
            raise NotFound(
                "No such API key in the regions of this process.",
                advice="Check the id. See: domicile apikey list",
            )
        return found

    def identify(self, secret: str) -> ApiKey:
        """Return whose key that is, and note that it is used.

        Raises ApiKeyInvalid, and WrongRegion if this process does not serve the region of the key.
        """
        given: object = secret
        named = _FORM.fullmatch(given) if isinstance(given, str) else None
        if named is None:
            raise ApiKeyInvalid
        region = named["region"]
        if region not in self._homes.names:
            raise self._elsewhere(region)
        served = self._homes.served(region)
        now = served.region.clock.now()
        with served.region.catalog.begin() as connection:
            found = api_keys.use(connection, _digest(secret), now)
        if found is None:
            raise ApiKeyInvalid
        return found

    def _elsewhere(self, name: str) -> ApiKeyInvalid | WrongRegion:
        """Return the error for the key of a region that this process does not serve."""
        for served in self._homes.regions.values():
            region = served.region.topology.regions.get(name)
            if region is not None:
                home = region.place or name
                return WrongRegion(
                    f"The tenant of the API key is at home in {home}, which this process does not "
                    "serve.",
                    home=home,
                    advice=f"Use a process that serves {home}.",
                )
        return ApiKeyInvalid()


def _revoked(served: ServedRegion, key: UUID) -> ApiKey | None:
    region = served.region

    def work(connection: Connection) -> ApiKey | None:
        api_keys.revoke(connection, key, region.clock.now())
        return api_keys.find(connection, key)

    return region.catalog.run(work)


def _text(random: bytes) -> str:
    return base64.urlsafe_b64encode(random).rstrip(b"=").decode()


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
