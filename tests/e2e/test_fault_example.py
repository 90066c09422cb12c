"""The example in docs/testing.md: a service that is tested with the fault kit."""

from dataclasses import dataclass

import pytest

from storage import BoundTenant, DataClass, OutcomeUnknown, Purpose, RecordId, Unavailable
from storage.testing import Domicile, lose_answer


@dataclass(frozen=True)
class Prompt:
    """A prompt of a customer, with the id that it is stored under."""

    id: RecordId
    text: bytes


class Service:
    """What somebody builds on Domicile: small, and careful about what it says."""

    def __init__(self, t: BoundTenant) -> None:
        self._t = t

    def new_prompt(self, text: bytes) -> Prompt:
        """A prompt that is about to be saved."""
        return Prompt(self._t.new_id(DataClass.PROMPT), text)

    def save(self, prompt: Prompt) -> str:
        """What the customer is told."""
        try:
            self._t.put(DataClass.PROMPT, prompt.text, id=prompt.id)
        except (Unavailable, OutcomeUnknown):
            return "try again"
        return "saved"

    def load(self, prompt: Prompt) -> bytes:
        """Its text."""
        return self._t.get(prompt.id, purpose=Purpose.SERVE).body


@pytest.fixture
def service(domicile: Domicile) -> Service:
    """The service under test."""
    return Service(domicile.tenant())


def test_our_service_asks_again(domicile: Domicile, service: Service) -> None:
    """No answer is no success; the same id again is."""
    for name in ("eu-a", "eu-b"):
        domicile.backends[name].inject(lose_answer, "put", prefix="pack/", times=1)
    prompt = service.new_prompt(b"hello")
    assert service.save(prompt) == "try again"
    assert service.save(prompt) == "saved"
    assert service.load(prompt) == b"hello"
