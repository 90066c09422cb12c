"""``status``: the state of every region in numbers."""

import dataclasses

import typer
from rich.text import Text

from storage.catalog.status import COUNTED
from storage.cli.commands.processor import STATE_HEADS, state_cells
from storage.cli.error_handling import as_ours, end_with_failed, failed_regions
from storage.cli.opening import opened, opened_homes
from storage.cli.options import AsJson, OneRegion, check_region
from storage.cli.output import (
    bad,
    format_minute,
    format_time,
    good,
    print_blank,
    print_facts,
    print_json,
    print_note,
    print_table,
    print_text,
    warning,
)
from storage.cli.reason_texts import reason_text
from storage.client.homes import REGIONAL
from storage.client.status import region_status
from storage.errors import RegionNotRoutable, SettingsError, TopologyError
from storage.model import BackendState, LeavingState, PlaceStatus, PostureState, RegionStatus
from storage.text import format_size, plural
from storage.watching.verdict import Level, Problem, Verdict, judge

_OF_THE_SETTINGS = (RegionNotRoutable, SettingsError, TopologyError)  # of this process, perhaps


def status(region: OneRegion = None, as_json: AsJson = False) -> None:
    """Show records, bytes, backlog, overdue deletions, missing replicas and copies by region.

    It ends with 0 whatever it finds, if every region answers. A monitor reads "overdue" of each
    region, and "failed", from --json.

    With --region it is a check for a monitor. The first line says how the region is, and the exit
    code is that of a monitoring plugin: 0 fine, 1 warning, 2 critical, 3 unknown.
    """
    if region is not None:
        raise typer.Exit(_check(region, as_json=as_json))
    with opened() as store:
        found = store.status()
    if as_json:
        regions = [dataclasses.asdict(one) | {"overdue": late(one)} for one in found.regions]
        places = [dataclasses.asdict(place) for place in found.places]
        print_json({"regions": regions, "places": places} | failed_regions(found.failed))
    else:
        for number, one in enumerate(found.regions):
            if number:
                print_blank()
            show(one)
        for place in found.places:
            print_blank()
            print_text(Text(f"{place.place}, {len(place.cells)} cells together", style="bold"))
            print_facts(_sums(place), indent=2)
    end_with_failed(found.failed, as_json=as_json)


def _check(name: str, *, as_json: bool) -> Level:
    """Print the verdict on a region, then its status; return the exit code.

    Whatever goes wrong has an exit code of a monitor too: 1 would be a warning.
    """
    try:
        with opened_homes() as homes:
            check_region(name, homes.names)
            found = region_status(homes.served(name).region)
    except Exception as error:  # noqa: BLE001 - a monitor needs an answer
        return _unanswered(name, error, as_json=as_json)
    verdict = judge(found)
    if as_json:
        shown = dataclasses.asdict(found) | {"overdue": late(found)}
        print_json({"region": shown} | _as_json(verdict))
        return verdict.level
    texts = [problem.text for problem in verdict.problems] or ["nothing is overdue"]
    print_text(f"{verdict.level.name} - {name}: {'; '.join(texts)}")
    print_blank()
    show(found)
    return verdict.level


def _unanswered(name: str, error: Exception, *, as_json: bool) -> Level:
    """Print why a region has no status. One that nobody can use now is critical."""
    ours = as_ours(error)
    gone = isinstance(ours, REGIONAL) and not isinstance(ours, _OF_THE_SETTINGS)
    level = Level.CRITICAL if gone else Level.UNKNOWN
    if as_json:
        problem = Problem(level, ours.code, ours.message)
        print_json({"region": None} | _as_json(Verdict((problem,))))
    else:
        print_text(f"{level.name} - {name}: {ours.message}")
        print_note(ours.advice)
    return level


def _as_json(verdict: Verdict) -> dict[str, object]:
    problems = [
        {"level": problem.level.name.lower(), "code": problem.code, "text": problem.text}
        for problem in verdict.problems
    ]
    return {"level": verdict.level.name.lower(), "problems": problems}


