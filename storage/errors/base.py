"""The base of all errors."""

from typing import ClassVar, Literal

Outcome = Literal["not_stored", "unknown"]

DOCUMENTATION = "https://domicile.readthedocs.io/en/latest/"
"""The documentation site. The same address is in the metadata of the distribution."""


class DomicileError(Exception):
    """Domicile refused the request, or could not fulfill it."""

    retryable: bool = False
    outcome: ClassVar[Outcome] = "not_stored"
    http_status: ClassVar[int] = 500
    """What an HTTP service answers with. 503 if the kind is ``retryable``: clients try again."""
    usual_advice: ClassVar[str] = f"See {DOCUMENTATION}errors/"

    def __init__(self, message: str = "", *, advice: str = "") -> None:
        """``message`` says what happened, ``advice`` what to do; both have a default."""
        self.message = message or self._summary()
        self.advice = advice or self.usual_advice
        super().__init__(f"{self.message} {self.advice}")

    @property
    def code(self) -> str:
        """The stable name of the error, for logs and JSON."""
        return type(self).__name__

    @property
    def page(self) -> str:
        """The section about the error, relative to the documentation site."""
        return f"errors/#{self.code.lower()}"

    @property
    def url(self) -> str:
        """The section about the error on the documentation site."""
        return DOCUMENTATION + self.page

    @classmethod
    def _summary(cls) -> str:
        return (cls.__doc__ or "").strip().splitlines()[0]
