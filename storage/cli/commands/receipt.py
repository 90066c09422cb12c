"""``receipt verify`` and ``receipt key``: the evidence of an erasure."""

import os
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from typer import Argument, Option

from storage.catalog import signing_keys
from storage.cli import files
from storage.cli.opening import catalog_of, settings_of
from storage.cli.options import AsJson
from storage.cli.output import (
    format_minute,
    format_time,
    good,
    print_blank,
    print_facts,
    print_json,
    print_note,
    print_table,
    print_text,
    print_value,
)
from storage.errors import InvalidRequest, ReceiptInvalid
from storage.evidence.departures import STATEMENT, verify_statement
from storage.evidence.drains import DRAIN, verify_drain
from storage.evidence.keys import (
    PublishedKey,
    export_jwk_set,
    export_pem,
    import_public_keys,
)
from storage.evidence.receipts import TYPE, Leaf, PublicKeys, Receipt, claimed_type, signer
from storage.evidence.receipts import verify as check
from storage.evidence.retirements import REGION_STATEMENT, verify_region
from storage.keys import load_keys
from storage.settings import RegionSettings
from storage.text import format_size

_LARGEST = 64 * 1024 * 1024  # bytes of a receipt


def verify(
    file: Annotated[
        str, Argument(metavar="FILE", help="The receipt. - is stdin.", show_default=False)
    ],
    key: Annotated[
        Path, Option(metavar="FILE", help="The region's public keys: PEM, or a JWK set.")
    ],
    as_json: AsJson = False,
) -> None:
    """Verify a receipt, or the statement of a backend or region, offline; show what it states.

    It needs the receipt and the public keys only. Ends with 8 if the file is no receipt, or none
    of the keys signed exactly this one.
    """
    keys = import_public_keys(_text(files.content(str(key), most=_LARGEST)))
    token = _text(files.content(file, most=_LARGEST)).strip()
    kind = claimed_type(token)
    if kind == STATEMENT:
        _verify_statement(token, keys, as_json=as_json)
        return
    if kind == DRAIN:
        _verify_drain(token, keys, as_json=as_json)
        return
    if kind == REGION_STATEMENT:
        _verify_region(token, keys, as_json=as_json)
        return
    if kind != TYPE:
        raise ReceiptInvalid(
            "This is not a receipt, nor a statement of an emptied backend or region.",
            advice="Give one as it was printed, whole: domicile erasure show --receipt prints a "
            "receipt, domicile backend retire and domicile region retire a statement.",
        )
    receipt, kid = check(token, keys), signer(token)
    if as_json:
        print_json({"valid": True, "kid": kid, "receipt": receipt.model_dump()})
        return
    _say_genuine("receipt", kid)
    _show_receipt(receipt)


def _say_genuine(what: str, kid: str) -> None:
    print_text(good(f"The {what} is genuine."), f"Signed with key {kid}.")
    print_blank()


def _show_receipt(receipt: Receipt) -> None:
    print_facts(
        [
            ("erasure", str(receipt.erasure)),
            ("tenant", f"{receipt.tenant} in {receipt.region}"),
            ("scope", receipt.scope.value),
            ("reason", receipt.reason.value),
            ("records deleted", str(receipt.deleted)),
            ("requested", format_time(receipt.requested)),
            ("unreadable since", format_time(receipt.unreadable_since)),
            ("bytes absent since", format_time(receipt.absent_since)),
            ("last key copy gone by", format_time(receipt.last_key_copy_gone_by)),
        ]
    )
    _show_leaves(receipt)
    _show_postures(receipt)
    _show_copies(receipt)
    _show_holds(receipt)


def _verify_drain(token: str, keys: PublicKeys, *, as_json: bool) -> None:
    drain, kid = verify_drain(token, keys), signer(token)
    if as_json:
        print_json({"valid": True, "kid": kid, "drain": drain.model_dump()})
        return
    _say_genuine("drain receipt", kid)
    print_facts(
        [
            ("sub-processor", drain.sub_processor),
            ("has nothing of", f"{drain.region}, since {format_time(drain.finished)}"),
            *(
                (f"{each.part} handed over", f"{format_minute(each.at)}, by {each.actor}")
                for each in drain.handed_over
            ),
        ]
    )
    print_blank()
    print_table(
        ("emptied backend", "located", "replicas", "sealed bytes", "statement", "absence"),
        [
            (
                each.backend,
                each.located,
                f"{each.replicas:,}",
                format_size(each.bytes),
                each.statement[:16],
                f"attested: {', '.join(each.attested)}" if each.attested else "seen",
            )
            for each in drain.backends
        ],
    )


def _verify_statement(token: str, keys: PublicKeys, *, as_json: bool) -> None:
    statement, kid = verify_statement(token, keys), signer(token)
    if as_json:
        print_json({"valid": True, "kid": kid, "statement": statement.model_dump()})
        return
    _say_genuine("statement", kid)
    print_facts(
        [
            ("backend", f"{statement.backend} in {statement.region}"),
            ("sub-processor", statement.sub_processor),
            ("location", statement.located),
            ("begun", format_time(statement.begun)),
            ("seen empty", format_time(statement.absent_at)),
            ("replicas purged", str(statement.replicas)),
            ("bytes", format_size(statement.bytes)),
            ("looked for", ", ".join(statement.seen) or "-"),
            ("attested to be off or lost", ", ".join(statement.attested) or "-"),
            ("SHA-256 of the topology", statement.topology),
        ]
    )


