"""What a benchmark says of its numbers. The numbers themselves are no test."""

import json
from dataclasses import asdict, replace
from xml.etree import ElementTree as ET

import pytest

from benchmarks import bill, growth, prices, table
from benchmarks.charts import LEFT, RIGHT, WIDTH, Bar, chart, lines
from benchmarks.counter import kind_of
from benchmarks.probe import KINDS, Sample
from benchmarks.report import between, drawn, measured_on
from benchmarks.results import (
    Cost,
    Figure,
    Goal,
    Report,
    Row,
    Side,
    from_json,
    percentile,
    ratios,
    to_json,
)

COST = Cost(0.001, 0.0001, 0.00002, 0.00003)
ABOUT = {
    "when": "2026-11-29T06:00:00+00:00",
    "quick": False,
    "commit": "abc",
    "cores": 2,
    "processor": "P",
    "memory": "24 GB",
    "disk": "ext4",
    "fsync_us": 2800,
    "kernel": "6",
    "python": "3.11",
    "packages": {"boto3": "1"},
    "postgresql": {"server_version": "18", "fsync": "on"},
    "load_before": 0.1,
    "budget": {"total": 90.0, "parts": {"the caller": 60.0}, "primitives": {"SHA-256": 2.0}},
}


def report(*figures: Figure) -> Report:
    """Return two rows with the same figures."""
    sides = (Side("Domicile", (COST, COST), "durable"), Side("boto3 & others", (COST,)))
    rows = (
        Row("writing 2 KiB", "put_many", figures, sides),
        Row("reading", "get of a packed record, 1 thread", figures, sides),
    )
    return Report(ABOUT, rows, {"LiteLLM": "it is not installed"})


@pytest.mark.parametrize(
    ("goal", "samples", "met"),
    [
        (Goal(50), (49.0, 50.0, 99.0), True),  # the median is on the bound
        (Goal(50), (49.9, 49.9, 500.0), False),  # one lucky round does not help
        (Goal(70, least=False), (1.0, 70.0, 900.0), True),
        (Goal(70, least=False), (1.0, 70.1, 71.0), False),
        (Goal(50), (), False),
        (Goal(0, least=False), (), False),
    ],
)
def test_a_goal_is_met_by_the_median(goal: Goal, samples: tuple[float, ...], met: bool) -> None:  # noqa: FBT001
    """Otherwise a table would say yes of a lucky round, or of nothing."""
    assert Figure("f", "x", samples, goal).met is met


def test_a_ratio_is_above_one_if_ours_is_faster() -> None:
    """The other way round, every slow configuration would look fast."""
    slow, fast = Cost(0.01, 0, 0, 0), Cost(0.001, 0, 0, 0)
    assert ratios([slow, fast], [fast, slow]) == pytest.approx((10.0, 0.1))


def test_rounds_that_were_not_measured_on_both_sides_have_no_ratio() -> None:
    """A ratio is that of one round: what else the machine does hits both sides of it."""
    with pytest.raises(ValueError, match="shorter"):
        ratios([COST, COST], [COST])


def test_a_percentile_is_a_value_that_was_measured() -> None:
    """Nothing is made up between two of them."""
    assert percentile([float(n) for n in range(1, 101)], 0.99) == 99.0
    assert percentile([5.0, 1.0], 0.99) == 5.0


def test_the_table_fits_its_width_and_names_what_is_missed_and_missing() -> None:
    """Nobody has to search the table for what is not good."""
    long = Figure("a name of a figure that is far too long", "MiB", (99999.0, 1.0), Goal(250))
    missed = Figure("times boto3", "x", (20.0,), Goal(50))
    lines = list(table.lines(report(long, missed)))
    assert max(map(len, lines)) <= table.WIDTH
    text = "\n".join(lines)
    assert "goals met: 2 of 4" in text
    assert "not met: put_many: times boto3: 20.0x, goal >= 50x" in text
    assert "not measured: LiteLLM" in text


def test_the_file_has_all_samples_and_verdicts_and_can_be_read_again() -> None:
    """The pages are made from the file, later."""
    first = report(Figure("times boto3", "x", (60.0, 61.0), Goal(50)))
    found = json.loads(json.dumps(to_json(first)))
    assert found["rows"][0]["figures"][0]["met"] is True
    assert from_json(found) == first


def test_a_page_keeps_what_is_written_by_hand() -> None:
    """Only what stands between the marks is made."""
    page = "Before.\n<!-- bench -->\nold\n<!-- end of bench -->\nAfter.\n"
    made = between(page, ["new"])
    assert made.startswith("Before.\n")
    assert made.endswith("\nAfter.\n")
    assert "old" not in made
    assert between(made, ["new"]) == made
    with pytest.raises(ValueError, match="the page has no"):
        between("a page without marks", ["new"])


def test_a_quick_run_says_so_on_the_page() -> None:
    """Numbers of a few rounds are not taken for those of a whole run."""
    quick = Report({**ABOUT, "quick": True}, ())
    assert "quick run" in "\n".join(measured_on(quick.about))
    assert "quick run" not in "\n".join(measured_on(report().about))


def test_every_chart_is_xml_and_no_bar_leaves_it() -> None:
    """Names with an ampersand, the longest bar, and its label too."""
    charts = dict(drawn(report(Figure("times boto3", "x", (60.0,)))))
    assert set(charts) == {"bench-writes.svg", "bench-cpu.svg", "bench-reads.svg"}
    for text in charts.values():
        bars = ET.fromstring(text).findall("{*}rect")  # noqa: S314 - made here
        assert bars
        for bar in bars:
            assert float(bar.get("x", "")) + float(bar.get("width", "")) <= WIDTH - RIGHT + 1


