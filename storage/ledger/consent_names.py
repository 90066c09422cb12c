"""The subject of a statement about consent: sealed, and matched under every pseudonym key."""

from uuid import UUID

from sqlalchemy import Connection

from storage.catalog import consents
from storage.crypto.envelope import open_name, seal_name
from storage.crypto.pseudonym import Pseudonyms
from storage.events import NewConsent
from storage.model import Entropy
from storage.ports import RootKeys
from storage.region import OpenRegion


def seal_subject(roots: RootKeys, entropy: Entropy, subject: str, consent: UUID) -> bytes:
    """Return the sealed name of a statement's subject."""
    return seal_name(roots, entropy, subject, _context(consent))


def add_pseudonyms(connection: Connection, roots: RootKeys, pseudonyms: Pseudonyms) -> None:
    """Add the pseudonyms of subjects under these keys to what they said.

    Call it in the transaction that registers a new key, before anything is stored under the key.
    """
    consents.own(connection)
    for one in consents.named(connection):
        name = open_name(roots, one.sealed_name, _context(one.id))
        consents.set_match_values(connection, one.id, pseudonyms.all(one.tenant, "subject", name))


def renamed(region: OpenRegion, event: NewConsent) -> NewConsent:
    """Return a statement of the ledger with the pseudonyms of its subject under today's keys.

    There may be a new key since it was written.
    """
    if event.sealed_name is None:
        return event
    name = open_name(region.roots, event.sealed_name, _context(event.id))
    found = region.pseudonyms.all(event.tenant, "subject", name)
    return event.model_copy(update={"match_values": tuple(found)})


def _context(consent: UUID) -> bytes:
    return b"domicile consent " + consent.bytes
