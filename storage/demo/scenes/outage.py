"""Scene 5: writes continue while a backend is down; a worker then replicates."""

from time import perf_counter
from typing import Final

from storage.client.tenant import Tenant
from storage.demo.conversations import Conversation
from storage.demo.stage import EU, Kept, Stage
from storage.errors import DomicileError
from storage.model import DataClass, Purpose

_DOWN: Final = "eu-a"
_OTHER: Final = "eu-b"


def survive_an_outage(stage: Stage) -> None:
    """Unplug a backend, write, plug it in again, and let the worker replicate."""
    stage.narrator.section(
        "Writes continue while a backend is down",
        stage.when(),
        "One lawful backend is enough. The catalog knows the missing replicas, and a worker makes "
        "them later.",
    )
    before = len(stage.kept[EU])
    stage.world.take_down(_DOWN)
    began = perf_counter()
    for conversation in stage.later:
        stage.kept[EU] += _live(stage.tenant(EU), conversation)
    took = perf_counter() - began
    written = len(stage.kept[EU]) - before
    stage.narrator.good(
        f"{_DOWN} unplugged: {written} records written, completions streamed in chunks",
        took,
    )
    stage.narrator.text(f"{_missing(stage)} objects lack their replica on {_DOWN}.")
    stage.world.bring_back(_DOWN)
    stage.world.advance(hours=1)
    began = perf_counter()
    stage.world.run_worker()
    took = perf_counter() - began
    left = _missing(stage)
    if left:
        stage.narrator.bad(f"{left} objects still lack their replica on {_DOWN}")
    else:
        stage.narrator.good(f"{_DOWN} is back: a worker has made every missing replica", took)
    _read_from_new_replica(stage, stage.kept[EU][-1])


def _live(tenant: Tenant, conversation: Conversation) -> list[Kept]:
    """Store a live conversation: each completion is captured chunk by chunk."""
    kept: list[Kept] = []
    for turn in conversation.turns():
        prompt = tenant.put(
            DataClass.PROMPT,
            turn.prompt,
            subject=conversation.user,
            group=conversation.id,
            metadata={"model": conversation.model},
        ).id
        kept.append(Kept(prompt, conversation.user))
        if turn.completion is None:
            continue
        answer = tenant.new_id(DataClass.COMPLETION)
        with tenant.capture(DataClass.COMPLETION, id=answer, derived_from=[prompt]) as sink:
            for start in range(0, len(turn.completion), 16):
                sink.write(turn.completion[start : start + 16])
        kept.append(Kept(answer, conversation.user))
    return kept


def _missing(stage: Stage) -> int:
    return sum(
        backend.missing
        for region in stage.world.store.status().regions
        for backend in region.backends
        if backend.backend == _DOWN
    )


def _read_from_new_replica(stage: Stage, kept: Kept) -> None:
    """Show that the new replicas are complete: read without the other backend."""
    stage.world.take_down(_OTHER)
    try:
        stage.tenant(EU).get(kept.id, purpose=Purpose.SERVE)
        stage.narrator.good(f"{_OTHER} unplugged: the newest record is read from {_DOWN} alone")
    except DomicileError as error:
        stage.narrator.bad(f"{_OTHER} unplugged: the newest record cannot be read: {error.code}")
    finally:
        stage.world.bring_back(_OTHER)
