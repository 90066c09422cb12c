"""The error of a topology."""


class TopologyProblem(Exception):
    """A topology that is not valid: the file, the dotted key in it, and the reason.

    ``key`` is empty for the whole file. ``storage`` raises ``storage.errors.TopologyError`` from
    this error.
    """

    def __init__(self, file: str, key: str, reason: str) -> None:
        """``key`` names an entry of a list by its name, or by its position (from 1) without one."""
        super().__init__(": ".join(part for part in (file, key, reason) if part))
        self.file, self.key, self.reason = file, key, reason
