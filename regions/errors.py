"""What can be wrong with a topology."""


class TopologyProblem(Exception):
    """A topology that cannot be used: the file, the dotted key in it, and the reason.

    ``key`` is empty when the whole file is meant. ``storage.errors.TopologyError`` is the same to
    callers of ``storage``, which bootstrap raises from this one.
    """

    def __init__(self, file: str, key: str, reason: str) -> None:
        """An entry of a list goes by its name in ``key``, or by its place (from 1) without one."""
        super().__init__(": ".join(part for part in (file, key, reason) if part))
        self.file, self.key, self.reason = file, key, reason
