"""Rows about what is done to records later: list, erase, expire, scrub."""

import io
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from uuid import uuid4

import psycopg
from sqlalchemy import text

from benchmarks import ours
from benchmarks.plain import THREADS, plain, spread_over
from benchmarks.results import Cost, Figure, Goal, Row, Side, percentile, ratios
from benchmarks.setting import HOME, TENANT, Bench, bodies_of, ensure
from benchmarks.sizes import Sizes
from benchmarks.writes import Found, tell
from storage.bootstrap import open_homes, worker_of
from storage.client.store import Store
from storage.client.tenant import Tenant
from storage.dependencies import Dependencies
from storage.logs import make_logger
from storage.model import DataClass, HoldSpec, NewRecord, PutResult, Reason, Scope
from storage.region import Limits
from storage.settings import region_settings, topology_of
from storage.testing.harness import take_any_time
from storage.workers.scrub.repair import Target, unpaced
from storage.workers.scrub.rounds import SHARE, whole_round

FAMILY = "afterwards"
_PAGE = 100
_LATER = timedelta(days=31)  # more than a prompt is kept
_HELD = "held"
_DAYS_OVER = text("SELECT count(*) FROM day WHERE day < :today")


def lists(bench: Bench, sizes: Sizes) -> Row:
    """List a subject that has a page of records, and one that has many pages."""
    ensure(bench.store, "lister")
    tenant = bench.store.tenant("lister")
    few = ours.of_subject(tenant, "few", _PAGE)
    many = ours.of_subject(tenant, "many", _PAGE + sizes.grown)
    assert len(few) == _PAGE
    ways: dict[str, Callable[[], object]] = {
        "few": partial(tenant.list, subject="few", limit=_PAGE),
        "first": partial(tenant.list, subject="many", limit=_PAGE),
        "last": partial(tenant.list, subject="many", limit=_PAGE, after=many[-_PAGE - 1]),
    }
    found = Found()
    for number in range(sizes.rounds + 1):
        tell(f"lists, round {number} of {sizes.rounds}")
        for name, work in ways.items():
            cost = bench.meter.measure(lambda w=work: _often(w, sizes.lists), sizes.lists)  # type: ignore[misc]
            if number > 0:  # the first warms
                found.add(name, cost)
    few_costs, flat = found.of("few"), Goal(1.2, least=False)
    return Row(
        FAMILY,
        "list(subject)",
        tuple(
            Figure(f"{page} page, of a small one", "x", ratios(found.of(page), few_costs), flat)
            for page in ("first", "last")
        ),
        (
            Side(f"{len(many):,} records, last page", found.of("last")),
            Side(f"{len(few):,} records", few_costs),
        ),
    )


def _often(work: Callable[[], object], times: int) -> None:
    for _ in range(times):
        work()


def fences(bench: Bench, sizes: Sizes) -> Row:
    """Erase one subject after the other: a call returns when its fence stands everywhere."""
    ensure(bench.store, "eraser")
    tenant = bench.store.tenant("eraser")
    names = [f"gone-{n}" for n in range(sizes.fences)]
    for _ in tenant.put_many(NewRecord(DataClass.PROMPT, b"x", subject=name) for name in names):
        pass
    tell(f"{sizes.fences} fences")
    took: list[float] = []

    def erase(name: str) -> None:
        tenant.erase(Scope.subject(name), reason=Reason.SUBJECT_REQUEST)

    cost = bench.meter.measure(lambda: took.extend(spread_over(1, names, erase)), len(names))
    late = percentile(took, 0.99) * 1e3
    return Row(
        FAMILY,
        "fence of an erased subject",
        (
            Figure("p99", "ms", (late,), Goal(100, least=False)),
            Figure("median", "ms", (median(took) * 1e3,)),
        ),
        (Side("Domicile", (cost,)),),
    )


def let_time_pass(bench: Bench) -> None:
    """Let the catalogs take the times of a clock that is moved."""
    settings = bench.place.settings()
    with region_settings(settings, topology_of(settings)) as own:
        take_any_time(settings.model_copy(update={"regions": own}))


def expiries(bench: Bench, sizes: Sizes, *, held: bool = False) -> Row:
    """Let a day expire, beside one DELETE an object and a commit."""
    where = "S3" if bench.buckets else "directories"
    name = f"expire {sizes.expiring:,} records, {where}{', 1 % held' if held else ''}"
    tell(name)
    tenant, count = bench.store.tenant(TENANT), sizes.expiring
    _fill(tenant, count, _HELD if held else "u")
    if held:
        bench.store.admin.holds.place(_hold())
    bases = [_deleted(bench, sizes)]
    bench.clock.later += _LATER
    own = bench.meter.measure(lambda: expire(bench), count)
    bases.append(_deleted(bench, sizes))
    base = min(bases, key=lambda cost: cost.seconds)
    return Row(
        FAMILY,
        name,
        (Figure("times DELETE", "x", ratios([base], [own]), Goal(10.0 if held else 200.0)),),
        (Side("Domicile, a worker", (own,)), Side("DELETE x 2, commit", (base,))),
    )