def test_bars_are_as_long_as_their_values() -> None:
    """And the parts of one stand side by side."""
    text = chart("t", [Bar("a", [2.0, 2.0], "4"), Bar("b", [1.0], "1")], ("p", "q"))
    bars = [one for one in ET.fromstring(text).findall("{*}rect") if one.get("height") == "20"]  # noqa: S314
    widths = [float(bar.get("width", "")) for bar in bars]
    room = WIDTH - LEFT - RIGHT
    assert widths == pytest.approx([room / 2, room / 2, room / 4], abs=0.1)


def grown(times: float) -> growth.Dimension:
    """Return what costs so many times as much at the end as at first."""
    steps = [
        growth.Step(size, {kind: [Sample(cost, 0.1, 0.2)] * 3 for kind in KINDS})
        for size, cost in ((10, COST), (1000, replace(COST, ours=COST.ours * times)))
    ]
    return growth.Dimension("records", steps)


def test_what_grows_is_named_and_what_is_flat_is_not() -> None:
    """Of 120 us, 100 are ours: 1.3 times that is reached at 1.36 times ours."""
    assert all("flat: yes" in line for line in growth.verdicts([grown(1.35)]))
    assert all("flat: no" in line for line in growth.verdicts([grown(1.37)]))
    assert "**1.31x**" in "\n".join(growth.markdown([grown(1.37)]))


def test_what_is_written_to_each_replica_may_grow_with_them() -> None:
    """Five replicas are five times the bytes; a read takes one of them."""
    replicas = replace(grown(5), name="replicas")
    assert [kind for kind in KINDS if replicas.goal(kind) is None] == ["put_many", "erase"]


def test_growth_can_be_read_again() -> None:
    """The page and the charts are made from the file, later."""
    first = [grown(2)]
    assert growth.from_json(json.loads(json.dumps([asdict(one) for one in first]))) == first


@pytest.mark.parametrize(("most", "first"), [(200_000, 5_000), (20, 10), (50, 50), (3, 10)])
def test_steps_end_where_they_should(most: int, first: int) -> None:
    """And each is more than the one before: nothing is measured twice."""
    steps = growth.steps_to(most, first)
    assert steps[-1] == most
    assert steps == sorted(set(steps))


def test_a_chart_of_lines_has_each_line_within_it() -> None:
    """The higher the value, the higher the point; names are escaped."""
    text = lines("a & b", ["1", "10"], {"get": [1.0, 3.0], "list": [1.0, 0.5]})
    found = ET.fromstring(text)  # noqa: S314 - made here
    first, second = found.findall("{*}polyline")
    (_, at_one), (right, at_three) = _points(first.get("points", ""))
    (_, also_at_one), (_, at_half) = _points(second.get("points", ""))
    assert at_three < at_one == also_at_one < at_half < float(found.get("height", ""))
    assert right < WIDTH


def _points(text: str) -> list[tuple[float, float]]:
    pairs = (one.split(",") for one in text.split())
    return [(float(x), float(y)) for x, y in pairs]


@pytest.mark.parametrize(
    ("method", "query", "kind"),
    [
        ("PUT", {}, "PUT"),
        ("PUT", {"partNumber": "1", "uploadId": "u"}, "PUT"),
        ("POST", {"uploads": ""}, "PUT"),
        ("POST", {"delete": ""}, "DELETE"),
        ("DELETE", {"uploadId": "u"}, "DELETE"),
        ("GET", {"list-type": "2"}, "LIST"),
        ("GET", {"versions": ""}, "LIST"),
        ("GET", {"uploads": ""}, "LIST"),
        ("GET", {"versioning": ""}, "GET"),
        ("HEAD", {}, "GET"),
    ],
)
def test_a_request_is_charged_by_its_kind(method: str, query: dict[str, str], kind: str) -> None:
    """A listing costs twelve times a GET, and a deletion nothing."""
    assert kind_of(method, query) == kind
    assert kind in prices.REQUESTS


def test_a_bill_adds_what_was_counted() -> None:
    """Scaled to a million records, and by replica where the goal is by replica."""
    phases = [
        bill.Phase(bill.WRITTEN, {"PUT": 98}, 440_000_000, 0, scale=5),
        bill.Phase(bill.AT_ONCE, {"PUT": 110}, 440_000_000, 0, scale=5),
        bill.Phase(bill.READ, {"GET": 100}, 0, 110_000, scale=10_000),
        bill.Phase(bill.EXPIRED, {"LIST": 400, "DELETE": 100}, 0, 0, scale=5),
        bill.Phase(bill.IDLE_DAY, {"GET": 10_000}, 0, 0),
    ]
    about = {"when": "2026-11-29", "commit": "c", "records": 200_000, "reads": 100, "replicas": 2}
    found = {"about": about, "phases": [asdict(one) for one in phases]}
    assert bill.puts(found, bill.WRITTEN) == 245
    assert [line.rpartition(" ")[2] for line in bill.verdicts(found)] == ["yes", "no"]
    assert bill.price_of(phases[0]) == pytest.approx(490 * 5 / 1e6)
    assert bill.price_of(phases[2]) == pytest.approx(0.4)
    assert bill.price_of(phases[3]) == pytest.approx(2000 * 5 / 1e6)
    stored = 2.2 * prices.STORAGE * bill.KEPT / prices.MONTH
    text = "\n".join(bill.markdown(found))
    assert f"| together | {490 * 5 / 1e6 + 0.4 + 0.01 + stored:,.4f} |" in text


def test_a_request_without_a_price_is_not_free() -> None:
    """Else a new kind of request would never be on the bill."""
    with pytest.raises(KeyError):
        prices.of_requests({"COPY": 1})
