"""Scene 6: erase a user, with all derived records, and verify the receipt."""

from collections import Counter
from datetime import timedelta
from time import perf_counter
from typing import Final

from sqlalchemy import Table

from regions.model import WRITE_WINDOW
from storage.catalog import fences
from storage.catalog import tables as t
from storage.demo.narrator import format_seconds
from storage.demo.stage import (
    AMERICANS,
    ERASED,
    EU,
    FILE,
    OTHERS,
    PARTIES,
    US,
    Kept,
    Stage,
    short,
)
from storage.demo.traces import collect
from storage.errors import DomicileError, ReceiptInvalid
from storage.evidence.keys import export_pem, import_public_keys
from storage.evidence.receipts import Receipt, verify
from storage.model import DataClass, Erasure, Purpose, Reason, RecordId, Scope
from storage.text import plural

_REGION: Final = "eu-central-1"
_READS: Final = 100


def erase(stage: Stage) -> None:
    """Erase the EU user with the most records, follow the deletion, and verify the receipt."""
    stage.world.advance(days=2)
    stage.world.run_worker()
    stage.narrator.section(
        "A user is erased",
        stage.when(),
        "Reads are refused at once. Then every replica is deleted, and last comes a receipt.",
    )
    user = Counter(kept.user for kept in stage.kept[EU]).most_common(1)[0][0]
    mine = [kept for kept in stage.kept[EU] if kept.user == user]
    _search_before(stage, user)
    erasure = _fence(stage, user, mine)
    stage.kept[EU] = [kept for kept in stage.kept[EU] if kept.user != user]
    rows = _follow(stage, erasure)
    stage.narrator.table(["simulated time", "event"], rows, wide=1)
    _show_receipt(stage, stage.world.store.erasure(erasure.id))
    _read_others(stage)
    stage.world.advance(hours=1)
    with stage.narrator.step("Searching all backends and catalogs"):
        stage.proof.search(f"day {stage.world.day()}", {OTHERS, AMERICANS, FILE})


def _search_before(stage: Stage, user: str) -> None:
    """Collect the traces of all parties, and find them all."""
    names = stage.world.homes.served(_REGION).region.pseudonyms.all(EU, "subject", user)

    def whose(table: Table, tenant: str, subject: bytes | None) -> str:
        if table is t.file:
            return FILE
        if tenant == US:
            return AMERICANS
        return ERASED if subject in names else OTHERS

    with stage.narrator.step("Collecting the traces of every record"):
        stage.world.analyze()
        stage.proof.expect(collect(stage.world.homes, PARTIES, whose))
        stage.proof.search(f"day {stage.world.day()}", set(PARTIES))


def _fence(stage: Stage, user: str, mine: list[Kept]) -> Erasure:
    tenant = stage.tenant(EU)
    listed = Counter(info.data_class for info in tenant.list(subject=user, limit=1000))
    counts = " and ".join(
        plural(count, kind.value) for kind, count in sorted(listed.items(), reverse=True)
    )
    stage.narrator.text(
        f"{user} has {counts}. The completions never named the user: they derive from prompts."
    )
    stale = tenant.new_id(DataClass.PROMPT)
    began = perf_counter()
    erasure = tenant.erase(Scope.subject(user), reason=Reason.SUBJECT_REQUEST, ticket="T-1")
    stage.narrator.good("erase() returned", perf_counter() - began)
    answers = Counter(_outcome(stage, kept.id) for kept in mine[:_READS])
    stage.narrator.check(
        set(answers) == {"Erased"},
        f"{answers.total()} of {len(mine)} records read at once: each read raises Erased",
        f"Results of reads: {dict(answers)}",
    )
    try:
        tenant.put(DataClass.PROMPT, b"late", id=stale, subject=user)
        stage.narrator.bad("A write from before the erasure was accepted after it")
    except DomicileError as error:
        stage.narrator.check(
            error.code == "Erased", "A write with an id from before the erasure is refused: Erased"
        )
    return erasure


