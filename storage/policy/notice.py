"""Decide whether a topology keeps the notice of its sub-processors, given what a catalog has seen.

A topology may state any dates. What a catalog saw, and when, it cannot change: so the notice counts
from the day on which the catalog first saw the company, or from the day that is stated if that is
later. The longest notice counts that the catalog saw.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from storage.errors import DOCUMENTATION, SubProcessorUnannounced
from storage.model.listing import Listed, ListedState

_PAGE = f"See {DOCUMENTATION}howto/announce-a-sub-processor/"


class NoticeReason(StrEnum):
    """Why the dates of a company are refused."""

    TOO_SOON = "too_soon"  # its first day comes before its notice is over
    HAS_BEGUN = "has_begun"  # a date is changed that has come true already


@dataclass(frozen=True, slots=True)
class Notice:
    """A fault in the dates of a company.

    ``key``: that of the date. ``stated``: by the new topology. ``allowed``: the first day that it
    may state; for a company that has begun, the only one (None: it may state none).
    """

    company: str
    key: str
    reason: NoticeReason
    stated: date | None
    allowed: date | None

    def error(self, region: str) -> SubProcessorUnannounced:
        """Return the error for the catalog of a region."""
        where = f"sub_processors.{self.company}.{self.key}"
        if self.reason is NoticeReason.TOO_SOON:
            return SubProcessorUnannounced(
                f"{where} is {self.stated}, but its notice is not over before {self.allowed}: it "
                f"counts from when the catalog of {region} sees the company.",
                advice=f"Set since to {self.allowed} or later in sub_processors.toml, or go back "
                f"to the topology that {region} had before. {_PAGE}",
            )
        was = self.allowed or "none"
        return SubProcessorUnannounced(
            f"{where} is {self.stated or 'missing'}, but the catalog of {region} has seen {was}, "
            "and the company has begun.",
            advice=f"Set {self.key} back ({was}) in sub_processors.toml. {_PAGE}",
        )


GOING_BACK = timedelta(days=7)
"""How long one may go back to a topology without a check: a deployment is taken back within days.

A company that it has, and the one after it has not, comes back with it.
"""


def may_go_back(replaced: datetime | None, now: datetime) -> bool:
    """Return whether a topology that the catalog has seen may be used again without a check.

    ``replaced``: when another one took its place; None if none did.
    """
    return replaced is None or now - replaced <= GOING_BACK


def notice_faults(
    seen: Sequence[Listed] | None,
    new: Sequence[Listed],
    region: str,
    today: date,
    ever: Iterable[Listed] = (),
) -> Iterator[Notice]:
    """Yield what a new list changes that it may not, in a region whose catalog saw a list before.

    ``seen``: the newest list that the catalog has seen; None if it has seen none. ``ever``: what is
    on any list that it has seen. A company that no data of the region reaches is not looked at: its
    notice counts here once it gets a part.
    """
    if seen is None:
        return
    known = {company.name: company for company in seen}
    longest: dict[str, int] = {}
    for one in (*ever, *seen, *new):
        longest[one.name] = max(one.notice_days, longest.get(one.name, one.notice_days))
    for company in new:
        if company.has_part_in(region):
            before = known.get(company.name)
            if before is not None and before.state(today) is ListedState.ACTIVE:
                yield from _changed(before, company)
            if before is None or not _settled(before, company, region, today):
                yield from _too_soon(before, company, today, longest[company.name])


def carry(
    seen: Sequence[Listed] | None, new: Sequence[Listed], today: date | None
) -> tuple[Listed, ...]:
    """Return a new list, with the day on which the catalog first saw each company as it is now.

    ``today``: None if that day is not known, because the catalog has lost what it saw last.
    """
    if seen is None:
        return tuple(new)
    known = {company.name: company for company in seen}
    return tuple(replace(one, listed=_first(known.get(one.name), one, today)) for one in new)


def _first(before: Listed | None, company: Listed, today: date | None) -> date | None:
    """Return the day from which its notice counts. None: it was on the first list."""
    if before is None or _anew(before, company, today):
        return today
    return before.listed


def _anew(before: Listed, company: Listed, today: date | None) -> bool:
    """Return whether its notice counts anew: a date is earlier, or it comes back after its end."""
    was, stated = before.announced, company.announced
    earlier = was is not None and stated is not None and stated < was
    back = today is not None and _back(before, company, today)
    return company.since < before.since or earlier or back


def _back(before: Listed, company: Listed, today: date) -> bool:
    """Return whether a company had ended, and has not any more."""
    ended = ListedState.ENDED
    return before.state(today) is ended and company.state(today) is not ended


def _settled(before: Listed, company: Listed, region: str, today: date) -> bool:
    """Return whether its notice was over in that region, as it is now, before its first day."""
    begun = before.state(today) is not ListedState.ANNOUNCED
    return begun and before.has_part_in(region) and not _anew(before, company, today)


def _too_soon(
    before: Listed | None, company: Listed, today: date, notice_days: int
) -> Iterator[Notice]:
    seen = _first(before, company, today)
    if seen is None:
        return
    allowed = max(seen, company.announced or seen) + timedelta(days=notice_days)
    if company.since < allowed:
        yield Notice(company.name, "since", NoticeReason.TOO_SOON, company.since, allowed)


def _changed(before: Listed, company: Listed) -> Iterator[Notice]:
    """Yield which dates of a company that has begun are changed.

    Of one on the first list no catalog knows when it was announced: that may be added.
    """
    added = before.announced is None and before.listed is None
    for key, stated, was in (
        ("since", company.since, before.since),
        ("announced", company.announced, before.announced),
    ):
        if stated != was and not (key == "announced" and added):
            yield Notice(company.name, key, NoticeReason.HAS_BEGUN, stated, was)
