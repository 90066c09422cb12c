"""How every upload ends: finished, or aborted."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from storage.errors import BackendError


class AbortingUpload(ABC):
    """The part of ``ports.Upload`` that all backends share: leaving the context."""

    def __init__(self) -> None:
        self.finished = False

    @abstractmethod
    def abort(self) -> None:
        """Remove what was sent. A finished or aborted upload stays as it is."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.finished:
            return
        try:
            self.abort()
        except BackendError as left:
            # The first error says whether the write may still take effect; keep it.
            if error is None:
                raise
            error.add_note(f"and the abort failed: {left}")
