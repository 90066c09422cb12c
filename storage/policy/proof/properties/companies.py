"""What the dates of a company say of a day."""

from datetime import date, timedelta

from regions.model import SubProcessor


def has_begun(company: SubProcessor, on: date) -> bool:
    """Whether its first day has come, and its notice is over."""
    if company.announced is not None:
        notice_ends = company.announced + timedelta(days=company.notice_days)
        if on < notice_ends:
            return False
    return on >= company.since


def has_ended(company: SubProcessor, on: date) -> bool:
    """Whether the first day has come on which it may have nothing more."""
    return company.until is not None and on >= company.until


def holds(company: SubProcessor, on: date) -> bool:
    """Whether it may have data."""
    return has_begun(company, on) and not has_ended(company, on)


def is_leaving(company: SubProcessor, on: date) -> bool:
    """Whether so few days are left that nothing new goes there."""
    return company.until is not None and (company.until - on).days <= company.exit_days


def why_not(company: SubProcessor, on: date) -> str:
    """Return why nothing new may go there, as the end of a sentence; empty if it may."""
    if not has_begun(company, on):
        return "has not begun"
    if has_ended(company, on):
        return f"ended on {company.until}"
    return f"is leaving by {company.until}" if is_leaving(company, on) else ""
