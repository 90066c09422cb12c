"""What an approver signs: the statement of a grant.

Canonical JSON (sorted keys, no spaces, UTF-8), so that each side computes the same bytes from the
row of the grant. The key that signs never comes near the catalog or the service: its public part is
pinned where the keys of the region are.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from storage.model import Approval, Grant

_CONTEXT: Final = b"domicile grant v1\0"


def statement(grant: Grant) -> bytes:
    """Return the bytes that an approver signs: all that does not change of a grant."""
    said = {
        "grant": str(grant.id),
        "region": grant.region,
        "tenant": grant.tenant,
        "purpose": grant.purpose,
        "actor": grant.actor,
        "requester": grant.requester,
        "scope": grant.scope,
        "sought": [hashlib.sha256(value).hexdigest() for value in sorted(grant.sought)],
        "hold": None if grant.hold is None else str(grant.hold),
        "case": grant.case,
        "records_max": grant.records_max,
        "justification": grant.justification_digest,
        "requested": grant.requested.isoformat(),
        "until": grant.until.isoformat(),
    }
    return _CONTEXT + json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


def signed_by(grant: Grant, signature: bytes, key: Ed25519PublicKey) -> bool:
    """Return whether that key signed the statement of the grant."""
    try:
        key.verify(signature, statement(grant))
    except InvalidSignature:
        return False
    return True


def signatures(grant: Grant, pinned: Mapping[str, Ed25519PublicKey]) -> dict[str, bool]:
    """Return of each approver of a grant whose key is pinned whether that key signed it."""
    counted = {one.actor for one in signed_approvals(grant, pinned)}
    signers = {one.actor for one in grant.approvals if one.signature is not None}
    return {actor: actor in counted for actor in signers & pinned.keys()}


def signed_approvals(grant: Grant, pinned: Mapping[str, Ed25519PublicKey]) -> tuple[Approval, ...]:
    """Return the approvals of a grant that the key signed that is pinned for their actor."""
    return tuple(
        one
        for one in grant.approvals
        if one.signature is not None
        and one.actor in pinned
        and signed_by(grant, one.signature, pinned[one.actor])
    )
