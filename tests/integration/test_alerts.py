"""Each alert is caused, as its section of the runbook has it, and is over when that is followed."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
import structlog
import yaml

from regions.backends import PostureAttested
from regions.fields import PostureCheck
from storage.errors import TooFewReplicas
from storage.model import DataClass, NewRecord, Posture, PostureFinding, PutResult, Reason, Scope
from storage.policy import horizon_wanted
from storage.region import Limits, OpenRegion
from storage.testing import Call, Domicile, Gate, redirect
from storage.testing.connections import watching as catalog_faults
from storage.watching.exporter import Exporter
from storage.workers.loop import Duty, Worker
from tests.support.actions import duty, erase, put_prompt, work
from tests.support.holds import confirm, place_hold, release_holds
from tests.support.inspect.stored import HOME, home
from tests.support.people import as_person, person, staff
from tests.support.promql import evaluate, names_in, parse
from tests.support.scrubs import keys_of, overwrite, scrubbed
from tests.support.watching import Watched, watching

pytestmark = pytest.mark.one_region

ROOT = Path(__file__).parents[2]
RULES = yaml.safe_load((ROOT / "deploy/prometheus/domicile.rules.yml").read_text())
ALERTS: Mapping[str, Any] = {
    rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]
}
BOARD = json.loads((ROOT / "deploy/grafana/domicile.json").read_text())
RUNBOOK = (ROOT / "docs/runbook.md").read_text()
PROMPT = DataClass.PROMPT
BACKENDS = ("eu-a", "eu-b")
GOOD = dict.fromkeys(PostureCheck, PostureFinding.OK)
BAD = GOOD | {PostureCheck.REPLICATION: PostureFinding.BAD}

Walk = Callable[["Case"], Iterator[None]]
"""Causes an alert, yields once it fires, follows the runbook, and checks that it is over."""

WALKS: dict[str, Walk] = {}


class Case:
    """A Domicile with a worker that is watched, and the alert to be caused."""

    def __init__(self, domicile: Domicile, stack: ExitStack, alert: str) -> None:
        """Open nothing yet."""
        self.domicile, self.stack = domicile, stack
        self.expression: str = ALERTS[alert]["expr"]
        self._seen: Watched | None = None

    def watch(self, **how: Any) -> Watched:  # noqa: ANN401
        """Open the process that is watched."""
        self.domicile.tenant()
        self._seen = self.stack.enter_context(watching(self.domicile, **how))
        self.seen.scrape()
        return self.seen

    @property
    def seen(self) -> Watched:
        """The process that is watched."""
        assert self._seen is not None
        return self._seen

    def quiet(self) -> None:
        """Check that the alert does not fire."""
        assert self.seen.fires(self.expression) == {}

    def fires(self) -> bool:
        """Return whether the alert fires."""
        return bool(self.seen.fires(self.expression))


def walk(alert: Walk) -> Walk:
    """Register the walk of the alert of that name."""
    name = "".join(part.capitalize() for part in alert.__name__.split("_"))
    WALKS[f"Domicile{name}"] = alert
    return alert


@walk
def worker_missing(case: Case) -> Iterator[None]:
    """Only a service is scraped."""
    exporter = Exporter()
    case.stack.callback(exporter.close)
    page = parse(exporter.page().body.decode())
    assert evaluate(case.expression, [page])
    case.watch()
    yield
    assert not case.fires()


@walk
def worker_still(case: Case) -> Iterator[None]:
    """A piece of work hangs."""
    clock, gate, exporter = [0.0], Gate(), Exporter()
    case.stack.callback(exporter.close)

    def hang() -> int:
        gate.wait()
        return 0

    worker = Worker(
        {HOME: lambda: [Duty(HOME, "hangs", hang)]}, structlog.get_logger(), clock=lambda: clock[0]
    )
    exporter.instruments.observe_worker(worker.still)

    def fires() -> bool:
        return bool(evaluate(case.expression, [parse(exporter.page().body.decode())]))

    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(worker.run_once)
        assert gate.reached.wait(60)
        clock[0] = 900.0
        assert not fires()
        clock[0] = 901.0
        assert fires()
        gate.open.set()
        running.result()
    yield
    assert not fires()


@walk
def duty_fails(case: Case) -> Iterator[None]:
    """The catalog does not answer while the worker works."""
    seen = case.watch()
    region = seen.homes.served(HOME).region
    with catalog_faults(region.catalog) as faults:
        seen.worker.run_round()
        case.quiet()
        faults.down = True
        region.catalog.engine.dispose()
        for _ in range(2):
            assert seen.worker.run_round().failed
            seen.scrape()
        assert seen.worker.run_round().failed
        assert case.fires()
        yield
        faults.down = False
        region.catalog.engine.dispose()
        assert not seen.worker.run_round().failed
        seen.scrape()
    assert not case.fires()


@walk
def region_down(case: Case) -> Iterator[None]:
    """The catalog does not answer. The metrics of the region are missing, not old."""
    seen = case.watch()
    case.quiet()
    region = seen.homes.served(HOME).region
    with catalog_faults(region.catalog) as faults:
        faults.down = True
        region.catalog.engine.dispose()
        assert case.fires()
        assert "domicile_overdue_seconds" not in seen.scrapes[-1].names
        yield
        faults.down = False
    assert not case.fires()


@walk
def region_blocked(case: Case) -> Iterator[None]:
    """All buckets turn bad, and are corrected."""
    for name in BACKENDS:
        case.domicile.backends[name].inject(lambda _: GOOD, "posture")
    case.watch()
    case.quiet()
    turn(case.domicile, BAD)
    assert case.fires()
    yield
    turn(case.domicile, GOOD)
    assert not case.fires()


@walk
def backend_closed(case: Case) -> Iterator[None]:
    """One bucket turns bad, and is corrected."""
    for name in BACKENDS:
        case.domicile.backends[name].inject(lambda _: GOOD, "posture")
    case.watch()
    case.quiet()
    turn(case.domicile, BAD, "eu-a")
    firing = case.seen.fires(case.expression)
    assert [dict(labels)["backend"] for labels in firing] == ["eu-a"]
    yield
    turn(case.domicile, GOOD, "eu-a")
    assert not case.fires()


def turn(domicile: Domicile, posture: Posture, *names: str) -> None:
    """Let buckets answer so, once what is known is too old."""

    def answer(_: Call) -> Posture:
        return posture

    for name in names or BACKENDS:
        domicile.backends[name].heal()
        domicile.backends[name].inject(answer, "posture")
    domicile.pass_time(minutes=6)


@walk
def overdue(case: Case) -> Iterator[None]:
    """No worker runs for a month."""
    case.watch()
    work(case.domicile, hours=1)  # no canary is left
    case.seen.tenant().put(PROMPT, b"hello")
    case.domicile.pass_time(days=15)
    case.quiet()
    case.domicile.pass_time(days=16)
    assert case.fires()
    numbers = case.seen.scrapes[-1].series
    assert [*numbers["domicile_overdue_records"].values()] == [1]
    assert [*numbers["domicile_overdue_expiry_days"].values()] == [1]
    yield
    work(case.domicile)
    work(case.domicile, hours=2)
    assert not case.fires()


@walk
def erasure_old(case: Case) -> Iterator[None]:
    """A backend does not answer for three weeks."""
    case.watch()
    put_prompt(case.domicile, "u")
    erase(case.domicile.tenant())
    case.domicile.take_down("eu-b")
    work(case.domicile, days=19)
    case.quiet()
    work(case.domicile, days=1, minutes=1)
    assert case.fires()
    assert [*case.seen.scrapes[-1].series["domicile_erasures_open"].values()] == [1]
    yield
    case.domicile.bring_back("eu-b")
    for _ in range(4):
        work(case.domicile, hours=2)
    assert not case.fires()


@walk
def replicas_missing(case: Case) -> Iterator[None]:
    """A backend is away during a write."""
    case.watch()
    case.quiet()
    case.domicile.take_down("eu-b")
    case.seen.tenant().put(PROMPT, b"hello")
    firing = case.seen.fires(case.expression)
    assert [dict(labels)["backend"] for labels in firing] == ["eu-b"]
    yield
    case.domicile.bring_back("eu-b")
    work(case.domicile, minutes=2)
    assert not case.fires()


@walk
def unrepaired(case: Case) -> Iterator[None]:
    """Both replicas are corrupt; one is put back."""
    case.watch()
    case.seen.tenant().put(PROMPT, b"hello")
    inner = {name: case.domicile.backends[name].inner for name in BACKENDS}
    keys = {name: keys_of(case.domicile, name)[-1] for name in BACKENDS}
    good = inner["eu-a"].get(keys["eu-a"])
    for name in BACKENDS:
        overwrite(inner[name], keys[name], bytes(len(good)))
    assert scrubbed(case.domicile, "eu-a", 1.0) == {"corrupt/unmended": 1}
    assert case.fires()
    yield
    for name in BACKENDS:
        overwrite(inner[name], keys[name], good)
    scrubbed(case.domicile, "eu-a", 1.0)
    assert not case.fires()


@walk
def orphans(case: Case) -> Iterator[None]:
    """Another client has copied an object, and removes it."""
    case.watch()
    put_prompt(case.domicile, "u")
    inner = case.domicile.backends["eu-a"].inner
    key = keys_of(case.domicile)[-1]
    inner.put(key[:-65] + "f" * 65, inner.get(key), timeout=30)
    erase(case.domicile.tenant())
    for name in ("plan", "purge", "sweep"):
        duty(case.domicile, name)
    assert case.fires()
    yield
    inner.purge(key[:-65] + "f" * 65)
    for _ in range(3):
        work(case.domicile, hours=1.1)
    assert not case.fires()


@walk
def backend_fails(case: Case) -> Iterator[None]:
    """A backend is away during writes."""
    seen = case.watch()
    case.domicile.take_down("eu-b")
    seen.tenant().put(PROMPT, b"one")
    seen.scrape()
    seen.tenant().put(PROMPT, b"two")
    firing = seen.fires(case.expression)
    assert {dict(labels)["backend"] for labels in firing} == {"eu-b"}
    yield
    case.domicile.bring_back("eu-b")
    seen.tenant().put(PROMPT, b"three")
    seen.scrape()
    seen.tenant().put(PROMPT, b"four")
    assert not case.fires()


@walk
def redirect_refused(case: Case) -> Iterator[None]:
    """A backend redirects once: that is enough."""
    seen = case.watch()
    case.quiet()
    case.domicile.backends["eu-a"].inject(redirect, "put")
    assert seen.tenant().put(PROMPT, b"hello").stored  # on the other
    firing = seen.fires(case.expression)
    assert {dict(labels)["backend"] for labels in firing} == {"eu-a"}
    yield
    case.domicile.backends["eu-a"].heal()
    seen.scrape()
    assert not case.fires()


@walk
def attestation_old(case: Case) -> Iterator[None]:
    """A document is from a year ago; then there is a new one."""
    today = case.domicile.clock.now().date()
    case.watch(change=partial(attested, today - timedelta(days=331)))
    assert case.fires()
    yield
    case.watch(change=partial(attested, today - timedelta(days=329)))
    assert not case.fires()


def attested(on: date, region: OpenRegion) -> OpenRegion:
    """Return the region with a document about its first backend."""
    first, *others = region.region.backends
    checks = frozenset({PostureCheck.REPLICATION})
    document = PostureAttested(on=on, document="d" * 64, checks=checks)
    first = first.model_copy(update={"posture_attested": document})
    return replace(region, region=region.region.model_copy(update={"backends": [first, *others]}))


@walk
def clocks_apart(case: Case) -> Iterator[None]:
    """The clock of the machine goes wrong, and is corrected."""
    case.watch()
    case.domicile.clock.machine_ahead = timedelta(seconds=60)
    case.quiet()
    case.domicile.clock.machine_ahead = timedelta(seconds=61)
    assert case.fires()
    yield
    case.domicile.clock.machine_ahead = timedelta()
    assert not case.fires()


@walk
def partitions_short(case: Case) -> Iterator[None]:
    """No worker makes any for some weeks."""
    case.watch()
    topology, today = home(case.domicile).topology, case.domicile.clock.now().date()
    case.quiet()
    case.domicile.pass_time(days=(horizon_wanted(topology, today) - today).days - 32)
    assert case.fires()
    assert [*case.seen.scrapes[-1].series["domicile_partitions_ahead_days"].values()] == [32]
    yield
    duty(case.domicile, "partitions")
    assert not case.fires()


@walk
def hold_unconfirmed(case: Case) -> Iterator[None]:
    """Nobody confirms it for three days."""
    case.watch()
    placed = place_hold(case.domicile)
    case.domicile.pass_time(hours=71)
    case.quiet()
    case.domicile.pass_time(hours=2)
    assert case.fires()
    yield
    confirm(case.domicile, placed)
    assert not case.fires()


@walk
def hold_unreviewed(case: Case) -> Iterator[None]:
    """Its day of review passes."""
    case.watch()
    placed = place_hold(case.domicile, review=case.domicile.clock.now().date() + timedelta(days=9))
    case.domicile.pass_time(days=9)
    case.quiet()
    case.domicile.pass_time(days=1)
    assert case.fires()
    assert [*case.seen.scrapes[-1].series["domicile_holds"].values()] == [1]
    yield
    release_holds(case.domicile, placed)
    assert not case.fires()


@walk
def log_waits(case: Case) -> Iterator[None]:
    """No backend takes the tiles of a new line, until there is room again."""
    case.watch()
    work(case.domicile)
    case.domicile.pass_time(hours=2)
    case.quiet()  # no line waits
    for name in BACKENDS:
        case.domicile.backends[name].full = True
    staff(case.domicile.settings, case.domicile.clock.now(), "kim")
    with as_person(case.domicile, "kim") as store:
        store.admin.roster.enter(HOME, person("erin"))
    work(case.domicile, minutes=59)
    case.quiet()
    work(case.domicile, minutes=2)
    assert case.fires()
    yield
    for name in BACKENDS:
        case.domicile.backends[name].full = False
    work(case.domicile, hours=2)
    assert not case.fires()
    [age] = case.seen.scrapes[-1].series["domicile_log_checkpoint_age_seconds"].values()
    assert age < 10


@walk
def buffer_full(case: Case) -> Iterator[None]:
    """A flush hangs, and more comes."""
    case.domicile.limits = Limits(buffer=10_000)
    seen = case.watch()
    seen.tenant().put(PROMPT, b"the day key is made")
    gate = Gate()
    case.domicile.backends["eu-a"].gates["put"] = gate
    case.domicile.backends["eu-b"].gates["put"] = gate
    with ThreadPoolExecutor(1) as threads:
        putting = threads.submit(seen.tenant().put, PROMPT, Random(7).randbytes(8_000))
        assert gate.reached.wait(60)
        assert case.fires()
        now = seen.scrapes[-1].series
        assert (
            [*now["domicile_lanes"].values()] == [*now["domicile_lanes_flushing"].values()] == [1]
        )
        gate.open.set()
        putting.result()
    yield
    assert not case.fires()


@walk
def calls_fail(case: Case) -> Iterator[None]:
    """No backend takes a write."""
    seen = case.watch()
    seen.tenant().put(PROMPT, b"zero")
    case.quiet()
    case.domicile.take_down(*BACKENDS)
    with pytest.raises(TooFewReplicas):
        seen.tenant().put(PROMPT, b"one")
    seen.scrape()
    with pytest.raises(TooFewReplicas):
        seen.tenant().put(PROMPT, b"two")
    firing = seen.fires(case.expression)
    assert [dict(labels)["error_type"] for labels in firing] == ["TooFewReplicas"]
    yield
    case.domicile.bring_back(*BACKENDS)
    seen.tenant().put(PROMPT, b"three")
    seen.scrape()
    assert not case.fires()


@pytest.mark.parametrize("alert", [*ALERTS])
def test_an_alert_fires_when_it_must_and_is_over_when_the_runbook_is_followed(
    domicile: Domicile, alert: str
) -> None:
    """Its cause is real: the alert is evaluated on what the worker's page says of it."""
    with ExitStack() as stack:
        assert len(list(WALKS[alert](Case(domicile, stack, alert)))) == 1


