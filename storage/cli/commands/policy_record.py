"""``policy explain ID``: what one record may be used for, and why."""

from regions.model import Purpose
from storage.cli.opening import opened
from storage.cli.options import parse_date
from storage.cli.output import (
    bad,
    format_time,
    good,
    print_blank,
    print_facts,
    print_json,
    print_table,
    print_text,
    print_value,
)
from storage.cli.use_texts import CONSENTS, USE_REASONS
from storage.errors import InvalidRequest
from storage.model import ConsentFacts, EpochFacts, PurposeExplanation


def explain_record(
    record: str, tenant: str | None, purpose: Purpose | None, at: str | None, *, as_json: bool
) -> None:
    """Print whether a record may be used for a purpose on a day. Raises InvalidRequest."""
    if tenant is None or purpose is None:
        raise InvalidRequest(
            "A record needs a tenant and a purpose.", advice="Give --tenant and --purpose."
        )
    day = None if at is None else parse_date(at)
    with opened() as store:
        found = store.tenant(tenant).explain_purpose(record, purpose=purpose, at=day)
    if as_json:
        print_json(found)
    else:
        _show(found)


def _show(found: PurposeExplanation) -> None:
    print_value(str(found.id))
    asked = f"For {found.purpose} on {found.at}: "
    print_text(good(f"{asked}allowed.") if found.allowed else bad(f"{asked}NOT ALLOWED."))
    print_blank()
    print_table(
        ("reason", "which means"),
        [(reason, USE_REASONS[reason]) for reason in found.reasons],
        indent=2,
    )
    print_blank()
    print_facts(_facts(found), indent=2)


def _facts(found: PurposeExplanation) -> list[tuple[str, str]]:
    taken = found.taken_from
    source = f", from the source {taken.source.hex()}" if taken is not None else ""
    who = ", ".join(found.openers) or "nobody"
    return [
        ("origin", f"{found.origin_date}{source}"),
        ("its epoch", _epoch(found.epoch)),
        (f"epoch of {found.at}", _epoch(found.epoch_then)),
        ("consent to training", _consent(found.consent)),
        ("purposes of its class", ", ".join(found.purposes) or "none"),
        ("who opens for it", f"{who}, with a grant" if found.grant else who),
        ("readable until", format_time(found.readable_until, never="you erase it")),
        ("deleted by", format_time(found.deadline, never="no deadline")),
        ("erased", _yes(found.erased)),
        ("held", _yes(found.held)),
        ("flagged", _yes(found.flagged)),
        ("for return alone", _yes(found.to_return)),
    ]


def _epoch(epoch: EpochFacts) -> str:
    if epoch.begins is None:
        return "none: nothing is stated"
    ceiling = f"{epoch.ceiling_days} days" if epoch.ceiling_days is not None else "unstated"
    return f"from {epoch.begins}; train: {epoch.train or 'unstated'}; ceiling: {ceiling}"


def _consent(known: ConsentFacts) -> str:
    text = CONSENTS[known.said]
    if known.statement is None:
        return text
    return f"{text}: {known.statement} of {format_time(known.given)}"


def _yes(given: bool) -> str:
    return "yes" if given else "no"