def _follow(stage: Stage, erasure: Erasure) -> list[list[str]]:
    """Run a worker at once, when the fence ends, and when packs may be compacted."""
    world, bounds = stage.world, stage.world.topology.bounds
    rows = [[short(erasure.requested), "erasure committed: every read raises Erased"]]
    steps = (
        (timedelta(), _after_plan),
        (WRITE_WINDOW, _after_fence),
        (bounds.compaction, _after_compaction),
    )
    for after, describe in steps:
        world.advance_to(erasure.requested + after + timedelta(hours=1))
        world.run_worker()
        now = world.store.erasure(erasure.id)
        rows.append([short(world.clock.now()), describe(stage, now)])
    return rows


def _after_plan(stage: Stage, erasure: Erasure) -> str:
    rows = f"{plural(erasure.deleted, 'row')} deleted, each with its record key"
    if erasure.receipt is not None:
        return f"{rows}; their packs held nothing else: purged; receipt signed"
    hours = stage.world.topology.bounds.compaction_hours
    return (
        f"{rows}; packs shared with others are rewritten within {hours} h; "
        f"still to delete: {_left(erasure)}"
    )


def _after_fence(stage: Stage, erasure: Erasure) -> str:
    with stage.world.homes.served(_REGION).region.catalog.begin() as connection:
        fenced = fences.count(connection, erasure.id)
    if fenced:
        return "the fence, which refuses late writes, is still needed"
    return (
        "the fence is deleted, and with it the last pseudonym: the ids it covers are now too old "
        "to be written"
    )


def _after_compaction(stage: Stage, erasure: Erasure) -> str:
    if erasure.completed is None:
        return f"still to delete: {_left(erasure)}"
    if erasure.completed - erasure.requested < stage.world.topology.bounds.compaction:
        return "nothing is left to do"
    return "packs rewritten without these records; old packs purged and seen absent; receipt signed"


def _left(erasure: Erasure) -> str:
    """Return how many replicas the erasure waits for, by backend."""
    counts = (
        f"{plural(left.replicas, 'object')} on {left.backend}" for left in erasure.outstanding
    )
    return ", ".join(counts) or "nothing"


def _show_receipt(stage: Stage, erasure: Erasure) -> None:
    if erasure.receipt is None:
        stage.narrator.bad(
            f"No receipt: the erasure is {erasure.state} and waits for {_left(erasure)}"
        )
        return
    key = stage.world.homes.served(_REGION).region.signing.public_key()
    public = import_public_keys(export_pem(key))  # as published
    began = perf_counter()
    receipt = verify(erasure.receipt, public)
    stage.narrator.good(
        "The receipt is genuine: its Ed25519 signature fits the public key",
        perf_counter() - began,
    )
    stage.narrator.table(["the receipt states", ""], _statements(receipt), wide=1)
    root, said, proof = erasure.receipt.split("~")
    forged = "~".join((root, said[:-2] + ("A" if said[-2] != "A" else "B") + said[-1], proof))
    try:
        verify(forged, public)
        stage.narrator.bad("A receipt with one changed character was accepted")
    except ReceiptInvalid:
        stage.narrator.good("A receipt with one changed character is refused")


def _statements(receipt: Receipt) -> list[list[str]]:
    found = Counter((leaf.backend, leaf.sub_processor, leaf.how) for leaf in receipt.leaves)
    return [
        ["records", f"{receipt.deleted} deleted ({receipt.scope.value}, {receipt.reason.value})"],
        ["unreadable since", short(receipt.unreadable_since)],
        ["absent since", short(receipt.absent_since)],
        [
            "last key copy gone by",
            f"{short(receipt.last_key_copy_gone_by)} (catalog backups and logs)",
        ],
        *(
            [f"{backend}", f"{plural(count, 'object')} {how} absent at {company}"]
            for (backend, company, how), count in sorted(found.items())
        ),
    ]


def _read_others(stage: Stage) -> None:
    some = stage.kept[EU][:_READS]
    if not some:
        return
    began = perf_counter()
    answers = Counter(_outcome(stage, kept.id) for kept in some)
    stage.narrator.check(
        set(answers) == {"read"},
        f"The other users' records are intact: {len(some)} of {len(stage.kept[EU])} read from "
        f"rewritten packs in {format_seconds(perf_counter() - began)}",
        f"Reads of the other users' records: {dict(answers)}",
    )


def _outcome(stage: Stage, record_id: RecordId) -> str:
    try:
        stage.tenant(EU).get(record_id, purpose=Purpose.SERVE)
    except DomicileError as error:
        return error.code
    return "read"
