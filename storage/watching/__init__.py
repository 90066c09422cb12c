"""Watching a process and its regions: metrics, probes, and what a monitor is told.

``instruments`` gives the metrics to OpenTelemetry, and ``exporter`` those to Prometheus: both need
the extra ``metrics``. The names of all metrics are in ``docs/howto/watch.md``.
"""
