"""``worker``: run the background duties, once or forever."""

import signal
from contextlib import ExitStack
from datetime import datetime
from threading import Thread
from types import FrameType
from typing import Annotated

from structlog.typing import FilteringBoundLogger
from typer import Option

from storage.bootstrap import worker_of
from storage.catalog.due import COUNTED
from storage.catalog.purges import postponed
from storage.cli.error_handling import end_with_failed, failed_regions
from storage.cli.opening import opened_homes
from storage.cli.options import AsJson, Pause
from storage.cli.output import format_time, print_json, print_note, print_table, print_text
from storage.client.homes import Homes, ask_each
from storage.errors import InvalidRequest
from storage.logs import make_logger
from storage.watching.server import parse_address
from storage.watching.worker import exporting, watched
from storage.workers.due import due
from storage.workers.loop import Worker


def worker(
    once: Annotated[bool, Option("--once", help="Run one round, then end.")] = False,
    pause: Pause = 5.0,
    dry_run: Annotated[bool, Option("--dry-run", help="Show what is due; change nothing.")] = False,
    metrics: Annotated[
        str | None,
        Option(
            metavar="HOST:PORT",
            help="Answer /metrics, /healthz and /readyz there. PORT alone: on this machine only.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the due duties in the regions of this process, such as erase, expire and replicate.

    Any number of workers can run at once, and a worker can be killed at any time. The first SIGTERM
    or SIGINT ends the worker after its current piece of work, the second at once. The log is on
    stderr.
    """
    if dry_run and once:
        raise InvalidRequest("Both --once and --dry-run are given.", advice="Give one of them.")
    if metrics is not None:
        if once or dry_run:
            raise InvalidRequest("--metrics is for a worker that goes on.", advice="Leave it out.")
        _run_watched(parse_address(metrics), pause)
    else:
        with opened_homes() as homes:
            if dry_run:
                _show_due(homes, as_json=as_json)
                return
            log = make_logger()
            made = worker_of(homes, log)
            _stop_on_signals(made)
            if once:
                _run_once(homes, made, as_json=as_json)
                return
            _run(homes, made, log, pause)
    if as_json:
        print_json({"stopped": True})


def _run_watched(address: tuple[str, int], pause: float) -> None:
    log = make_logger()
    with ExitStack() as stack:
        exporter = stack.enter_context(exporting())
        homes = stack.enter_context(opened_homes(meters=exporter.instruments))
        made = worker_of(homes, log, exporter.instruments)
        server = watched(address, homes, made, exporter, log, pause=pause)
        port = stack.enter_context(server).port
        _stop_on_signals(made)
        log.info("worker_watched", host=address[0], port=port)
        _run(homes, made, log, pause)


def _run(homes: Homes, made: Worker, log: FilteringBoundLogger, pause: float) -> None:
    log.info("worker_started", regions=homes.names)
    made.run_forever(pause)
    log.info("worker_stopped")


def _run_once(homes: Homes, made: Worker, *, as_json: bool) -> None:
    ended = made.run_round()
    for first in ended.failed.values():
        if len(ended.failed) == len(homes.names):
            raise first
    if as_json:
        print_json({"pieces": ended.pieces} | failed_regions(ended.failed))
    else:
        _show_done(homes, ended.pieces)
    end_with_failed(ended.failed, as_json=as_json)


def _stop_on_signals(made: Worker) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        # in a thread: the main thread may hold the lock of the event that it waits for
        Thread(target=made.stop).start()
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.default_int_handler)

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, stop)


def _show_due(homes: Homes, *, as_json: bool) -> None:
    found, failed = ask_each(homes.names, lambda name: due(homes.served(name).region))
    if as_json:
        print_json({"dry_run": True, "due": found} | failed_regions(failed))
        end_with_failed(failed, as_json=True)
        return
    duties = next(iter(found.values())).keys()
    rows = [(duty, *(_counted(found[name][duty]) for name in found)) for duty in duties]
    print_table(("due now", *found), rows)
    print_note("Single things, not batches. Nothing was changed. A duty can make another one due.")
    end_with_failed(failed, as_json=False)


def _counted(count: int) -> str:
    return f"{count:,} or more" if count >= COUNTED else f"{count:,}"


def _show_done(homes: Homes, done: dict[str, int]) -> None:
    worked = [f"{name} {pieces}" for name, pieces in done.items() if pieces]
    if worked:
        print_text(f"Done, in batches: {', '.join(worked)}.")
        return
    print_text("Nothing was due now.")

    def later(name: str) -> tuple[int, datetime | None]:
        region = homes.served(name).region
        with region.catalog.begin() as connection:
            return postponed(connection, region.clock.now(), COUNTED)

    for name, (count, first) in ask_each(homes.names, later)[0].items():
        if count:
            replicas = f"{_counted(count)} {'replica' if count == 1 else 'replicas'}"
            print_note(f"{name}: {replicas} to purge later, from {format_time(first)} on.")