def _verify_region(token: str, keys: PublicKeys, *, as_json: bool) -> None:
    statement, kid = verify_region(token, keys), signer(token)
    if as_json:
        print_json({"valid": True, "kid": kid, "statement": statement.model_dump()})
        return
    _say_genuine("statement", kid)
    print_facts(
        [
            ("region", f"{statement.region} in {statement.jurisdiction}"),
            ("took no tenant since", format_time(statement.begun)),
            ("empty at", format_time(statement.ended)),
            ("receipts", str(statement.receipts)),
            ("statements of backends", str(statement.statements)),
            ("ledger entries", str(statement.entries)),
            ("SHA-256 of the last one", statement.head or "-"),
            ("SHA-256 of the topology", statement.topology),
        ]
    )
    print_blank()
    print_table(
        ("backend", "sub-processor", "location", "looked for", "attested", "seen empty (UTC)"),
        [
            (
                each.backend,
                each.sub_processor,
                each.located,
                ", ".join(each.seen),
                ", ".join(each.attested) or "-",
                format_minute(each.absent_at),
            )
            for each in statement.backends
        ],
    )


def public(
    region: Annotated[str, Option(metavar="REGION", help="The region whose receipts they verify.")],
    version: Annotated[int | None, Option(metavar="N", help="Only this version.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the public keys of a region, newest first. With them anyone can verify its receipts.

    Prints PEM; with --json a JWK set that says from when to when each key has signed.
    """
    with settings_of(region) as settings:
        keys = published(region, settings)
    wanted = [key for key in keys if version in (None, key.version)]
    if not wanted:
        known = sorted(key.version for key in keys if key.version is not None)
        raise InvalidRequest(
            "The region has no signing key of that version.",
            advice=f"Known versions: {', '.join(map(str, known))}.",
        )
    if as_json:
        print_json({"region": region} | export_jwk_set(wanted))
        return
    for one in wanted:
        print_value(export_pem(one.key).strip())


def published(region: str, settings: RegionSettings) -> list[PublishedKey]:
    """Return a region's keys newest first, then those that have signed and left its key file."""
    roots = load_keys(settings, os.urandom, region=region)
    catalog = catalog_of(region, settings)
    try:
        catalog.check()
        with catalog.begin() as connection:
            signed = {raw: times for raw, *times in signing_keys.history(connection)}
    finally:
        catalog.close()
    found = []
    for version, private in sorted(roots.signing_keys().items(), reverse=True):
        key = private.public_key()
        first, last = signed.pop(key.public_bytes_raw(), (None, None))
        found.append(PublishedKey(key, version, first, last))
    for raw, (first, last) in signed.items():
        found.append(PublishedKey(Ed25519PublicKey.from_public_bytes(raw), None, first, last))
    return found


def _show_leaves(receipt: Receipt) -> None:
    def group(leaf: Leaf) -> tuple[str, str, str, str]:
        return leaf.backend, leaf.sub_processor, leaf.located, leaf.how

    if not receipt.leaves:
        print_note("No backend stored any bytes of it.")
        return
    print_blank()
    leaves = sorted(receipt.leaves, key=group)
    rows = [(*kind, list(some)) for kind, some in groupby(leaves, key=group)]
    print_table(
        ("backend", "sub-processor", "location", "objects", "looked for", "absent at (UTC)"),
        [
            (
                backend,
                company,
                located,
                str(len(some)),
                _looked_for(how, some),
                format_minute(max(leaf.absent_at for leaf in some)),
            )
            for backend, company, located, how, some in rows
        ],
    )


def _show_copies(receipt: Receipt) -> None:
    if not receipt.processors:
        return
    print_blank()
    print_table(
        ("copy", "processor", "how", "deleted at (UTC)", "SHA-256 of the confirmation"),
        [
            (str(p.copy_id), p.processor, p.how, format_minute(p.at), p.digest)
            for p in receipt.processors
        ],
    )


def _show_holds(receipt: Receipt) -> None:
    if not receipt.deferred:
        return
    print_blank()
    print_table(
        ("legal hold", "records", "from (UTC)", "until (UTC)"),
        [
            (str(d.hold), str(d.records), format_minute(d.since), format_minute(d.until))
            for d in receipt.deferred
        ],
    )


def _show_postures(receipt: Receipt) -> None:
    found = {
        leaf.backend: ", ".join(f"{check} {word}" for check, word in leaf.posture.findings.items())
        for leaf in receipt.leaves
        if leaf.posture is not None and leaf.posture.findings
    }
    for backend, says in sorted(found.items()):
        print_note(f"Posture of {backend} then: {says}.")


def _looked_for(how: str, leaves: Sequence[Leaf]) -> str:
    kinds = ", ".join(sorted({kind.value for leaf in leaves for kind in leaf.looked_for}))
    return f"{kinds} ({how})" if how == "seen" else f"{kinds} (attested to be off or lost)"


def _text(data: bytes) -> str:
    try:
        return data.decode("ascii")
    except UnicodeDecodeError:
        raise ReceiptInvalid("Receipts and keys are plain ASCII text.") from None
