"""What the scenes share."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from storage.client.tenant import Tenant
from storage.demo.conversations import Conversation
from storage.demo.environment import World
from storage.demo.narrator import Narrator
from storage.demo.proof import Proof
from storage.model import DataClass, NewRecord, RecordId

EU: Final = "atlas-eu"
US: Final = "atlas-us"
UNSIGNED: Final = "newcomer-eu"

ERASED: Final = "the erased user"
OTHERS: Final = "the other EU users"
AMERICANS: Final = "the US users"
FILE: Final = "the file"
PARTIES: Final = (ERASED, OTHERS, AMERICANS, FILE)
"""Whose traces the proof looks for, in the order in which they go."""

FILE_NAME: Final = "thistle-support-tuning-v7.jsonl"
NEVER: Final = b"Kept nowhere: the words of a write that was refused."


@dataclass(frozen=True, slots=True)
class Kept:
    """A record that the demonstration has stored."""

    id: RecordId
    user: str = field(repr=False)


@dataclass
class Stage:
    """The world, who tells of it, and what has been stored in it so far."""

    world: World
    tell: Narrator
    homes: dict[str, list[Conversation]]  # by tenant
    later: list[Conversation]  # of the EU tenant, kept back for when a backend is down
    proof: Proof
    short_names: int = 0  # that cannot be looked for
    kept: dict[str, list[Kept]] = field(default_factory=dict)  # by tenant
    file: RecordId | None = None

    def tenant(self, name: str) -> Tenant:
        """A tenant's own store."""
        return self.world.store.tenant(name)

    def when(self) -> str:
        """The simulated time: ``day 2, 4 Mar 09:00``."""
        return f"day {self.world.day()}, {short(self.world.clock.now())}"


def short(moment: object) -> str:
    """``4 Mar 09:00``."""
    return f"{moment:%d %b %H:%M}".lstrip("0")


def homes_of(conversations: list[Conversation]) -> dict[str, list[Conversation]]:
    """Which tenant has which conversations: users go to the EU and to the US by turns."""
    users = list(dict.fromkeys(conversation.user for conversation in conversations))
    european = set(users[::2])
    homes: dict[str, list[Conversation]] = {EU: [], US: []}
    for conversation in conversations:
        homes[EU if conversation.user in european else US].append(conversation)
    return homes


def records_of(tenant: Tenant, conversation: Conversation) -> Iterator[NewRecord]:
    """A conversation as a service stores it.

    Only the prompts name the user and the conversation: completions inherit both, because they
    derive from prompts.
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
