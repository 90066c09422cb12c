"""Prices in dollars, as examples: they may not be those of today.

From the pages "Amazon S3 pricing" (S3 Standard, US East, N. Virginia) and "AWS Key Management
Service pricing" of AWS, as they were at the end of 2025. Change them here, and run
`make bench-report`.
"""

from collections.abc import Mapping
from typing import Final

SOURCE: Final = (
    "AWS's pages “Amazon S3 pricing” (S3 Standard, US East, N. Virginia) and “AWS Key Management "
    "Service pricing”, as they were at the end of 2025"
)
REQUESTS: Final[Mapping[str, float]] = {  # of a million of each kind
    "PUT": 5.00,  # and POST, COPY
    "LIST": 5.00,
    "GET": 0.40,  # and HEAD
    "DELETE": 0.0,
    "KMS Encrypt": 3.00,
    "KMS Decrypt": 3.00,
}
STORAGE: Final = 0.023  # a GB (10**9 bytes), a month
KEY: Final = 1.00  # a KMS key, a month
MONTH: Final = 30.0  # days


def of_requests(requests: Mapping[str, float]) -> float:
    """Return what requests cost. Raises KeyError for a kind without a price."""
    return sum(REQUESTS[kind] * count / 1e6 for kind, count in requests.items())


def of_storage(size: float, days: float) -> float:
    """Return what bytes cost that are stored for some days."""
    return size / 1e9 * STORAGE * days / MONTH
