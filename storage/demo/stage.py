"""What the scenes share: names, the tenants' conversations, and the records stored so far."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from storage.client.tenant import BoundTenant, Tenant
from storage.demo.conversations import Conversation
from storage.demo.environment import Environment
from storage.demo.narrator import Narrator
from storage.demo.proof import Proof
from storage.model import Actor, ActorKind, DataClass, NewRecord, RecordId

EU: Final = "atlas-eu"
US: Final = "atlas-us"
UNSIGNED: Final = "newcomer-eu"

ERASED: Final = "the erased user"
OTHERS: Final = "the other EU users"
AMERICANS: Final = "the US users"
FILE: Final = "the file"
PARTIES: Final = (ERASED, OTHERS, AMERICANS, FILE)
"""Whose traces the proof looks for, in the order in which they are deleted."""

FILE_NAME: Final = "thistle-support-tuning-v7.jsonl"
NEVER: Final = b"Stored nowhere: the content of a write that was refused."


@dataclass(frozen=True, slots=True)
class Kept:
    """A record that the demonstration has stored, and its user."""

    id: RecordId
    user: str = field(repr=False)


@dataclass
class Stage:
    """The environment, the narrator, and what has been stored so far."""

    world: Environment
    narrator: Narrator
    homes: dict[str, list[Conversation]]  # by tenant
    later: list[Conversation]  # of the EU tenant, stored while a backend is down
    proof: Proof
    short_names: int = 0  # too short to search for
    kept: dict[str, list[Kept]] = field(default_factory=dict)  # by tenant
    file: RecordId | None = None

    def tenant(self, name: str) -> BoundTenant:
        """Return the store of one tenant, bound to its own service."""
        location = "US" if name == US else "EU"
        service = Actor("chat", ActorKind.CUSTOMER, employer=name, location=location)
        return self.world.store.tenant(name).bind(service)

    def when(self) -> str:
        """Return the simulated time: ``day 2, 4 Mar 09:00``."""
        return f"day {self.world.day()}, {short(self.world.clock.now())}"


def short(moment: object) -> str:
    """Return ``4 Mar 09:00``."""
    return f"{moment:%d %b %H:%M}".lstrip("0")


def homes_of(conversations: list[Conversation]) -> dict[str, list[Conversation]]:
    """Return the conversations of each tenant: users alternate between the EU and the US."""
    users = list(dict.fromkeys(conversation.user for conversation in conversations))
    european = set(users[::2])
    homes: dict[str, list[Conversation]] = {EU: [], US: []}
    for conversation in conversations:
        homes[EU if conversation.user in european else US].append(conversation)
    return homes


def records_of(tenant: Tenant, conversation: Conversation) -> Iterator[NewRecord]:
    """Yield a conversation's records as a service stores them.

    Only the prompts name the user and the conversation. Completions inherit both from the prompts
    that they derive from.
    """
    model = {"model": conversation.model}
    for number, turn in enumerate(conversation.turns()):
        key = f"{conversation.id}/{number}"
        prompt = tenant.new_id(DataClass.PROMPT, key=key)
        yield NewRecord(
            DataClass.PROMPT, turn.prompt, prompt, conversation.user, conversation.id, model
        )
        if turn.completion is not None:
            answer = tenant.new_id(DataClass.COMPLETION, key=key)
            yield NewRecord(
                DataClass.COMPLETION,
                turn.completion,
                answer,
                metadata=model,
                derived_from=(prompt,),
            )
