"""Scene 6: a user asks to be erased: at once, with everything derived, and with a receipt."""

from collections import Counter
from datetime import timedelta
from time import perf_counter
from typing import Final

from sqlalchemy import Table, func, select

from storage.catalog import tables as t
from storage.demo.narrator import lasted
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
    """Erase the EU user with the most records; see the bytes go, and verify the receipt."""
    stage.world.pass_time(days=2)
    stage.world.work()
    stage.tell.section(
        "A user asks to be erased",
        stage.when(),
        "True at once for every read; then the bytes go from every replica; evidence comes last.",
    )
    user = Counter(kept.user for kept in stage.kept[EU]).most_common(1)[0][0]
    mine = [kept for kept in stage.kept[EU] if kept.user == user]
    _look_before(stage, user)
    erasure = _fence(stage, user, mine)
    stage.kept[EU] = [kept for kept in stage.kept[EU] if kept.user != user]
    rows = _let_it_happen(stage, erasure)
    stage.tell.table(["simulated time", "what happened"], rows, wide=1)
    _show_receipt(stage, stage.world.store.erasure(erasure.id))
    _others_are_untouched(stage)
    stage.world.pass_time(hours=1)
    with stage.tell.step("Searching everything"):
        stage.proof.search(f"day {stage.world.day()}", {OTHERS, AMERICANS, FILE})


def _look_before(stage: Stage, user: str) -> None:
    """Note the traces of everybody, and find them all."""
    names = stage.world.store.served(_REGION).open.pseudonyms.all(EU, "subject", user)

    def whose(table: Table, tenant: str, subject: bytes | None) -> str:
        if table is t.file:
            return FILE
        if tenant == US:
            return AMERICANS
        return ERASED if subject in names else OTHERS

    with stage.tell.step("Noting the traces of every record"):
        stage.world.analyze()
        stage.proof.note(collect(stage.world.store, PARTIES, whose))
        stage.proof.search(f"day {stage.world.day()}", set(PARTIES))


def _fence(stage: Stage, user: str, mine: list[Kept]) -> Erasure:
    tenant = stage.tenant(EU)
    listed = Counter(info.data_class for info in tenant.list(subject=user, limit=1000))
    told = ", ".join(
        plural(count, kind.value) for kind, count in sorted(listed.items(), reverse=True)
    )
    stage.tell.say(f"{user} has {told}; these never named the user, they derive from prompts.")
    stale = tenant.new_id(DataClass.PROMPT)
    began = perf_counter()
    erasure = tenant.erase(Scope.subject(user), reason=Reason.SUBJECT_REQUEST, ticket="T-1")
    stage.tell.good("erase() has returned", perf_counter() - began)
    answers = Counter(_outcome(stage, kept.id) for kept in mine[:_READS])
    stage.tell.check(
        set(answers) == {"Erased"},
        f"{answers.total()} of {len(mine)} asked for at once: every answer is Erased",
        f"Reads say: {dict(answers)}",
    )
    try:
        tenant.put(DataClass.PROMPT, b"late", id=stale, subject=user)
        stage.tell.bad("A write from before the erasure was accepted after it")
    except DomicileError as error:
        stage.tell.check(
            error.code == "Erased", "A write of this user that began before it is refused: Erased"
        )
    return erasure


def _let_it_happen(stage: Stage, erasure: Erasure) -> list[list[str]]:
    """The worker looks in at once, when the fence is over, and when packs may be rewritten."""
    world, bounds = stage.world, stage.world.topology.bounds
    rows = [[short(erasure.requested), "the fence is committed: every read says Erased"]]
    looks = (0, _deleted), (bounds.write_window_hours, _unfenced), (bounds.compaction_hours, _over)
    for hours, tell in looks:
        world.pass_until(erasure.requested + timedelta(hours=hours + 1))
        world.work()
        now = world.store.erasure(erasure.id)
        rows.append([short(world.clock.now()), tell(stage, now)])
    return rows


def _deleted(stage: Stage, erasure: Erasure) -> str:
    rows = f"{plural(erasure.deleted, 'row')} deleted, each with its record key"
    if erasure.receipt is not None:
        return f"{rows}; their packs, which held nothing else, seen absent; receipt signed"
    hours = stage.world.topology.bounds.compaction_hours
    return (
        f"{rows}; packs that others share are rewritten once in {hours} h; "
        f"waited for: {_left(erasure)}"
    )


def _unfenced(stage: Stage, erasure: Erasure) -> str:
    with stage.world.store.served(_REGION).open.catalog.begin() as connection:
        query = select(func.count()).where(t.fence.c.erasure_id == erasure.id)
        fences = connection.scalar(query)
    if fences:
        return "the fence is still there"
    return (
        "the fence, the last to hold the pseudonym, is dropped: an id that it covers is too old to "
        "be written"
    )


def _over(stage: Stage, erasure: Erasure) -> str:
    if erasure.completed is None:
        return f"still waited for: {_left(erasure)}"
    if erasure.completed - erasure.requested < stage.world.topology.bounds.compaction:
        return "nothing is left to be done"
    return "packs rewritten without them, the old ones purged and seen absent; receipt signed"


def _left(erasure: Erasure) -> str:
    """How many replicas it waits for, and where."""
    told = (f"{plural(left.replicas, 'object')} on {left.backend}" for left in erasure.left)
    return ", ".join(told) or "nothing"


def _show_receipt(stage: Stage, erasure: Erasure) -> None:
    if erasure.receipt is None:
        stage.tell.bad(f"No receipt: the erasure is {erasure.state}, it waits for {_left(erasure)}")
        return
    key = stage.world.store.served(_REGION).open.signing.public_key()
    public = import_public_keys(export_pem(key))  # what an auditor was given
    began = perf_counter()
    receipt = verify(erasure.receipt, public)
    stage.tell.good(
        "The receipt is genuine: Ed25519 signature, checked with the public key alone",
        perf_counter() - began,
    )
    stage.tell.table(["the receipt says", ""], _said(receipt), wide=1)
    root, said, proof = erasure.receipt.split("~")
    forged = "~".join((root, said[:-2] + ("A" if said[-2] != "A" else "B") + said[-1], proof))
    try:
        verify(forged, public)
        stage.tell.bad("A receipt with one character changed was accepted")
    except ReceiptInvalid:
        stage.tell.good("With one character changed it is refused")


def _said(receipt: Receipt) -> list[list[str]]:
    places = Counter((leaf.backend, leaf.sub_processor, leaf.how) for leaf in receipt.leaves)
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
            for (backend, company, how), count in sorted(places.items())
        ),
    ]


def _others_are_untouched(stage: Stage) -> None:
    some = stage.kept[EU][:_READS]
    if not some:
        return
    began = perf_counter()
    answers = Counter(_outcome(stage, kept.id) for kept in some)
    stage.tell.check(
        set(answers) == {"read"},
        f"Of the other users all is left: {len(some)} of {len(stage.kept[EU])} records, out of "
        f"rewritten packs, read in {lasted(perf_counter() - began)}",
        f"Records of other users: {dict(answers)}",
    )


def _outcome(stage: Stage, record_id: RecordId) -> str:
    try:
        stage.tenant(EU).get(record_id, purpose=Purpose.SERVE)
    except DomicileError as error:
        return error.code
    return "read"
