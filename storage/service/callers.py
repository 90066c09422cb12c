"""Who calls: the tenant of the API key, and what the key is good for."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import Request
from fastapi.security import HTTPBearer

from storage import Actor, ActorKind, ApiKey, AsyncBoundTenant, AsyncStore, KeyScope
from storage.service.answers import ApiError

described = HTTPBearer(auto_error=False, description="An API key: domicile apikey create")


@dataclass(frozen=True, slots=True)
class Caller:
    """A customer that has shown an API key, and its tenant."""

    key: ApiKey
    tenant: AsyncBoundTenant


def caller_with(scope: KeyScope) -> Callable[[Request], Awaitable[Caller]]:
    """Return the dependency of a route that needs a key of that scope.

    Raises ApiKeyInvalid, WrongRegion, or ApiError.
    """

    async def caller(request: Request) -> Caller:
        store: AsyncStore = request.app.state.store
        key = await store.admin.api_keys.identify(_bearer(request))
        if scope is KeyScope.WRITE and key.scope is not KeyScope.WRITE:
            raise ApiError(403, "insufficient_scope", "The API key is for reading alone.")
        spec = await store.admin.tenants.get(key.tenant)
        # Nothing depends on where a customer is: for people alone reading elsewhere is a transfer.
        actor = Actor(str(key.id), ActorKind.CUSTOMER, spec.account, spec.residency)
        tenant = await store.tenant(key.tenant)
        return Caller(key, tenant.bind(actor))

    return caller


def _bearer(request: Request) -> str:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise ApiError(401, "missing_api_key", "Send an API key: Authorization: Bearer <key>.")
    return secret.strip()
