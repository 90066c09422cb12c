"""Checks of the arguments of screenings, and of lists of what is flagged."""

from datetime import UTC, date, datetime, time, timedelta

from storage.client.validate import check_class, is_date
from storage.errors import InvalidRequest
from storage.model import Classifier


def check_flagged(flagged: object) -> None:
    """Check which records to list by their flags. Raises InvalidRequest."""
    if flagged is not None and not isinstance(flagged, bool):
        raise InvalidRequest("flagged must be True, False or None.")


def check_screening(classifier: object, data_class: object, day: object, limit: object) -> None:
    """Check the arguments of a screening. Raises InvalidRequest or UnknownClass."""
    if not isinstance(classifier, Classifier):
        raise InvalidRequest(
            "Screening needs a Classifier.", advice="Pass Classifier(name, version, classify)."
        )
    check_class(data_class)
    if day is not None and not is_date(day):
        raise InvalidRequest("day must be a date.", advice="Pass date(2027, 1, 15), a day in UTC.")
    if limit is not None and (type(limit) is not int or limit < 1):
        raise InvalidRequest("limit must be 1 or more.")


def moments_of(day: date) -> tuple[datetime, datetime]:
    """Return the beginning of a UTC day, and that of the next."""
    midnight = datetime.combine(day, time.min, UTC)
    return midnight, midnight + timedelta(days=1)
