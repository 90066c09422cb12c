"""The metrics of a process, as instruments of OpenTelemetry. Needs the extra ``metrics``.

What happens is counted when it happens: a call, a flush, a failure. What is so is asked when it is
collected: what waits, and the readings of regions.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

from regions.version import VERSION
from storage.errors import BackendError, BackendMisplaced, BackendReplaced, DomicileError
from storage.meters import Flush, Load
from storage.watching.gauges import GAUGES, Gauge
from storage.watching.readings import Reading

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_RECORDS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
_BYTES: Final = tuple(4**n for n in range(5, 13))  # 1 KiB to 16 MiB

Readings = Callable[[], Mapping[str, Reading | None]]


class Instruments:
    """Counts for OpenTelemetry: give it to ``open_store`` as ``meters``.

    Labels are names of regions, backends and duties, and codes of errors; never a tenant, a subject
    or content.
    """

    def __init__(self, provider: MeterProvider) -> None:
        """Make the instruments of one process. ``provider``: that of the service."""
        self._meter = meter = provider.get_meter("domicile", VERSION)
        self._loads: dict[str, Callable[[], Load]] = {}
        self._calls = meter.create_histogram(
            "domicile.call.duration",
            unit="s",
            description="How long calls of services took. error_type: the error, if one ended so.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._flushes = meter.create_histogram(
            "domicile.flush.duration",
            unit="s",
            description="How long flushes took, from the announcement to the answers.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._flush_records = meter.create_histogram(
            "domicile.flush.records",
            unit="{record}",
            description="Records that were written together.",
            explicit_bucket_boundaries_advisory=_RECORDS,
        )
        self._flush_size = meter.create_histogram(
            "domicile.flush.size",
            unit="By",
            description="Sealed bytes that were written together.",
            explicit_bucket_boundaries_advisory=_BYTES,
        )
        self._failures = meter.create_counter(
            "domicile.backend.failures",
            unit="{failure}",
            description="Calls to backends that failed.",
        )
        self._redirects = meter.create_counter(
            "domicile.redirects.refused",
            unit="{redirect}",
            description="Redirects of backends, and answers from elsewhere, that were refused.",
        )
        self._duties = meter.create_histogram(
            "domicile.duty.duration",
            unit="s",
            description="How long duties of workers took. error_type: the error, if one ended so.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        for name, unit, about, take in (
            ("domicile.buffer", "By", "Bytes that wait to be flushed.", _buffered),
            ("domicile.buffer.limit", "By", "Bytes that may wait; then callers do.", _room),
            ("domicile.lanes", "{lane}", "Lanes in which records wait or are flushed.", _lanes),
            ("domicile.lanes.flushing", "{lane}", "Those that are flushed now.", _flushing),
        ):
            meter.create_observable_gauge(
                name, callbacks=[partial(self._observe_loads, take)], unit=unit, description=about
            )

    def observe_regions(self, readings: Readings) -> None:
        """Have the metrics of regions collected too. Call it once."""

        def up(_: CallbackOptions) -> Iterable[Observation]:
            for name, reading in readings().items():
                yield Observation(int(reading is not None), {"region": name})

        self._meter.create_observable_gauge(
            "domicile.region.up",
            callbacks=[up],
            description="1 if the region is open and its catalog answers.",
        )
        for gauge in GAUGES:
            self._meter.create_observable_gauge(
                gauge.name,
                callbacks=[partial(_observe, readings, gauge)],
                unit=gauge.unit,
                description=gauge.about,
            )

    def observe_worker(self, still: Callable[[], float]) -> None:
        """Have it collected for how many seconds a worker has ended no piece. Call it once."""

        def observed(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(still())]

        self._meter.create_observable_gauge(
            "domicile.worker.still",
            callbacks=[observed],
            unit="s",
            description="Since the worker last ended a piece of work, or began a round.",
        )

    def opened(self, region: str, backends: Iterable[str], load: Callable[[], Load]) -> None:
        """Observe what waits there. A region that is opened again takes the place of the former."""
        self._loads[region] = load
        for name in backends:  # Prometheus does not see a counter grow that begins at 1
            self._redirects.add(0, {"region": region, "backend": name})

    def called(self, region: str, call: str, seconds: float, error: BaseException | None) -> None:
        """Record a call of a service."""
        self._calls.record(seconds, _labels(error, region=region, call=call))

    def flushed(self, region: str, flush: Flush) -> None:
        """Record a flush."""
        labels = {"region": region}
        self._flushes.record(flush.seconds, labels)
        self._flush_records.record(flush.records, labels)
        self._flush_size.record(flush.bytes, labels)

    def backend_failed(self, region: str, error: BackendError) -> None:
        """Count a failed call, and if it was one, a refused redirect."""
        about = {"region": region, "backend": error.backend}
        self._failures.add(1, _labels(error, **about))
        if isinstance(error, BackendMisplaced) and not isinstance(error, BackendReplaced):
            self._redirects.add(1, about)

    def worked(self, region: str, duty: str, seconds: float, error: BaseException | None) -> None:
        """Record a duty."""
        self._duties.record(seconds, _labels(error, region=region, duty=duty))

    def _observe_loads(
        self, take: Callable[[Load], int], _: CallbackOptions
    ) -> Iterable[Observation]:
        for region, load in list(self._loads.items()):
            yield Observation(take(load()), {"region": region})


def _observe(readings: Readings, gauge: Gauge, _: CallbackOptions) -> Iterable[Observation]:
    for region, reading in readings().items():
        for backend, value in gauge.take(reading) if reading is not None else ():
            yield Observation(value, _of(region, backend))


def _of(region: str, backend: str | None) -> dict[str, str]:
    return {"region": region} if backend is None else {"region": region, "backend": backend}


def _labels(error: BaseException | None, **labels: str) -> dict[str, str]:
    if error is None:
        return labels
    code = error.code if isinstance(error, DomicileError) else type(error).__name__
    return {**labels, "error_type": code}


def _buffered(load: Load) -> int:
    return load.buffered


def _room(load: Load) -> int:
    return load.room


def _lanes(load: Load) -> int:
    return load.lanes


def _flushing(load: Load) -> int:
    return load.flushing
