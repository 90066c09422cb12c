"""The connector of kind manual: people take copies to the processor and record deletions."""

from datetime import timedelta
from uuid import UUID

from storage.ports import Acknowledgement


class ManualConnector:
    """Sends nothing, and confirms nothing: a person does both.

    ``Tenant.hand_over`` returns the content to its caller. ``domicile processor copies`` lists the
    copies to delete, and ``domicile processor attest`` records a deletion.
    """

    def __init__(self, name: str, longest_request: timedelta) -> None:
        self._name = name
        self._longest_request = longest_request

    @property
    def name(self) -> str:
        return self._name

    @property
    def longest_request(self) -> timedelta:
        return self._longest_request

    def deliver(self, copy: UUID, content: bytes, *, timeout: float) -> None:
        """Do nothing: the caller takes the content to the processor."""

    def request_deletion(self, copy: UUID) -> None:
        """Do nothing: a person requests it."""

    def confirm(self, copy: UUID) -> Acknowledgement | None:
        """Return None: a person records the deletion."""
        return None