def late(region: RegionStatus) -> bool:
    """Return whether a deletion is overdue."""
    late = region.overdue_days or region.overdue_erasure
    at_processors = any(processor.overdue for processor in region.processors)
    leaving = any(found.overdue for found in region.leaving) or region.objections_overdue > 0
    return bool(late) or at_processors or leaving or any(b.oldest_overdue for b in region.backends)


def show(region: RegionStatus) -> None:
    """Print one region for people."""
    print_text(Text(region.region, style="bold"))
    print_facts(
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
            *_blocked(region),
            *_unconfirmed(region),
            *_forged(region),
            *(("posture", _posture(found)) for found in region.postures),
            *_orphans(region),
            *(("leaving", _leaving(found)) for found in region.leaving),
            *_objections(region),
            *_log(region),
            *_unpinned(region),
            *_ended(region),
        ],
        indent=2,
    )
    print_blank()
    print_table(
        (
            "backend",
            "objects",
            "sealed bytes",
            "missing",
            "to purge",
            "scrubbed (UTC)",
            "unrepaired",
            "overdue since (UTC)",
        ),
        [_row(backend) for backend in region.backends],
        indent=2,
    )
    if region.processors:
        print_blank()
        print_table(
            ("processor", *STATE_HEADS),
            [(state.processor, *state_cells(state)) for state in region.processors],
            indent=2,
        )


def _sums(place: PlaceStatus) -> list[tuple[str, str]]:
    return [
        ("records", f"{place.records:,}"),
        ("files", f"{place.files:,}"),
        ("sealed bytes", format_size(place.bytes)),
        ("open erasures", f"{place.open_erasures:,}"),
        ("holds", f"{place.holds:,}"),
    ]


def _counted(count: int) -> str:
    return f"{count:,} or more" if count >= COUNTED else f"{count:,}"


def _deletion(region: RegionStatus) -> Text:
    moments = [b.oldest_overdue for b in region.backends]
    moments += [processor.overdue_since for processor in region.processors]
    since = [at for at in moments if at is not None]
    if since:
        return bad(f"OVERDUE since {format_time(min(since))}: see the tables below")
    if region.overdue_erasure:
        asked = format_time(region.overdue_erasure)
        return bad(
            f"OVERDUE: an erasure requested {asked} is incomplete. See: domicile erasure list"
        )
    if region.overdue_days:
        days = plural(region.overdue_days, "expiry day")
        return bad(f"OVERDUE: {days} not deleted. Is a worker running?")
    return good("nothing is overdue")


def _holds(region: RegionStatus) -> Text:
    text = plural(region.holds, "legal hold")
    if region.unconfirmed_holds:
        text += f" ({region.unconfirmed_holds:,} not confirmed)"
    if region.deferred_erasures:
        text += f", deferring {plural(region.deferred_erasures, 'erasure')}"
    if region.overdue_reviews:
        return bad(f"{text}; {plural(region.overdue_reviews, 'review')} OVERDUE")
    return Text(text if region.holds else "none")


def _horizon(region: RegionStatus) -> Text:
    until = f"created up to {region.partition_horizon}" if region.partition_horizon else "none"
    if region.horizon_alarm:
        return bad(f"{until}, too few days ahead. Is a worker running?")
    return Text(until)


def _clocks(region: RegionStatus) -> Text:
    if region.clocks_disagree:
        return bad("this machine and the database DISAGREE: workers here delete nothing")
    return good("this machine and the database agree")


def _unread(region: RegionStatus) -> list[tuple[str, Text]]:
    if not region.unread:
        return []
    names = ", ".join(region.unread)
    return [
        ("recovery", bad(f"{names} did NOT ANSWER: no receipts until its ledger has been read"))
    ]


def _blocked(region: RegionStatus) -> list[tuple[str, Text]]:
    if not region.blocked:
        return []
    accepted = [found.backend for found in region.postures if found.closed and found.ledger]
    stopped = f"records; ledger entries go to {', '.join(accepted)}"
    if not accepted:
        stopped = "anything new: no writes, erasures, holds or expiry"
    return [("URGENT", bad(f"too few backends take {stopped}. See: domicile backend posture"))]


