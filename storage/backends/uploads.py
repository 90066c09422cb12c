"""How every upload ends: finished, or taken back."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from storage.errors import BackendError


class AbortingUpload(ABC):
    """The part of ``ports.Upload`` that is the same everywhere: leaving the context."""

    def __init__(self) -> None:
        self.finished = False

    @abstractmethod
    def abort(self) -> None:
        """Take back what was sent. What was taken back or finished already stays as it is."""

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
            # The first error says whether the write may still land; the second must not hide it.
            if error is None:
                raise
            error.add_note(f"and taking it back failed: {left}")
