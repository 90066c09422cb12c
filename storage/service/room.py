"""How many uploads go on at once. Each takes a thread of the store for as long as it lasts."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from storage.service.answers import ApiError

UPLOADS: Final = 24
OF_A_TENANT: Final = 8


class Room:
    """The uploads of one event loop."""

    def __init__(self) -> None:
        """None goes on."""
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken_by(self, tenant: str) -> Iterator[None]:
        """Take a place for the block. Raises ApiError at once if there is none."""
        if self._taken.total() >= UPLOADS or self._taken[tenant] >= OF_A_TENANT:
            raise ApiError(503, "busy", "Too many uploads go on at once. Try again.")
        self._taken[tenant] += 1
        try:
            yield
        finally:
            self._taken[tenant] -= 1
            if not self._taken[tenant]:
                del self._taken[tenant]
