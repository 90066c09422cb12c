"""The metrics of a process for Prometheus. Needs the extra ``metrics``."""

import threading

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from storage.watching.instruments import Instruments
from storage.watching.probes import Answer, metrics


class Exporter:
    """Instruments, and the page on which Prometheus finds them. Close it."""

    def __init__(self) -> None:
        """Make a provider of its own: nothing global is used."""
        self._registry = CollectorRegistry()
        reader = PrometheusMetricReader(
            disable_target_info=True, scope_info_enabled=False, registry=self._registry
        )
        self._lock = threading.Lock()  # the reader mixes up two that collect at once
        self._provider = MeterProvider(metric_readers=[reader], shutdown_on_exit=False)
        self.instruments = Instruments(self._provider)

    def page(self) -> Answer:
        """Return the page, collected now."""
        with self._lock:
            return metrics(generate_latest(self._registry), CONTENT_TYPE_LATEST)

    def close(self) -> None:
        """Collect nothing more."""
        self._provider.shutdown()
