"""What a company on the list of sub-processors is and has, in words; and the message about one."""

from collections.abc import Iterator, Sequence
from datetime import date

from storage.model.listing import Listed, ListedState, PartKind

HEADS = ("company", "service", "locations", "products", "since", "until", "classes", "data")

_DATA = {
    PartKind.BACKEND: "encrypted content",
    PartKind.CATALOG: "database rows and encrypted metadata",
    PartKind.KEYS: "keys",
    PartKind.BACKUPS: "database backups",
    PartKind.COPIES: "readable copies",
}
_NONE = "none yet"


def row(company: Listed) -> tuple[str, ...]:
    """Return a company in the columns of ``HEADS``."""
    return (
        company.title,
        service(company),
        locations(company),
        ", ".join(company.products) or "-",
        since(company),
        str(company.until or "-"),
        classes(company),
        data(company),
    )


def service(company: Listed) -> str:
    """Return ``human review``."""
    return company.service.replace("_", " ")


def locations(company: Listed) -> str:
    """Return where it works; without a statement, the jurisdictions where it may hold data."""
    return ", ".join(company.locations or company.jurisdictions) or "-"


def since(company: Listed) -> str:
    """Return its first day, and when that was announced."""
    told = f" (announced {company.announced})" if company.announced is not None else ""
    return f"{company.since}{told}"


def classes(company: Listed) -> str:
    """Return ``prompts, fine tuning files``: the classes whose data reaches it."""
    return ", ".join(f"{name.replace('_', ' ')}s" for name in company.classes) or "-"


def data(company: Listed) -> str:
    """Return what of that data it has, in which regions: ``keys, database backups (eu-west-1)``."""
    found: dict[str, list[str]] = {}
    for kind, words in _DATA.items():
        regions = ", ".join(dict.fromkeys(p.region for p in company.parts if p.kind is kind))
        if regions:
            found.setdefault(regions, []).append(words)
    return "; ".join(f"{', '.join(some)} ({regions})" for regions, some in found.items()) or _NONE


def differences(
    before: Sequence[Listed], after: Sequence[Listed], on: tuple[date, date]
) -> list[str]:
    """Return in words how the list on one day differs from that on another."""
    old, new = _by_name(before), _by_name(after)
    found: list[str] = []
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            found += [_added(company) for company in new[name]]
        elif name not in new:
            found.append(f"Removed: {old[name][0].title} ({service(old[name][0])}).")
        else:
            found += _changed(old[name], new[name])
            found += _passed(new[name][-1], on)
    return found


def _by_name(companies: Sequence[Listed]) -> dict[str, list[Listed]]:
    found: dict[str, list[Listed]] = {}
    for company in companies:
        found.setdefault(company.name, []).append(company)
    return found


def _added(company: Listed) -> str:
    where, first = locations(company), since(company)
    return (
        f"Added: {company.title} ({service(company)}) in {where}, since {first}: {data(company)}."
    )


def _changed(old: Sequence[Listed], new: Sequence[Listed]) -> Iterator[str]:
    """Yield what is stated differently; where a day has several statements, all of them."""
    for at, head in enumerate(HEADS):
        was, now = (" or ".join(dict.fromkeys(row(one)[at] for one in some)) for some in (old, new))
        if was != now:
            yield f"Changed: {new[0].title}: {head} is {now}; it was {was}."


def _passed(company: Listed, on: tuple[date, date]) -> Iterator[str]:
    """Yield which of its dates lie between the two days."""
    first, last = sorted(on)
    if first < company.since <= last:
        yield f"Began: {company.title}, on {company.since}."
    if company.until is not None and first < company.until <= last:
        yield f"Ended: {company.title}, on {company.until}."


def message(company: Listed, regions: Sequence[str], on: date) -> str:
    """Return the message to customers about a company, as Markdown."""
    facts = {
        "Company": company.title,
        "Service": service(company),
        "Locations": locations(company),
        "Products": ", ".join(company.products) or "-",
        "Classes of data": classes(company),
        "Data": data(company),
        "Announced": str(company.announced or "-"),
        "First day": str(company.since),
    }
    if company.until is not None:
        facts["First day without it"] = str(company.until)
    table = "\n".join(f"| {name} | {escaped(fact)} |" for name, fact in facts.items())
    return (
        f"# Sub-processor: {escaped(company.title)}\n\n{_intent(company, on)}\n\n"
        f"| | |\n|---|---|\n{table}\n\n"
        f"This concerns projects whose data is in: {', '.join(regions)}.\n"
    )


def _intent(company: Listed, on: date) -> str:
    if company.state(on) is ListedState.ANNOUNCED:
        return (
            f"From {company.since} on we intend to use a further sub-processor. It gets no data "
            f"before that day. If you object, tell us before {company.since}; your agreement with "
            "us says how."
        )
    if company.state(on) is ListedState.ENDED:
        return f"We have used this sub-processor until {company.until}."
    return f"We use this sub-processor since {company.since}."


def escaped(text: str) -> str:
    """Return a text for a cell of a table in Markdown, in which nothing of it is markup."""
    for mark in "\\`*_[]<>|&":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
