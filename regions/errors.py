"""The error of a topology."""


class TopologyProblem(Exception):
    """A topology that is not valid: the file, the dotted key in it, the reason, and what to do.

    ``key`` is empty for the whole file, ``advice`` if that must be corrected. ``storage`` raises
    ``storage.errors.TopologyError`` from this error.
    """

    def __init__(self, file: str, key: str, reason: str, *, advice: str = "") -> None:
        """``key`` names an entry of a list by its name, or by its position (from 1) without one."""
        super().__init__(": ".join(part for part in (file, key, reason) if part))
        self.file, self.key, self.reason, self.advice = file, key, reason, advice