def _unconfirmed(region: RegionStatus) -> list[tuple[str, Text]]:
    if not region.overdue_confirmations:
        return []
    holds = plural(region.overdue_confirmations, "legal hold")
    text = f"{holds} without a second person for 72 hours or more. See: domicile hold list"
    return [("URGENT", bad(text))]


def _forged(region: RegionStatus) -> list[tuple[str, Text]]:
    if not region.forged_checkpoints:
        return []
    text = (
        f"{plural(region.forged_checkpoints, 'row')} of log_checkpoint that no key of the log has "
        "SIGNED. They do not count, and the log goes on. Find out which login added them, or "
        "whether the key file lacks a former signing key"
    )
    return [("URGENT", bad(text))]


def _posture(found: PostureState) -> Text:
    says = ", ".join(f"{check.value} {word.value}" for check, word in found.findings.items())
    if found.closed is None:
        rest = "; still accepted for ledger entries" if found.ledger else ""
        return warning((f"{found.backend}: {says}" if says else f"{found.backend} is ok") + rest)
    takes = "ledger entries alone go there" if found.ledger else "nothing new goes there"
    return bad(f"{found.backend}: {says or reason_text(found.closed)}; {takes.upper()}")


def _orphans(region: RegionStatus) -> list[tuple[str, Text]]:
    found = [
        f"{plural(backend.orphans, 'key')} on {backend.backend}"
        for backend in region.backends
        if backend.orphans
    ]
    if not found:
        return []
    text = f"wait: the catalog does not know {' and '.join(found)}. See: domicile erasure list"
    return [("receipts", warning(text))]


def _leaving(found: LeavingState) -> Text:
    if found.statement is not None and not found.left:
        return good(f"{found.backend} is empty: {plural(found.moved, 'replica')} purged")
    progress = f"{found.backend}: {plural(found.left, 'replica')} left, {found.moved:,} purged"
    if found.overdue:
        return bad(f"{progress}; OVERDUE since {found.until}")
    return warning(f"{progress}; until {found.until}" if found.until else progress)


def _objections(region: RegionStatus) -> list[tuple[str, Text]]:
    if not region.objections_moving:
        return []
    text = f"{plural(region.objections_moving, 'tenant')} still to be moved"
    if region.objections_overdue:
        text = f"{text}; {region.objections_overdue:,} OVERDUE"
    shown = bad if region.objections_overdue else warning
    return [("objections", shown(f"{text}. See: domicile tenant objections"))]


def _log(region: RegionStatus) -> list[tuple[str, Text]]:
    if region.log_waits_since is None:
        return []
    since = f"lines WAIT since {format_time(region.log_waits_since)}"
    text = f"{since}: people open nothing. Is a worker running? See its log: log_postponed"
    return [("log", bad(text))]


def _unpinned(region: RegionStatus) -> list[tuple[str, Text]]:
    if not region.unpinned:
        return []
    text = "no approver's key is pinned: people open nothing. See: domicile grant keygen"
    return [("grants", bad(text))]


def _ended(region: RegionStatus) -> list[tuple[str, Text]]:
    found: list[tuple[str, Text]] = []
    if region.ended_agreements:
        tenants = plural(region.ended_agreements, "tenant")
        text = f"have ended of {tenants}. See: domicile tenant list"
        found.append(("agreements", warning(text)))
    if region.stored_without_agreement:
        records = plural(region.stored_without_agreement, "record")
        found.append(("without one", warning(f"{records} stored of tenants that lack one")))
    if region.overdue_exits:
        tenants = plural(region.overdue_exits, "tenant")
        text = f"of {tenants} OVERDUE: nobody has confirmed what becomes of the data"
        found.append(("exits", bad(f"{text}. See: domicile tenant exit list")))
    return found


def _row(backend: BackendState) -> tuple[Text | str, ...]:
    missing, overdue = str(backend.missing), format_minute(backend.oldest_overdue)
    return (
        backend.backend,
        str(backend.replicas),
        format_size(backend.bytes),
        warning(missing) if backend.missing else missing,
        str(backend.purging),
        format_minute(backend.scrubbed, never="never"),
        bad(str(backend.unrepaired)) if backend.unrepaired else "0",
        bad(overdue) if backend.oldest_overdue else overdue,
    )
