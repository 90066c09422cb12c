"""``receipt verify``: offline, with nothing but the receipt and the public key."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from storage.cli import files
from storage.cli.options import AsJson
from storage.cli.output import document, facts, good, minute, moment, note, say, table
from storage.errors import ReceiptInvalid
from storage.evidence.keys import import_public_keys
from storage.evidence.receipts import Leaf, Receipt, signer
from storage.evidence.receipts import verify as check

_MOST = 64 * 1024 * 1024  # bytes of a receipt


def verify(
    file: Annotated[str, Argument(metavar="FILE", help="The receipt; - is stdin.")],
    key: Annotated[
        Path, Option(metavar="FILE", help="Public keys of the region, as PEM or as a JWK set.")
    ],
    as_json: AsJson = False,
) -> None:
    """Check a receipt offline: whether one of the keys signed exactly this, and what it says."""
    keys = import_public_keys(_text(files.content(str(key), most=_MOST)))
    token = _text(files.content(file, most=_MOST)).strip()
    receipt, kid = check(token, keys), signer(token)
    if as_json:
        document({"valid": True, "kid": kid, "receipt": receipt.model_dump()})
        return
    say(good("The receipt is genuine."), f"Signed with key {kid}.")
    say()
    facts(
        [
            ("erasure", str(receipt.erasure)),
            ("tenant", f"{receipt.tenant} in {receipt.region}"),
            ("scope", f"{receipt.scope.value}, because of {receipt.reason.value}"),
            ("records deleted", str(receipt.deleted)),
            ("requested", moment(receipt.requested)),
            ("unreadable since", moment(receipt.unreadable_since)),
            ("bytes absent since", moment(receipt.absent_since)),
            ("last key copy gone by", moment(receipt.last_key_copy_gone_by)),
        ]
    )
    _show_leaves(receipt)
    _show_others(receipt)


def _show_leaves(receipt: Receipt) -> None:
    def of(leaf: Leaf) -> tuple[str, str, str]:
        return leaf.backend, leaf.sub_processor, leaf.how

    if not receipt.leaves:
        note("It had no bytes anywhere.")
        return
    say()
    rows = [(*kind, list(some)) for kind, some in groupby(sorted(receipt.leaves, key=of), key=of)]
    table(
        ("backend", "sub-processor", "objects", "looked for", "absent at (UTC)"),
        [
            (
                backend,
                company,
                str(len(some)),
                _looked(how, some),
                minute(max(leaf.absent_at for leaf in some)),
            )
            for backend, company, how, some in rows
        ],
    )


def _show_others(receipt: Receipt) -> None:
    """Processors that had copies, and what was held for a time."""
    if receipt.processors:
        say()
        table(
            ("copy", "processor", "how", "gone at (UTC)", "SHA-256 of what says so"),
            [
                (str(p.copy_id), p.processor, p.how, minute(p.at), p.digest)
                for p in receipt.processors
            ],
        )
    if receipt.deferred:
        say()
        table(
            ("legal hold", "records", "from (UTC)", "until (UTC)"),
            [
                (str(d.hold), str(d.records), minute(d.since), minute(d.until))
                for d in receipt.deferred
            ],
        )


def _looked(how: str, leaves: Sequence[Leaf]) -> str:
    kinds = ", ".join(sorted({kind.value for leaf in leaves for kind in leaf.looked_for}))
    return f"{kinds} ({how})" if how == "seen" else f"{kinds} (attested to be off)"


def _text(data: bytes) -> str:
    try:
        return data.decode("ascii")
    except UnicodeDecodeError:
        raise ReceiptInvalid("Receipts and keys are plain ASCII text.") from None
