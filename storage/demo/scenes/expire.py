"""Scene 7: after thirty days all records expire; the file goes when its owner deletes it."""

from datetime import datetime, timedelta
from typing import Final

from storage.demo.environment import BEGIN
from storage.demo.stage import EU, US, Stage, short
from storage.errors import DomicileError
from storage.model import Erasure, Purpose, Reason, RecordId, Scope

_ROUNDS: Final = 4  # of the worker, five minutes apart


def expire(stage: Stage) -> None:
    """Let prompts and completions expire; delete the file."""
    stage.narrator.section(
        "Thirty days pass",
        stage.when(),
        "No record is readable after its retention, and its bytes are deleted by a deadline that "
        "was known when it was written.",
    )
    kept = stage.kept[EU] or stage.kept[US]
    name = EU if stage.kept[EU] else US
    if kept:
        _show_expiry(stage, name, kept[0].id)
    _delete_file(stage)
    with stage.narrator.step("Searching all backends, catalogs and files"):
        stage.proof.search(f"day {stage.world.day()}", set())
        stage.proof.search_disk()


def _show_expiry(stage: Stage, name: str, record_id: RecordId) -> None:
    world, tenant = stage.world, stage.tenant(name)
    term = tenant.explain(record_id)
    assert term.readable_until is not None
    assert term.deadline is not None
    written = tenant.get(record_id, purpose=Purpose.SERVE).info.written
    rows = [[short(written), "written"]]
    for moment in (term.readable_until - timedelta(minutes=1), term.readable_until):
        world.advance_to(moment)
        rows.append([short(moment), f"a read gives: {_read(stage, name, record_id)}"])
    gone = _wait_until_gone(stage, term.readable_until)
    if gone is not None:
        rows.append([short(gone), "a worker has deleted its last byte and its day key"])
    rows.append([short(term.deadline), "the deadline that put() returned"])
    stage.narrator.table(["simulated time", "a prompt with 30 days of retention"], rows, wide=1)
    if gone is None:
        stage.narrator.bad(f"{_left(stage, term.readable_until)} objects of that day are left")
    else:
        stage.narrator.check(
            gone <= term.deadline, "Deleted from every backend before its deadline"
        )


def _wait_until_gone(stage: Stage, day: datetime) -> datetime | None:
    """Run the worker every five minutes; return when nothing of the day is left."""
    for _ in range(_ROUNDS):
        stage.world.run_worker()
        if not _left(stage, day):
            return stage.world.clock.now()
        stage.world.advance(minutes=5)
    return None


def _left(stage: Stage, day: datetime) -> int:
    """Count the objects on all backends that expire on that day."""
    return sum(
        1
        for served in stage.world.homes.regions.values()
        for backend in served.region.backends.values()
        for kind in ("pack", "day_key")
        for _ in backend.scan(f"{kind}/{day.date()}/")
    )


def _delete_file(stage: Stage) -> None:
    """Read the file after 30 days, and delete it."""
    assert stage.file is not None
    world, tenant = stage.world, stage.tenant(EU)
    world.advance_to(BEGIN + timedelta(days=30))
    stage.narrator.check(
        _read_file(stage, stage.file) == "read",
        "The fine-tuning file has no deadline: it is still readable",
    )
    erasure = tenant.erase(Scope.record(stage.file), reason=Reason.CUSTOMER_REQUEST)
    stage.narrator.check(
        _read_file(stage, stage.file) == "Erased", "Its owner deletes it: a read raises Erased"
    )
    world.run_worker()
    world.advance(days=1, hours=1)
    world.run_worker()
    _show_receipt(stage, world.store.erasure(erasure.id))


def _show_receipt(stage: Stage, erasure: Erasure) -> None:
    if erasure.receipt is None:
        stage.narrator.bad(f"The erasure of the file is not complete: {erasure.state.value}")
    else:
        stage.narrator.good(
            "The file, its key and all replicas are seen absent; a second receipt is signed"
        )


def _read(stage: Stage, name: str, record_id: RecordId) -> str:
    try:
        body = stage.tenant(name).get(record_id, purpose=Purpose.SERVE).body
    except DomicileError as error:
        return error.code
    return f"{len(body)} bytes of plaintext"


def _read_file(stage: Stage, record_id: RecordId) -> str:
    try:
        with stage.tenant(EU).open(record_id, purpose=Purpose.SERVE) as file:
            file.read_range(0, 100)
    except DomicileError as error:
        return error.code
    return "read"
