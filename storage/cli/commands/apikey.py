"""``apikey create``, ``list`` and ``revoke``: what customers call an HTTP service with."""

from typing import Annotated

from typer import Argument, Option

from storage.cli.opening import opened
from storage.cli.options import AsJson, Limit, TenantId, one_of
from storage.cli.output import format_minute, print_json, print_note, print_page, print_value
from storage.model import ApiKey, KeyScope

_KeyId = Annotated[str, Argument(metavar="KEY", help="The key's id.", show_default=False)]
_Scope = Annotated[
    KeyScope,
    Option(
        metavar="SCOPE",
        help=f"What it is good for. {one_of(KeyScope)} write stores and deletes, and reads too.",
    ),
]


def create(tenant: TenantId, *, scope: _Scope, as_json: AsJson = False) -> None:
    """Create an API key of a tenant, and print it once. The catalog keeps its SHA-256 alone."""
    with opened() as store:
        new = store.admin.api_keys.create(tenant, scope)
    if as_json:
        print_json({"api_key": new.key, "secret": new.secret})
        return
    print_value(new.secret)
    print_note(f"The id of the key is {new.key.id}. Keep the key: it is not shown again.")


def list_keys(
    tenant: TenantId,
    after: Annotated[
        str | None, Option(metavar="KEY", help="Start after this key, for the next page.")
    ] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List the API keys of a tenant, oldest first, also those that are revoked."""
    with opened() as store:
        found = store.admin.api_keys.list(tenant, after=after, limit=limit)
    following = found[-1].id if len(found) >= limit else None
    if as_json:
        print_json({"api_keys": found, "next": following})
        return
    print_page(
        ("key", "scope", "created (UTC)", "last used", "revoked"),
        [_row(key) for key in found],
        following,
    )


def revoke(key: _KeyId, as_json: AsJson = False) -> None:
    """Revoke an API key by its id: it is good for nothing from now on."""
    with opened() as store:
        found = store.admin.api_keys.revoke(key)
    if as_json:
        print_json({"api_key": found})
        return
    print_note(f"The key of tenant {found.tenant} is revoked.")


def _row(key: ApiKey) -> tuple[str, ...]:
    moments = key.created, key.last_used, key.revoked
    return str(key.id), key.scope.value, *map(format_minute, moments)
