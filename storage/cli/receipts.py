"""``receipt verify`` and ``receipt key``."""

import os
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from storage import bootstrap
from storage.cli import files
from storage.cli.common import AsJson
from storage.cli.output import document, facts, good, minute, moment, note, say, table
from storage.crypto.root import LocalRootKeys
from storage.errors import InvalidRequest, ReceiptInvalid, WrongRegion
from storage.evidence.receipts import Leaf, Receipt, export_public_key, import_public_key, key_id
from storage.evidence.receipts import verify as check
from storage.settings import load_settings

_MOST = 64 * 1024 * 1024  # bytes of a receipt


def verify(
    file: Annotated[str, Argument(metavar="FILE", help="The receipt; - is stdin.")],
    key: Annotated[Path, Option(metavar="PEM", help="The public key of the region that signed.")],
    as_json: AsJson = False,
) -> None:
    """Check a receipt offline: whether that key signed exactly this, and what it says."""
    public = import_public_key(_text(files.content(str(key), most=_MOST)))
    receipt = check(_text(files.content(file, most=_MOST)).strip(), public)
    if as_json:
        document({"valid": True, "kid": key_id(public), "receipt": receipt.model_dump()})
        return
    say(good("The receipt is genuine."), f"Signed with key {key_id(public)}.")
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


def key(
    region: Annotated[str, Option(metavar="NAME", help="Whose receipts it verifies.")],
    version: Annotated[int | None, Option(help="An older one; else the newest.")] = None,
    as_json: AsJson = False,
) -> None:
    """The public key of a region as PEM, to give to whoever checks its receipts."""
    settings = load_settings()
    with bootstrap.places_of(settings, bootstrap.topology_of(settings)) as places:
        if region not in places:
            raise WrongRegion(home=region, advice=f"This process serves: {', '.join(places)}.")
        roots = LocalRootKeys.load(places[region].keys_file, os.urandom, region=region)
    keys = roots.signing_keys()
    wanted = max(keys) if version is None else version
    if wanted not in keys:
        raise InvalidRequest(
            "There is no signing key of that version.",
            advice=f"There are: {', '.join(str(v) for v in sorted(keys))}.",
        )
    public = keys[wanted].public_key()
    pem = export_public_key(public)
    if as_json:
        document({"region": region, "version": wanted, "kid": key_id(public), "pem": pem})
    else:
        say(pem.strip())


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
            (backend, company, str(len(some)), _looked(how, some),
             minute(max(leaf.absent_at for leaf in some)))
            for backend, company, how, some in rows
        ],
    )  # fmt: skip


def _looked(how: str, leaves: Sequence[Leaf]) -> str:
    kinds = ", ".join(sorted({kind.value for leaf in leaves for kind in leaf.looked_for}))
    return f"{kinds} ({how})" if how == "seen" else f"{kinds} (attested to be off)"


def _text(data: bytes) -> str:
    try:
        return data.decode("ascii")
    except UnicodeDecodeError:
        raise ReceiptInvalid("Receipts and keys are plain ASCII text.") from None
