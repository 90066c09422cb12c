"""Rows about reading packed records, and about files of hundreds of MiB, in and out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import ours
from benchmarks.child import Child, blocks, children
from benchmarks.plain import plain, spread_over
from benchmarks.results import Cost, Figure, Goal, Row, Side, percentile, ratios
from benchmarks.setting import CHAT, TENANT, Bench, bodies_of
from benchmarks.sizes import Sizes
from benchmarks.writes import DURABLE, Found, tell
from storage.model import Purpose, RecordId

FAMILY = "reading"
READERS = (1, 16)
PEAK = 200.0  # MiB
_BASE = "boto3 GET, lookup"
_KEY = "file"


def packed(bench: Bench, sizes: Sizes) -> Iterator[Row]:
    """Read packed records, beside objects of boto3 that are looked up first."""
    bodies = bodies_of(sizes.reads)
    ids = ours.put_many(bench.store.tenant(TENANT), bodies)
    with plain(bench, max(READERS)) as side:
        keys: list[str] = []
        spread_over(max(READERS), bodies[: sizes.reads], lambda body: keys.append(side.put(body)))
    for threads in READERS:
        yield _packed(bench, sizes, threads, ids, keys)


def _packed(
    bench: Bench, sizes: Sizes, threads: int, ids: Sequence[RecordId], keys: Sequence[str]
) -> Row:
    found, late = Found(), list[float]()
    bound = bench.store.tenant(TENANT).bind(CHAT)
    with plain(bench, threads) as side:
        own = partial(spread_over, threads, ids, partial(bound.get, purpose=Purpose.SERVE))
        base = partial(spread_over, threads, keys, side.get)
        for number in range(sizes.rounds + 1):
            tell(f"reads from {threads} threads, round {number} of {sizes.rounds}")
            costs = {
                name: _timed(bench, work, len(ids))
                for name, work in (("ours", own), ("base", base))
            }
            if number > 0:  # the first warms
                for name, (cost, _) in costs.items():
                    found.add(name, cost)
                late.append(costs["ours"][1] / costs["base"][1])
    return Row(
        FAMILY,
        f"get of a packed record, {threads} thread{'s' * (threads > 1)}",
        (
            Figure("times boto3", "x", ratios(found.of("base"), found.of("ours")), Goal(1.0)),
            Figure("p99, of boto3's", "x", tuple(late), Goal(1.1, least=False)),
        ),
        (Side("Domicile", found.of("ours")), Side(_BASE, found.of("base"))),
    )


def _timed(bench: Bench, work: Callable[[], list[float]], count: int) -> tuple[Cost, float]:
    """Return what an operation cost, and the 99th percentile of how long one took."""
    took: list[float] = []
    cost = bench.meter.measure(lambda: took.extend(work()), count)
    return cost, percentile(took, 0.99)


def files(bench: Bench, sizes: Sizes) -> Iterator[Row]:
    """Write and read a file in a process of its own, beside what boto3 does with one."""
    found, peaks = Found(), dict[str, list[float]](put_file=[], read_file=[])
    file, size = bench.place.home.parent / "file", sizes.file >> 20
    with file.open("wb") as out:
        out.writelines(blocks(sizes.file))
    uploads = [partial(_upload, bench, file, threads) for threads in (1, 2)]
    downloads = [partial(_download, bench, block) for block in (1 << 20, 8 << 20)]
    with children(bench.place, 1) as (child,):
        for number in range(sizes.files):
            tell(f"files, round {number + 1} of {sizes.files}")
            found.add("upload", bench.meter.best(uploads, size))
            wrote = _ours(bench, found, child, size, do="put_file", path=str(file))
            found.add("download", bench.meter.best(downloads, size))
            read = _ours(bench, found, child, size, do="read_file", id=wrote["found"])
            assert read["found"] == sizes.file
            peaks["put_file"].append(wrote["peak"])
            peaks["read_file"].append(read["peak"])
    file.unlink()
    yield _file(f"{size} MiB in", found, ("put_file", "upload"), peaks, "upload_fileobj x 2")
    yield _file(f"{size} MiB out", found, ("read_file", "download"), peaks, "get_object, stream")


def _file(
    name: str,
    found: Found,
    which: tuple[str, str],
    peaks: Mapping[str, Sequence[float]],
    base: str,
) -> Row:
    own, theirs = (found.of(one) for one in which)
    promises = (DURABLE, "durable, as it was given") if which[0] == "put_file" else ("", "")
    return Row(
        "files",
        name,
        (
            Figure("times boto3", "x", ratios(theirs, own), Goal(0.95)),
            Figure("peak memory", "MiB", tuple(peaks[which[0]]), Goal(PEAK, least=False)),
        ),
        (Side("Domicile", own, promises[0], "MiB/s"), Side(base, theirs, promises[1], "MiB/s")),
    )


def _ours(bench: Bench, found: Found, child: Child, count: int, **order: object) -> dict[str, Any]:
    answers: list[dict[str, Any]] = []

    def work() -> None:
        child.tell(**order)
        answers.append(child.answer())

    cost = bench.meter.measure(work, count)
    spent = answers[0]["cpu"] / count
    found.add(str(order["do"]), Cost(cost.seconds, spent, cost.postgres, cost.server))
    return answers[0]


def _upload(bench: Bench, file: Path, threads: int) -> None:
    """Upload it to all buckets, one after the other or at once."""
    s3 = bench.s3(20)

    def one(bucket: str) -> None:
        with file.open("rb") as stream:
            s3.upload_fileobj(stream, bucket, _KEY)

    spread_over(threads, bench.buckets, one)
    s3.close()


def _download(bench: Bench, block: int) -> None:
    s3 = bench.s3()
    body = s3.get_object(Bucket=bench.buckets[0], Key=_KEY)["Body"]
    for _ in body.iter_chunks(block):
        pass
    s3.close()
