"""Permits: what a person shows to have the key of one record unwrapped."""

import base64
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Self
from uuid import UUID

from regions.model import Purpose
from storage.errors import InvalidRequest
from storage.model.actors import Actor, ActorKind
from storage.model.ids import RecordId, utc

PERMIT_LASTS: Final = timedelta(minutes=5)
"""How long after its issue a permit may be used, once."""

_NONCE: Final = 16  # bytes


@dataclass(frozen=True, slots=True)
class StaffPermit:
    """One record, one person, one purpose, one use, under one grant.

    It has no signature of its own: it rests on the grant, which the approvers signed, and which the
    key service reads for itself. ``nonce``: 16 random bytes. ``issued``: by the catalog's clock.
    """

    region: str
    grant: UUID
    purpose: Purpose
    tenant: str
    record: RecordId
    actor: Actor
    nonce: bytes = field(repr=False)
    issued: datetime

    def __post_init__(self) -> None:
        """Raise InvalidRequest for a nonce of another size, NaiveDatetime for a time without zone.

        The time is kept in UTC.
        """
        if len(self.nonce) != _NONCE:
            raise InvalidRequest(f"The nonce of a permit has {_NONCE} bytes.")
        object.__setattr__(self, "issued", utc(self.issued))

    def dump(self) -> str:
        """Return canonical JSON: sorted keys, no spaces."""
        actor = self.actor
        said = {
            "region": self.region,
            "grant": str(self.grant),
            "purpose": self.purpose,
            "tenant": self.tenant,
            "record": str(self.record),
            "actor": [actor.id, actor.kind, actor.employer, actor.location],
            "nonce": base64.b64encode(self.nonce).decode(),
            "issued": self.issued.isoformat(),
        }
        return json.dumps(said, sort_keys=True, separators=(",", ":"))

    @classmethod
    def load(cls, text: str) -> Self:
        """Read what ``dump`` returned, and nothing else. Raises InvalidRequest."""
        permit: Self | None = None
        try:
            permit = cls._parsed(json.loads(text))
        except (ValueError, TypeError, KeyError, RecursionError, InvalidRequest):
            permit = None  # errors of ``json`` quote the text
        if permit is None or permit.dump() != text:
            raise InvalidRequest("This is not a permit.")
        return permit

    @classmethod
    def _parsed(cls, said: dict[str, str]) -> Self:
        actor, kind, employer, location = (str(part) for part in said["actor"])
        return cls(
            str(said["region"]),
            UUID(said["grant"]),
            Purpose(said["purpose"]),
            str(said["tenant"]),
            RecordId.parse(said["record"]),
            Actor(actor, ActorKind(kind), employer, location),
            base64.b64decode(said["nonce"], validate=True),
            datetime.fromisoformat(said["issued"]),
        )
