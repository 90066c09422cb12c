"""Short calls for tests of copies at processors."""

from storage.evidence.receipts import Acknowledgement, verify
from storage.model import Copy, Erasure, ProcessorState
from storage.testing import Domicile, FakeProcessor
from tests.support.inspect.stored import HOME, home

MODERATION, BY_HAND = "klarblick", "handverlesen"  # lead times of 24 and 72 hours, 14 and 30 days
REVIEW = "vier-augen"


def processor(domicile: Domicile) -> FakeProcessor:
    """Return the processor whose connector is of kind http."""
    return domicile.processors[MODERATION]


def copies_left(domicile: Domicile) -> list[Copy]:
    """Return the copies that are not confirmed to be gone."""
    return list(domicile.store.admin.processors.copies(HOME))


def only_copy(domicile: Domicile) -> Copy:
    """Return the only copy that is not confirmed to be gone."""
    (copy,) = copies_left(domicile)
    return copy


def processor_state(domicile: Domicile, name: str = MODERATION) -> ProcessorState:
    """Return what ``status`` reports of a processor."""
    region = next(region for region in domicile.store.status().regions if region.region == HOME)
    return next(found for found in region.processors if found.processor == name)


def confirmations(domicile: Domicile, erasure: Erasure) -> tuple[Acknowledgement, ...]:
    """Return the confirmations of processors that are in the receipt."""
    token = domicile.store.erasure(erasure.id).receipt
    assert token is not None
    return verify(token, home(domicile).signing.public_key()).processors
