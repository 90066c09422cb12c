"""``store.admin.processors``: copies of records at processors."""

from collections.abc import Sequence
from uuid import UUID

from storage.catalog import copies
from storage.client.homes import REGIONAL, Homes
from storage.client.validate import as_uuid, check_attestation, check_limit, check_processor
from storage.errors import InvalidRequest, NotFound
from storage.ledger.handover import attest
from storage.model import Copy
from storage.text import did_you_mean


class Processors:
    """Copies of records at processors, handed over with ``Tenant.hand_over``. Thread-safe."""

    def __init__(self, homes: Homes) -> None:
        """Use ``Store.admin.processors`` instead."""
        self._homes = homes

    def copies(
        self,
        region: str,
        *,
        processor: str | None = None,
        after: UUID | str | None = None,
        limit: int = 100,
    ) -> Sequence[Copy]:
        """Return copies that are not confirmed deleted, oldest first.

        ``processor`` narrows the list to one processor. At most ``limit`` (1 to 1000). To page,
        pass the last id as ``after``. Raises WrongRegion, and InvalidRequest for a processor that
        is neither in the topology nor has copies.
        """
        check_limit(limit)
        if processor is not None:
            check_processor(processor)
        last = None if after is None else as_uuid(after, "a copy")
        with self._homes.served(region).region.catalog.begin() as connection:
            found = copies.page(connection, last, limit, processor=processor)
        if processor is not None and not found:
            self._check_known(processor)
        return found

    def attest(self, copy: UUID | str, *, digest: bytes, actor: str) -> Copy:
        """Record a person's attestation that the processor has deleted a copy. Return the copy.

        Only for processors whose connector has the kind ``manual``. ``digest`` is the SHA-256 of
        the document in which the processor confirms the deletion; the receipt contains it.
        ``actor`` is the opaque id of the person who records it. A copy that is confirmed already
        keeps its first confirmation. Raises NotFound or HandOverRefused.
        """
        wanted = as_uuid(copy, "a copy")
        check_attestation(digest, actor)
        unanswered: Exception | None = None
        for name in self._homes.names:
            try:
                found = attest(self._homes.served(name).region, wanted, digest, actor)
            except REGIONAL as error:
                unanswered = error
                continue
            if found is not None:
                return found
        if unanswered is not None:
            raise unanswered
        raise NotFound("No such copy in the regions of this process.")

    def _check_known(self, processor: str) -> None:
        """Raise InvalidRequest for a processor without an entry in the topology or a copy."""
        regions = [served.region for served in self._homes.regions.values()]
        known = {name for region in regions for name in region.connectors}
        if processor in known:
            return
        if self._homes.first(lambda _, c: copies.page(c, None, 1, processor=processor)):
            return
        raise InvalidRequest(
            "The topology has no such processor.",
            advice=f"{did_you_mean(processor, known)} It has: {', '.join(sorted(known))}.".lstrip(),
        )
