"""Scene 7: thirty days go by, and what has a term is gone; what has none, when its owner says."""

from datetime import datetime, timedelta
from typing import Final

from storage.demo.environment import BEGIN
from storage.demo.stage import EU, US, Stage, short
from storage.errors import DomicileError
from storage.model import Erasure, Purpose, Reason, RecordId, Scope

_LOOKS: Final = 4  # of the worker, some minutes apart


def expire(stage: Stage) -> None:
    """Prompts and completions expire; the file stays until it is deleted."""
    stage.tell.section(
        "Thirty days go by",
        stage.when(),
        "Nothing is readable after its time, and its bytes are gone by a bound known beforehand.",
    )
    kept = stage.kept[EU] or stage.kept[US]
    name = EU if stage.kept[EU] else US
    if kept:
        _tell_term(stage, name, kept[0].id)
    _delete_file(stage)
    with stage.tell.step("Searching everything"):
        stage.proof.search(f"day {stage.world.day()}", set())
        stage.proof.search_disk()


def _tell_term(stage: Stage, name: str, record_id: RecordId) -> None:
    world, tenant = stage.world, stage.tenant(name)
    term = tenant.explain(record_id)
    assert term.readable_until is not None
    assert term.deadline is not None
    written = tenant.get(record_id, purpose=Purpose.SERVE).info.written
    rows = [[short(written), "written"]]
    for moment in (term.readable_until - timedelta(minutes=1), term.readable_until):
        world.pass_until(moment)
        rows.append([short(moment), f"a read says: {_read(stage, name, record_id)}"])
    gone = _wait_until_gone(stage, term.readable_until)
    if gone is not None:
        rows.append([short(gone), "the worker has seen the last byte and the last day key absent"])
    rows.append([short(term.deadline), "gone by: the deadline that put() had answered"])
    stage.tell.table(["simulated time", "a prompt of 30 days' retention"], rows, wide=1)
    if gone is None:
        stage.tell.bad(f"{_left(stage, term.readable_until)} objects of that day are still there")
    else:
        stage.tell.check(gone <= term.deadline, "Gone before its deadline, from every backend")


def _wait_until_gone(stage: Stage, day: datetime) -> datetime | None:
    """Let the worker look in every few minutes; when nothing of the day is left."""
    for _ in range(_LOOKS):
        stage.world.work()
        if not _left(stage, day):
            return stage.world.clock.now()
        stage.world.pass_time(minutes=5)
    return None


def _left(stage: Stage, day: datetime) -> int:
    """How many objects that expire on that day there are on all backends."""
    return sum(
        1
        for served in stage.world.store.regions.values()
        for backend in served.open.backends.values()
        for kind in ("pack", "day_key")
        for _ in backend.scan(f"{kind}/{day.date()}/")
    )


def _delete_file(stage: Stage) -> None:
    """The file has no term: it is there after 30 days, and goes when its owner deletes it."""
    assert stage.file is not None
    world, tenant = stage.world, stage.tenant(EU)
    world.pass_until(BEGIN + timedelta(days=30))
    stage.tell.check(
        _read_file(stage, stage.file) == "read",
        "The fine-tuning file has no term: it is still read",
    )
    erasure = tenant.erase(Scope.record(stage.file), reason=Reason.CUSTOMER_REQUEST)
    stage.tell.check(_read_file(stage, stage.file) == "Erased", "Its owner deletes it: Erased")
    world.work()
    world.pass_time(hours=world.topology.bounds.write_window_hours + 1)
    world.work()
    _tell_done(stage, world.store.erasure(erasure.id))


def _tell_done(stage: Stage, erasure: Erasure) -> None:
    if erasure.receipt is None:
        stage.tell.bad(f"Its erasure is not complete: {erasure.state.value}")
    else:
        stage.tell.good("File, file key and all copies seen absent; a second receipt signed")


def _read(stage: Stage, name: str, record_id: RecordId) -> str:
    try:
        body = stage.tenant(name).get(record_id, purpose=Purpose.SERVE).body
    except DomicileError as error:
        return error.code
    return f"{len(body)} bytes of plaintext"


def _read_file(stage: Stage, record_id: RecordId) -> str:
    try:
        with stage.tenant(EU).open(record_id, purpose=Purpose.FINE_TUNE) as file:
            file.read_range(0, 100)
    except DomicileError as error:
        return error.code
    return "read"
