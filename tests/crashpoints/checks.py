"""What must hold after a process has died: at once, while others continue, and in the end.

Each check raises AssertionError with a sentence that says what is wrong.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select

from storage.catalog import tables as t
from storage.evidence.receipts import verify
from storage.model import CopyState, ErasureState
from storage.tlog.verification import CHECKPOINT, verify_log
from storage.transparency.files import published
from storage.transparency.reading import reader
from tests.crashpoints.facts import Fact, Request
from tests.crashpoints.ground import HOME
from tests.crashpoints.stage import Actor, Stage
from tests.support.inspect import invariants
from tests.support.inspect.stored import homes_of

STORED = "stored"
GONE = {"Erased", "NotFound"}

e, o, r = t.erasure.c, t.object_.c, t.replica.c


def at_any_moment(stage: Stage, actor: Actor) -> None:
    """Check: no byte without a row, erased unreadable, stored readable, no receipt too early."""
    invariants.no_byte_without_a_row(stage)
    no_copy_without_a_row(stage)
    learn_of_erasures(stage)
    learn_of_holds(stage)
    learn_samples(stage)
    _log_only_grows(stage, actor)
    _held_is_kept(stage, actor)
    for fact in stage.facts:
        _read(stage, actor, fact)
    for promise in stage.promises:
        promise()
    _receipts_are_true(stage, actor)


def no_copy_without_a_row(stage: Stage) -> None:
    """Require that the catalog knows every copy that a processor has."""
    known = _copies(stage)
    for processor in stage.processors.values():
        for copy in processor.copies:
            assert copy in known, f"{processor.name} has a copy that nobody knows of"


def learn_samples(stage: Stage) -> None:
    """Note some ciphertext of each record, from where the catalog says that it is."""
    for fact in stage.facts:
        if not fact.sample:
            _learn_sample(stage, fact)


def learn_of_erasures(stage: Stage) -> None:
    """Look up the erasures whose process died before the answer.

    An erasure in the ledger takes effect by itself. When no entry is pending, one that has not
    taken effect never will.
    """
    known = {number for request in stage.requests for number in request.ids or ()}
    open_ = [q for q in stage.requests if q.ids is None and not q.refused]
    if not open_:
        return
    with stage.looking(HOME) as connection:
        rows = connection.execute(select(e.id, e.scope, e.requested).order_by(e.requested)).all()
        coming = connection.scalar(select(exists().where(o.kind == "ledger", o.state == "writing")))
    for request in open_:
        kind = "tenant" if request.scope.kind == "account" else request.scope.kind
        found = {
            row.id: row.requested
            for row in rows
            if row.id not in known and row.scope == kind and row.requested >= request.asked
        }
        if found:
            stage.granted(request, found)
            known |= found.keys()
        else:
            request.refused = not coming and not request.scheduled


def learn_of_holds(stage: Stage) -> None:
    """Look up the holds whose process died before the answer. They may also appear later."""
    known = {holding.id for holding in stage.holdings}
    with stage.looking(HOME) as connection:
        placed = connection.scalars(select(t.hold.c.id).order_by(t.hold.c.number)).all()
    new = [number for number in placed if number not in known]
    for holding in [holding for holding in stage.holdings if holding.id is None]:
        if new:
            holding.id = new.pop(0)
            stage.in_force(holding)


def _log_only_grows(stage: Stage, actor: Actor) -> None:
    """Require that the log continues what anybody was shown of it, and show it again."""
    region = homes_of(actor.store).served(HOME).region
    shown = published(region)
    if shown is None:
        assert stage.checkpoint is None, "the log is gone"
        return
    read = reader(region)

    def file(path: str) -> bytes:
        return shown.note if path == CHECKPOINT else read(path)

    opened = verify_log(file, region.log_trust, old=stage.checkpoint, minimum=shown.minimum)
    stage.checkpoint = opened.checkpoint


def _held_is_kept(stage: Stage, actor: Actor) -> None:
    """Require that counsel can read what a hold must keep."""
    for holding in stage.holdings:
        for fact in holding.kept:
            assert actor.open_held(holding, fact) == fact.body, f"{fact} is not kept"


def at_rest(stage: Stage, actor: Actor) -> None:
    """Check the end: no work is pending, what had to go is gone, and there are receipts."""
    at_any_moment(stage, actor)
    now = stage.clock.now()
    invariants.at_rest(stage, HOME, now)
    invariants.no_plaintext(stage)
    for request in granted(stage):
        for number in request.ids or ():
            erasure = actor.store.erasure(number)
            assert erasure.state is ErasureState.COMPLETE, (
                f"an erasure still waits: {erasure.outstanding}"
            )
            invariants.certified(stage, HOME, erasure)
    for processor in stage.processors.values():
        waits = _copies(stage, processor.name) - processor.copies.keys()
        assert not waits, f"{processor.name} is still asked for what it has not"
    over = [f for f in stage.facts if _erased(stage, f) or _expired(f, now) or not f.told]
    _nothing_left(stage, over, "all is done")
    _everything_else_there(stage, [f for f in stage.facts if f not in over])


def may_be_put(stage: Stage, fact: Fact) -> bool:
    """Return whether a put of the record must succeed now."""
    gone = _erased(stage, fact) or _expired(fact, stage.clock.now())
    return not gone and all(parent.told for parent in fact.parents)


def granted(stage: Stage) -> list[Request]:
    """Return the erasures that are known to be in force."""
    return [request for request in stage.requests if request.ids is not None]


def _read(stage: Stage, actor: Actor, fact: Fact) -> None:
    answer = actor.read(fact)
    now = stage.clock.now()
    allowed = _allowed(stage, fact, now)
    code = STORED if isinstance(answer, bytes) else answer
    assert code in allowed, f"a read of {fact} gives {code}, and not one of {sorted(allowed)}"
    assert code != STORED or answer == fact.body, f"a read of {fact} gives other bytes"
    if fact.told is None:
        fact.told = code == STORED  # from now on the answer must not change


def _allowed(stage: Stage, fact: Fact, now: datetime) -> set[str]:
    if _erased(stage, fact):
        return GONE | ({"Expired"} if _expired(fact, now) else set())
    if _expired(fact, now):  # what a shortened retention ended is erased before its row goes
        return {"Expired", "NotFound"} | ({"Erased"} if fact.ended is not None else set())
    if fact.told is None:
        return {STORED, "NotFound"}
    return {STORED} if fact.told else {"NotFound"}


def _erased(stage: Stage, fact: Fact) -> bool:
    return any(request.covers(fact) for request in granted(stage))


def _expired(fact: Fact, now: datetime) -> bool:
    return fact.expires is not None and fact.expires <= now


def _learn_sample(stage: Stage, fact: Fact) -> None:
    for table in (t.record, t.file):
        with stage.looking(HOME) as connection:
            row = connection.execute(
                select(table.c.start, table.c.length, r.backend, r.key)
                .join(t.replica, r.object_id == table.c.object_id)
                .where(table.c.uid == fact.id.unique, r.state == STORED)
            ).first()
        if row is not None:
            data = stage.memory(row.backend).get(row.key, row.start, row.start + row.length)
            fact.sample = data[len(data) // 2 - 12 :][:24]


def _receipts_are_true(stage: Stage, actor: Actor) -> None:
    for request in granted(stage):
        for number in request.ids or ():
            erasure = actor.store.erasure(number)
            if erasure.receipt is None:
                continue
            served = homes_of(actor.store).served(HOME).region
            verify(erasure.receipt, served.signing.public_key())
            about = [fact for fact in stage.facts if request.covers(fact)]
            _nothing_left(stage, about, "there is a receipt")


def _nothing_left(stage: Stage, facts: Iterable[Fact], because: str) -> None:
    """Require that no byte of the records is left, wherever it was stored or written in vain."""
    about = list(facts)
    vain = {place for fact in about if not fact.told for place in fact.written}
    samples = [fact for fact in about if fact.sample]
    for backend, key, data in stage.contents(HOME):
        assert (backend, key) not in vain, f"{backend} has {key}, written in vain; {because}"
        for fact in samples:
            assert fact.sample not in data, f"{backend} has bytes of {fact} in {key}; {because}"
    copied = {data for processor in stage.processors.values() for data in processor.copies.values()}
    for fact in about:
        assert fact.body not in copied, f"a processor has a copy of {fact}; {because}"


def _copies(stage: Stage, processor: str | None = None) -> set[UUID]:
    """Return the copies that are not confirmed to be gone."""
    c = t.processor_copy.c
    query = select(c.id).where(c.state != CopyState.CONFIRMED)
    with stage.looking(HOME) as connection:
        found = connection.scalars(
            query if processor is None else query.where(c.processor == processor)
        )
        return set(found)


def _everything_else_there(stage: Stage, facts: Iterable[Fact]) -> None:
    for fact in facts:
        assert fact.sample, f"nobody knows where {fact} is"
        on = {backend for backend, _, data in stage.contents(HOME) if fact.sample in data}
        assert on == {"eu-a", "eu-b"}, f"{fact} is on {sorted(on)} alone"
