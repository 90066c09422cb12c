"""The subject of a statement about consent: sealed, and matched under every pseudonym key."""

from uuid import UUID

from storage.crypto.envelope import open_name, seal_name
from storage.events import NewConsent
from storage.model import Entropy
from storage.ports import RootKeys
from storage.region import OpenRegion


def seal_subject(roots: RootKeys, entropy: Entropy, subject: str, consent: UUID) -> bytes:
    """Return the sealed name of a statement's subject."""
    return seal_name(roots, entropy, subject, name_context(consent))


def renamed(region: OpenRegion, event: NewConsent) -> NewConsent:
    """Return a statement of the ledger with the pseudonyms of its subject under today's keys.

    There may be a new key since it was written.
    """
    if event.sealed_name is None:
        return event
    name = open_name(region.roots, event.sealed_name, name_context(event.id))
    found = region.pseudonyms.all(event.tenant, "subject", name)
    return event.model_copy(update={"match_values": tuple(found)})


def name_context(consent: UUID) -> bytes:
    """Return what the sealed name of a statement is bound to."""
    return b"domicile consent " + consent.bytes
