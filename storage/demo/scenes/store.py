"""Scene 1: store all records where their tenants' terms allow."""

from collections import Counter
from collections.abc import Iterator
from time import perf_counter
from typing import Final

from storage.catalog import contents
from storage.client.homes import Homes
from storage.client.tenant import Tenant
from storage.demo.conversations import Conversation
from storage.demo.stage import EU, US, Kept, Stage, records_of
from storage.model import PutFailure, Verdict

_WORDS: Final = {
    "allowed": "lawful: home, agreement in force",
    "spare": "lawful, but enough other backends come first",
    "other_region": "lawful, but not the tenant's home region",
    "outside_residency": "unlawful: {jurisdiction} is outside its residency",
    "sub_processor_not_yet": "unlawful: the agreement has not begun",
    "sub_processor_ended": "unlawful: the agreement has ended",
}


def store_conversations(stage: Stage) -> None:
    """Store all conversations, and show where they are and why."""
    stage.narrator.section(
        "Records are stored where their tenant's terms allow",
        stage.when(),
        "Before a byte is sent, a pure function decides the placement. It gives a reason for each "
        "backend.",
    )
    began = perf_counter()
    with stage.narrator.step("Storing the conversations"):
        for name, conversations in stage.homes.items():
            stage.kept[name] = list(_store(stage.tenant(name), conversations))
    records = sum(map(len, stage.kept.values()))
    seconds = perf_counter() - began
    stage.narrator.good(
        f"{records:,} prompts and completions encrypted and stored, each on two backends "
        f"({records / seconds:,.0f} per second)",
        seconds,
    )
    _show_counts(stage)
    _show_reasons(stage)


def count_by_backend(homes: Homes) -> Counter[tuple[str, str, str]]:
    """Return how many records of each tenant and class each backend stores."""
    found: Counter[tuple[str, str, str]] = Counter()
    for served in homes.regions.values():
        with served.region.catalog.begin() as connection:
            for tenant, data_class, backend, count in contents.replicas_by_class(connection):
                found[tenant, data_class, backend] += count
    return found


def _store(tenant: Tenant, conversations: list[Conversation]) -> Iterator[Kept]:
    users = [c.user for c in conversations for _ in _records_in(c)]
    records = (record for c in conversations for record in records_of(tenant, c))
    for user, result in zip(users, tenant.put_many(records), strict=True):
        if isinstance(result, PutFailure):
            raise result.error
        yield Kept(result.id, user)


def _records_in(conversation: Conversation) -> Iterator[bytes]:
    for turn in conversation.turns():
        yield turn.prompt
        if turn.completion is not None:
            yield turn.completion


def _show_counts(stage: Stage) -> None:
    found = count_by_backend(stage.world.homes)
    backends = list(stage.world.objects())
    kinds = sorted({(tenant, data_class) for tenant, data_class, _ in found})
    stage.narrator.table(
        ["tenant", "class", *backends],
        [[*kind, *(str(found[*kind, backend]) for backend in backends)] for kind in kinds],
        right=range(2, 2 + len(backends)),
    )


def _show_reasons(stage: Stage) -> None:
    """Show what ``explain`` returns for one record of each tenant."""
    rows, gaps = [], []
    for name in (EU, US):
        for kept in stage.kept[name][:1]:
            verdicts = stage.tenant(name).explain(kept.id).verdicts
            rows += [[name, v.backend, v.reason, _in_words(stage, v)] for v in verdicts]
            gaps.append(len(rows) - 1)
    stage.narrator.table(["record of", "on", "reason code", "meaning"], rows, wide=3, gaps=gaps)


def _in_words(stage: Stage, verdict: Verdict) -> str:
    words = _WORDS.get(verdict.reason, "refused before any backend was considered")
    return words.format(jurisdiction=stage.world.topology.regions[verdict.region].jurisdiction)