def test_every_alert_has_a_section_in_the_runbook() -> None:
    """Which its annotation leads to, in the order of the file."""
    assert re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE) == [*ALERTS]
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook_url"].endswith(f"/runbook/#{name.lower()}")
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert re.fullmatch(r"\d+[mh]", rule["for"])
    assert set(WALKS) == set(ALERTS)


@contextmanager
def everything(domicile: Domicile) -> Iterator[Watched]:
    """Yield a process in which every metric has a value."""
    for name in BACKENDS:
        domicile.backends[name].inject(lambda _: GOOD, "posture")
    domicile.tenant()
    today = domicile.clock.now().date()
    with watching(domicile, partial(attested, today)) as seen:
        domicile.backends["eu-b"].inject(redirect, "put")
        found = seen.tenant().put(PROMPT, b"hello")
        assert all(
            isinstance(x, PutResult) for x in seen.tenant().put_many([NewRecord(PROMPT, b"many")])
        )
        seen.tenant().erase(Scope.record(found.id), reason=Reason.CUSTOMER_REQUEST)
        domicile.backends["eu-b"].heal()
        seen.worker.run_once()
        domicile.pass_time(minutes=11)
        seen.worker.run_once()
        yield seen


def test_the_rules_the_board_and_the_page_name_what_is_exported(domicile: Domicile) -> None:
    """And the page leaves nothing out, nor does the board."""
    with everything(domicile) as seen:
        exported = seen.scrape().names
    bare = {re.sub(r"_(bucket|count|sum)$", "", name) for name in exported}
    bare = {name for name in bare if name.startswith("domicile_") and not name.endswith("_created")}
    panels = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
    shown = {name for p in panels for x in p["targets"] for name in names_in(x["expr"])}
    ruled = {name for rule in ALERTS.values() for name in names_in(rule["expr"])}
    page = (ROOT / "docs/howto/watch.md").read_text().split("## What is measured")[1]
    listed = set(re.findall(r"`(domicile_\w+)`", page.split("## Alerts")[0]))

    assert ruled <= exported
    assert shown <= exported
    assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in shown} == bare
    assert listed == bare


def test_the_labels_are_places_and_codes(domicile: Domicile) -> None:
    """No tenant, no subject, no content, no file name."""
    with everything(domicile) as seen:
        scrape = seen.scrape()
        _, page = seen.get("/metrics")
    labels = {name for series in scrape.series.values() for labels in series for name, _ in labels}
    assert labels == {"region", "backend", "duty", "call", "error_type", "le"}
    assert "acme" not in page
    assert "hello" not in page


def test_the_board_is_whole() -> None:
    """Every panel has a number of its own and its place, says what it shows, and asks something."""
    numbers, places = set(), set()
    for panel in BOARD["panels"]:
        numbers.add(panel["id"])
        place = panel["gridPos"]
        places.add((place["x"], place["y"]))
        assert place["x"] + place["w"] <= 24
        if panel["type"] != "row":
            assert panel["description"].endswith(".")
            assert panel["targets"]
    assert len(numbers) == len(places) == len(BOARD["panels"])
    variables = {v["name"] for v in BOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(BOARD["panels"])))
    assert used - {"__rate_interval"} <= variables
