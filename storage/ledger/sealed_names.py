"""The sealed names of the catalog, opened when a new pseudonym key is registered.

Any login that may place a hold or record consent can have written bytes there that are no name.
Those must not keep a region from a new key. But no name may be passed over because its root key is
missing: what is stored under the new key would be covered by no hold, and known by no refusal.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import consents, holds
from storage.crypto.envelope import open_name, root_version
from storage.crypto.pseudonym import Kind, Pseudonyms
from storage.errors import Corrupt, KeyUnavailable
from storage.ledger import consent_names
from storage.ledger.holds import name_context
from storage.model import ScopeKind
from storage.ports import RootKeys

_BY_KMS = 0  # several KMS keys may have wrapped with that version
_WAYS_OUT = {
    "hold": "let two people release the hold.",
    "consent": "delete the row from the table consent, as the owner of the catalog.",
}


@dataclass(frozen=True, slots=True)
class Sealed:
    """A hold or a statement about consent, with the sealed name of its subject or group."""

    what: Literal["hold", "consent"]
    id: UUID
    tenant: str
    kind: Kind
    name: bytes = field(repr=False)
    context: bytes

    def __str__(self) -> str:
        return f"{self.what} {self.id}"


def add_pseudonyms(
    connection: Connection, roots: RootKeys, pseudonyms: Pseudonyms
) -> tuple[Sealed, ...]:
    """Add the pseudonyms of names under these keys to the holds and statements about them.

    Call it in the transaction that registers a new key, before anything is stored under the key.
    Return those whose sealed name is none: they match what they matched before. Raises
    KeyUnavailable if the root key of a name may be missing.
    """
    holds.own(connection)
    consents.own(connection)
    names: dict[Sealed, str] = {}
    failed: dict[Sealed, Corrupt | KeyUnavailable] = {}
    for one in _all(connection):
        try:
            names[one] = open_name(roots, one.name, one.context)
        except (Corrupt, KeyUnavailable) as error:
            failed[one] = error
    _check_no_key_is_missing(names, failed)
    for one, name in names.items():
        change = holds if one.what == "hold" else consents
        change.set_match_values(connection, one.id, pseudonyms.all(one.tenant, one.kind, name))
    return tuple(failed)


def _all(connection: Connection) -> Iterator[Sealed]:
    for hold in holds.named(connection):
        kind: Kind = "subject" if hold.scope is ScopeKind.SUBJECT else "group"
        context = name_context(hold.id)
        yield Sealed("hold", hold.id, hold.tenant, kind, hold.sealed_name, context)
    for said in consents.named(connection):
        context = consent_names.name_context(said.id)
        yield Sealed("consent", said.id, said.tenant, "subject", said.sealed_name, context)


def _check_no_key_is_missing(
    opened: Mapping[Sealed, str], failed: Mapping[Sealed, Corrupt | KeyUnavailable]
) -> None:
    """Raise KeyUnavailable unless what failed is no name: no root key would open it.

    A root key that opened another name is the right one of its version.
    """
    right = {root_version(one.name) for one in opened} - {_BY_KMS}
    for one, error in failed.items():
        if isinstance(error, Corrupt) or root_version(one.name) in right:
            continue
        missing = KeyUnavailable(
            f"The sealed name of {one} cannot be opened: {error.message}",
            advice="Restore the root keys of the region. If none is missing, it is no name: "
            + _WAYS_OUT[one.what],
        )
        missing.retryable = False
        raise missing from error
