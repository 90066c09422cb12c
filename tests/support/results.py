"""The result of a write, for tests of what brings it to its caller."""

from storage.model import DataClass, PutResult, RecordId
from storage.testing.clock import FakeClock

RESULT = PutResult(
    RecordId.mint(
        DataClass.FINE_TUNING_FILE,
        "eu-central-1",
        FakeClock().now(),
        None,
        tenant="acme",
        entropy=bytes,
    ),
    stored=True,
    deadline=None,
)