def _fill(tenant: Tenant, count: int, subject: str) -> None:
    bodies = bodies_of(1000)
    records = (
        NewRecord(DataClass.PROMPT, bodies[n % 1000], subject=subject if n % 100 == 0 else "u")
        for n in range(count)
    )
    for result in tenant.put_many(records):
        assert isinstance(result, PutResult), result


def _hold() -> HoldSpec:
    return HoldSpec(
        tenant=TENANT,
        scope=Scope.subject(_HELD),
        matter="m",
        authority="court",
        authority_jurisdiction="EU",
        document="5e" * 32,
        issuer="i",
        review=(datetime.now(UTC) + timedelta(days=300)).date(),
        future=False,
    )


def expire(bench: Bench) -> None:
    """Run a worker until the days that are over are gone: what is held was moved then.

    Where it waits for a moment, that moment comes at once.
    """
    worker = worker_of(bench.homes, make_logger(io.StringIO()))
    catalog = bench.homes.served(HOME).region.catalog
    while True:
        worker.run_once()
        with catalog.begin() as connection:
            today = bench.clock.now().date()
            left = connection.scalar(_DAYS_OVER, {"today": today})
        if not left:
            return
        bench.clock.later += timedelta(minutes=1)


def _deleted(bench: Bench, sizes: Sizes) -> Cost:
    """Return what the fastest way to delete one record of a plain store costs."""
    # files are deleted so fast that a few show nothing
    make, count = (_on_s3, sizes.deleted) if bench.buckets else (_on_disk, 20 * sizes.deleted)
    costs = []
    for threads in THREADS:
        with ExitStack() as stack:
            delete, keys = make(bench, stack, threads, count)
            work = partial(spread_over, threads, keys, delete)
            costs.append(bench.meter.measure(work, len(keys)))
    return min(costs, key=lambda cost: cost.seconds)


def _on_s3(
    bench: Bench, stack: ExitStack, threads: int, count: int
) -> tuple[Callable[[str], object], list[str]]:
    side = stack.enter_context(plain(bench, threads))
    keys: list[str] = []
    spread_over(threads, bodies_of(count), lambda body: keys.append(side.put(body)))
    return side.delete, keys


def _on_disk(
    bench: Bench, stack: ExitStack, threads: int, count: int
) -> tuple[Callable[[str], object], list[str]]:
    """Two files a record, in two directories that are fsynced, and a row."""
    side = stack.enter_context(plain(bench, threads))
    places = [bench.place.home.parent / f"plain-{n}" for n in range(2)]
    keys = [uuid4().hex for _ in range(count)]
    for place in places:
        place.mkdir(exist_ok=True)
        for key in keys:
            (place / key).write_bytes(b"x" * 2048)
    with psycopg.connect(bench.url) as link, link.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO plain VALUES (%s, 'acme', now(), 2048)", [(k,) for k in keys]
        )

    def delete(key: str) -> None:
        for place in places:
            (place / key).unlink()
            _fsync(place)
        side.execute("DELETE FROM plain WHERE key = %s", key)

    return delete, keys


def _fsync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def scrubs(bench: Bench, sizes: Sizes) -> Row:
    """Scrub a bucket, beside one HEAD an object."""
    with ExitStack() as stack:
        # as another process would, in which each record is an object
        needs = Dependencies(clock=lambda _: bench.clock, limits=Limits(own_pack=1))
        homes = stack.enter_context(open_homes(bench.place.settings(), dependencies=needs))
        store = stack.enter_context(Store(homes, sleep=time.sleep))
        tell(f"scrub {sizes.scrubbed:,} objects")
        ours.put_from_threads(store.tenant(TENANT), bodies_of(sizes.scrubbed), threads=16)
    region = bench.homes.served(HOME).region
    target = Target(region, "eu-a", unpaced(), make_logger(io.StringIO()))
    found = Found()
    with plain(bench, max(THREADS)) as side:
        pages = side.s3.get_paginator("list_objects_v2").paginate(Bucket=bench.buckets[0])
        keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
        heads = keys[: sizes.headed]

        def head(key: str) -> None:
            side.s3.head_object(Bucket=bench.buckets[0], Key=key)

        for _ in range(sizes.rounds):
            ways = [partial(spread_over, threads, heads, head) for threads in THREADS]
            found.add("base", bench.meter.best(ways, len(heads)))
            found.add("ours", bench.meter.measure(lambda: _scrub(target), len(keys)))
    own, base = found.of("ours"), found.of("base")
    return Row(
        FAMILY,
        f"scrub {len(keys):,} objects",
        (Figure("times HEAD", "x", ratios(base, own), Goal(20.0)),),
        (Side("Domicile, 1 % read whole", own), Side("boto3 HEAD", base)),
    )


def _scrub(target: Target) -> None:
    whole_round(target, SHARE, tell=lambda _: None, wait=time.sleep)


def all_of(benches: Sequence[Bench], sizes: Sizes) -> Iterator[Row]:
    """Yield the rows for which time passes: on directories, then on S3."""
    on_disk, on_s3 = benches
    for bench in benches:
        let_time_pass(bench)
    yield expiries(on_disk, sizes)
    yield expiries(on_s3, sizes)
    yield expiries(on_s3, sizes, held=True)
    yield scrubs(on_s3, sizes)
