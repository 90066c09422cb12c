"""The key service inside of this process: for development, and behind the one that is a server."""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from regions.model import Topology
from storage.crypto.keyobject import is_hold_key, key_context
from storage.crypto.record import new_key, unwrap_key, wrap_key
from storage.errors import PurposeRefused, SettingsError, Unavailable
from storage.evidence.grants import signatures
from storage.keyservice.register import Register
from storage.model import PERMIT_LASTS, Entropy, StaffPermit
from storage.policy import KeptRecord, PermitFacts, PermitReason, check_staff_permit
from storage.ports import Clock, RootKeys

_FORGET: Final = timedelta(minutes=1)  # longer than a clock may step back


class LocalKeyService:
    """The key service of one region, with its root keys in this process.

    Implements ``storage.ports.KeyService``. Here a purpose is a rule and no key: what has this
    object in its memory has the root keys. Safe to use from many threads.
    """

    def __init__(
        self,
        roots: RootKeys,
        register: Register,
        approvers: Mapping[str, Ed25519PublicKey] | SettingsError,
        *,
        region: str,
        topology: Topology,
        clock: Clock,
        entropy: Entropy,
        uptime: Callable[[], timedelta] | None = None,
    ) -> None:
        """``approvers``: the pinned keys, by actor, or why their file cannot be used.

        ``uptime``: how long it has remembered which permits were used; it takes none that was
        issued before. None: permits do not leave this process.
        """
        self._roots = roots
        self._register = register
        self._problem = approvers if isinstance(approvers, SettingsError) else None
        self._approvers = {} if isinstance(approvers, SettingsError) else dict(approvers)
        self._region = region
        self._topology = topology
        self._clock = clock
        self._entropy = entropy
        self._uptime = uptime
        self._used = _Used()

    def __repr__(self) -> str:
        return f"LocalKeyService(region={self._region!r})"

    @property
    def current(self) -> int:
        return self._roots.current

    def approvers(self) -> Mapping[str, bytes]:
        return {actor: key.public_bytes_raw() for actor, key in self._approvers.items()}

    def wrap(self, key: bytes, context: bytes) -> bytes:
        if is_hold_key(context):
            raise PurposeRefused(
                "A hold key is made inside of the key service, and by nobody else.",
                reasons=(PermitReason.NEEDED,),
                advice="Let the worker place the hold: it asks for a new key.",
            )
        return self._roots.wrap(key, context)

    def create(self, context: bytes) -> bytes:
        return self._roots.wrap(new_key(self._entropy), context)

    def unwrap(self, sealed: bytes, context: bytes) -> bytes:
        if is_hold_key(context):
            raise PurposeRefused(
                "A hold key does not leave the key service.",
                reasons=(PermitReason.NEEDED,),
                advice="Open what is under a hold with a permit, record by record.",
            )
        return self._roots.unwrap(sealed, context)

    def unwrap_record(self, sealed: bytes, permit: StaffPermit) -> bytes:
        record = self._use(permit)
        key = self._roots.unwrap(sealed, key_context(record.key_id, hold=record.held))
        return unwrap_key(key, record.wrapped_key)

    def rewrap(
        self,
        sealed: bytes,
        context: bytes,
        wrapped: Sequence[bytes],
        target: bytes,
        target_context: bytes,
    ) -> list[bytes]:
        if wrapped and (is_hold_key(context) or not is_hold_key(target_context)):
            raise PurposeRefused(
                "Record keys are wrapped again for a hold alone, and stay under its key.",
                reasons=(PermitReason.NEEDED,),
                advice="Open what is under a hold with a permit, record by record.",
            )
        key = self._roots.unwrap(sealed, context)
        other = self._roots.unwrap(target, target_context)
        return [wrap_key(other, unwrap_key(key, one)) for one in wrapped]

    def _use(self, permit: StaffPermit) -> KeptRecord:
        """Check a permit and use it up. Raises PurposeRefused, and Unavailable if that is slow."""
        came, end = self._clock.now(), permit.issued + PERMIT_LASTS
        found = self._register.find(permit)
        now = self._clock.now()
        since = None if self._uptime is None else now - self._uptime()
        facts = PermitFacts(
            found.grant,
            found.hold,
            found.entry,
            found.tenant,
            found.record,
            found.counted,
            {} if found.grant is None else signatures(found.grant, self._approvers),
            since,
        )
        reasons = check_staff_permit(
            permit, facts, topology=self._topology, region=self._region, now=now
        )
        if reasons == (PermitReason.EXPIRED,) and came < end:  # nothing stands against the read
            raise Unavailable("Looking up what a permit names took too long: it ended meanwhile.")
        if not reasons and not self._used.add(permit, now):
            reasons = (PermitReason.REPLAYED,)
        if reasons or found.record is None:
            raise self._refusal(reasons)
        return found.record

    def _refusal(self, reasons: Sequence[str]) -> PurposeRefused:
        if PermitReason.APPROVER_NOT_PINNED in reasons and self._problem is not None:
            return PurposeRefused(
                f"The file of approvers cannot be used, so people open nothing. "
                f"{self._problem.message}",
                reasons=reasons,
                advice=f"{self._problem.advice} Correct APPROVERS_FILE, and restart what reads it. "
                "See: domicile doctor",
            )
        if PermitReason.APPROVER_NOT_PINNED in reasons and not self._approvers:
            return PurposeRefused(
                "No approver's key is pinned for the region, so people open nothing.",
                reasons=reasons,
                advice="Put the public key of an approver (domicile grant keygen) into the file "
                "that APPROVERS_FILE names, and restart what reads it. See: domicile doctor",
            )
        return PurposeRefused(
            "The key service refused the permit.",
            reasons=reasons,
            advice="See: domicile grant show. A permit is for one use, minutes long.",
        )


class _Used:
    """The permits that were used since this process started, until they are too old anyway."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nonces: dict[bytes, datetime] = {}

    def add(self, permit: StaffPermit, now: datetime) -> bool:
        """Note a use. False: it was used before."""
        with self._lock:
            last = now - PERMIT_LASTS - _FORGET
            self._nonces = {nonce: at for nonce, at in self._nonces.items() if at > last}
            if permit.nonce in self._nonces:
                return False
            self._nonces[permit.nonce] = permit.issued
            return True
