"""The benchmarks that fill, press and count, in small: that they do what they say."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from sqlalchemy import text

from benchmarks import bill, fill, growth, pressure
from benchmarks.counter import counting
from benchmarks.probe import KINDS, STEADY, Counts
from benchmarks.setting import HOME, TENANT, Bench, new_directory, opened
from benchmarks.weed import REGION, Weed
from storage.model import RecordId
from storage.testing.s3 import Answer, Request, S3Server

_FEW = Counts(put_many=20, get=2, list=1, erase=1, rounds=1)


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that the user of PostgreSQL can enter."""
    with new_directory(Path(tempfile.gettempdir())) as made:
        yield made


@pytest.fixture
def server() -> Iterator[Weed]:
    """The S3 of moto in the place of SeaweedFS, which is for benchmarks alone."""
    with S3Server() as made:

        def make_bucket(request: Request) -> Answer | None:
            name = request.path.strip("/")
            if request.method != "PUT" or "/" in name or request.query:
                return None
            made.make_bucket(name, REGION)  # moto takes this server for one of another region
            return Answer()

        made.instead = make_bucket
        yield Weed(made.url, "key", "secret", os.getpid())


def count(bench: Bench, table: str, where: str = "true") -> int:
    """Return how many rows a table of the catalog has."""
    with bench.homes.served(HOME).region.catalog.begin() as connection:
        query = text(f"SELECT count(*) FROM {table} WHERE {where}")  # noqa: S608 - by tests alone
        return int(connection.scalar(query) or 0)


def test_a_catalog_is_filled_with_as_many_rows_as_are_asked_for(
    directory: Path, server: Weed
) -> None:
    """Otherwise what is said to have grown has not."""
    growing = growth.Growing(directory, server, _FEW)
    with ExitStack() as stack:
        bench, ids = growing.open(stack)
        model, before = RecordId.parse(ids[0]), count(bench, "record")
        page = bench.store.tenant(TENANT).list(subject=STEADY)
        fill.add_records(bench, model, 5000)  # more than a pack
        assert count(bench, "record") == before + 5000
        fill.add_tenants(bench, [f"t-{n}" for n in range(3)])
        assert count(bench, "tenant", "id LIKE 't-%'") == 3
        open_fences = count(bench, "fence")
        fill.add_fences(bench, 501)
        assert count(bench, "fence") == open_fences + 501
        there = fill.count_days(bench)
        fill.add_days(bench, model, 2, 7)
        assert fill.count_days(bench) == there + 2
        assert count(bench, "record") == before + 5000 + 14
        assert bench.store.tenant(TENANT).list(subject=STEADY) == page


@pytest.mark.deep
def test_growth_is_measured_at_each_size(directory: Path, server: Weed) -> None:
    """In several processes, each of which did all of its requests."""
    growing = growth.Growing(directory, server, _FEW)
    (found,) = growth.dimensions(growing, growth.Sizes(processes=2), ["processes"])
    assert [step.size for step in found.steps] == [1, 2]
    for step in found.steps:
        assert step.samples.keys() == set(KINDS)
        assert all(one.cost.ours > 0 for some in step.samples.values() for one in some)


def test_what_is_asked_of_the_servers_is_counted_there(directory: Path, server: Weed) -> None:
    """A pack is a PUT for each replica, a read is one GET, and a key of a day asks KMS once."""
    with counting(server.url) as counter:
        watch, front = bill.Watch(counter), replace(server, url=counter.url)
        with opened(directory, front, "count", kms=counter.kms()) as bench:
            life = bill.life(bench, watch, records=40, reads=3)
            phases = {one.name: one for one in islice(life, 5)}  # the rest is to expire
    assert phases["the key of a day"].requests["KMS Encrypt"] == 1
    assert phases[bill.WRITTEN].requests.keys() == {"PUT"}
    assert phases[bill.WRITTEN].requests["PUT"] % 2 == 0
    assert phases[bill.WRITTEN].sent > 2 * 40 * 500  # both replicas, compressed
    assert phases[bill.READ].requests == {"GET": 3}
    assert phases[bill.READ].scaled("GET") == pytest.approx(1e6)


@pytest.mark.deep
def test_a_whole_life_is_counted(directory: Path, server: Weed) -> None:
    """To the end, and who is idle asks nothing."""
    found = bill.run(directory, server, records=40, reads=3, seconds=0.2, rounds=1)
    phases = {one.name: one for one in bill.from_json(found)}
    assert phases["an idle service, 0 s"].requests == {}
    assert phases[bill.EXPIRED].requests["DELETE"] > 0
    assert "together" in "\n".join(bill.markdown(found))


@pytest.mark.deep
def test_pressure_is_measured(directory: Path, server: Weed) -> None:
    """Nothing that was accepted is lost, and a slow backend slows its own writes."""
    sizes = pressure.Sizes(seconds=0.5, capacity=200, delay=0.5, window=1.0, backlog=8)
    rows = list(pressure.rows(directory, server, sizes, []))
    figures = {(row.name, one.name): one.samples[0] for row in rows for one in row.figures}
    by_name = {name: value for (_, name), value in figures.items()}
    assert by_name["accepted and lost"] == 0
    assert by_name["put_many to it, of all fast"] < by_name["put_many elsewhere, of all fast"]
    assert by_name["the backlog lasts"] > 0
