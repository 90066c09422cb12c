"""``status``: how every region is, in numbers."""

import dataclasses

from rich.text import Text

from storage.cli.commands.processor import STATE_HEADS, state_cells
from storage.cli.options import AsJson, opened
from storage.cli.output import bad, document, doubtful, facts, good, minute, moment, say, table
from storage.client.status import COUNTED
from storage.model import BackendState, RegionStatus
from storage.text import format_size, plural


def status(as_json: AsJson = False) -> None:
    """Records, bytes, backlog, what is overdue, missing replicas, copies, and the horizon.

    It ends with 0 whatever it finds; with --json, watch "overdue" of each region.
    """
    with opened() as store:
        found = store.status()
    if as_json:
        told = [dataclasses.asdict(region) | {"overdue": late(region)} for region in found]
        document({"regions": told})
        return
    for number, region in enumerate(found):
        if number:
            say()
        show(region)


def late(region: RegionStatus) -> bool:
    """Whether something should be gone and is not."""
    late = region.overdue_days or region.overdue_erasure
    at_processors = any(processor.overdue for processor in region.processors)
    return bool(late) or at_processors or any(b.oldest_overdue for b in region.backends)


def show(region: RegionStatus) -> None:
    """One region for people."""
    say(Text(region.region, style="bold"))
    facts(
        [
            ("records", _counted(region.records)),
            ("files", _counted(region.files)),
            ("sealed bytes", format_size(region.bytes)),
            ("open erasures", str(region.open_erasures)),
            ("holds", _holds(region)),
            ("deletion", _deletion(region)),
            ("partitions", _horizon(region)),
            ("clocks", _clocks(region)),
            *_unread(region),
        ],
        indent=2,
    )
    say()
    table(
        (
            "backend",
            "objects",
            "sealed bytes",
            "missing",
            "to be purged",
            "scrubbed (UTC)",
            "not mended",
            "overdue since (UTC)",
        ),
        [_row(backend) for backend in region.backends],
        indent=2,
    )
    if region.processors:
        say()
        table(
            ("processor", *STATE_HEADS),
            [(state.processor, *state_cells(state)) for state in region.processors],
            indent=2,
        )


def _counted(count: int) -> str:
    return f"{count:,} or more" if count >= COUNTED else f"{count:,}"


def _deletion(region: RegionStatus) -> Text:
    moments = [b.oldest_overdue for b in region.backends]
    moments += [processor.overdue_since for processor in region.processors]
    since = [at for at in moments if at is not None]
    if since:
        return bad(f"OVERDUE: something should have been gone since {moment(min(since))}")
    if region.overdue_erasure:
        asked = moment(region.overdue_erasure)
        return bad(f"OVERDUE: an erasure of {asked} is not done. See: domicile erasure list")
    if region.overdue_days:
        days = plural(region.overdue_days, "expiry day")
        return bad(f"OVERDUE: {days} not done. Is a worker running?")
    return good("nothing is overdue")


def _holds(region: RegionStatus) -> Text:
    told = plural(region.holds, "legal hold")
    if region.deferred_erasures:
        told += f", for which {plural(region.deferred_erasures, 'erasure')} cannot end"
    if region.overdue_reviews:
        return bad(f"{told}; {plural(region.overdue_reviews, 'review')} OVERDUE")
    return Text(told if region.holds else "none")


def _horizon(region: RegionStatus) -> Text:
    until = f"made up to {region.partition_horizon}" if region.partition_horizon else "none"
    if region.horizon_alarm:
        return bad(f"{until}: too few days ahead. Is a worker running?")
    return Text(until)


def _clocks(region: RegionStatus) -> Text:
    if region.clocks_apart:
        return bad("this machine and the database DISAGREE: workers here destroy nothing")
    return good("this machine and the database agree")


def _unread(region: RegionStatus) -> list[tuple[str, Text]]:
    if not region.unread:
        return []
    names = ", ".join(region.unread)
    return [("recovery", bad(f"{names} did NOT ANSWER and is read later: no receipts until then"))]


def _row(backend: BackendState) -> tuple[Text | str, ...]:
    missing, overdue = str(backend.missing), minute(backend.oldest_overdue)
    return (
        backend.backend,
        str(backend.replicas),
        format_size(backend.bytes),
        doubtful(missing) if backend.missing else missing,
        str(backend.purging),
        minute(backend.scrubbed, never="never"),
        bad(str(backend.unmended)) if backend.unmended else "0",
        bad(overdue) if backend.oldest_overdue else overdue,
    )
