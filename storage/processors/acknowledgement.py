"""The acknowledgement of a processor: a JWS in compact form (RFC 7515) with Ed25519.

Its payload is JSON with ``copy`` (the id of the copy), ``processor`` (its name in the topology) and
``deleted_at`` (RFC 3339, with a zone), and nothing else.
"""

import base64
import hashlib
from typing import Final
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from storage.errors import AcknowledgementInvalid
from storage.ports import Acknowledgement

TYPE: Final = "domicile-acknowledgement+jwt"
_ALGORITHM: Final = "EdDSA"


class _Payload(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    copy_id: UUID = Field(alias="copy")
    processor: str
    deleted_at: AwareDatetime


def public_key(encoded: str) -> Ed25519PublicKey:
    """Return the key from the ``x`` of its JWK, as in the topology. Raises ValueError."""
    return Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(encoded + "="))


def verify(token: bytes, key: Ed25519PublicKey, *, processor: str, copy: UUID) -> Acknowledgement:
    """Return the acknowledgement, if the processor signed it and it is about this copy.

    Raises AcknowledgementInvalid otherwise; the message does not show the token.
    """
    try:
        jws = jwt.PyJWS(algorithms=[_ALGORITHM])
        parts = jws.decode_complete(token, key, algorithms=[_ALGORITHM])
        payload = _Payload.model_validate_json(parts["payload"], strict=True)
    except (jwt.PyJWTError, ValidationError, ValueError) as error:
        why = "is not signed with its key, or has another form than agreed"
        raise _invalid(processor, why) from error
    if parts["header"].get("typ") != TYPE:
        raise _invalid(processor, "has another type")
    if payload.copy_id != copy:
        raise _invalid(processor, "is about another copy")
    if payload.processor != processor:
        raise _invalid(processor, "is about another processor")
    return Acknowledgement(payload.deleted_at, hashlib.sha256(token).digest())


def _invalid(processor: str, why: str) -> AcknowledgementInvalid:
    return AcknowledgementInvalid(processor, f"Its acknowledgement {why}.")
