"""Prometheus metrics of one server, in a registry of its own."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from radsmith.server.jobs.pool import Pool
from radsmith.server.jobs.queue import Jobs
from radsmith.server.store.members import Members

_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300)


class _State(Collector):
    """Read when asked: the queue and the workers."""

    def __init__(self, jobs: Jobs, pool: Pool, members: Members) -> None:
        self._jobs = jobs
        self._pool = pool
        self._members = members

    def collect(self) -> Iterator[Metric]:
        """Of prometheus_client."""
        jobs = GaugeMetricFamily("radsmith_jobs", "Jobs by state", labels=["state"])
        counts = self._jobs.counts()
        for state in ("queued", "running", "done", "failed", "cancelled"):
            jobs.add_metric([state], counts.get(state, 0))
        yield jobs
        alive = self._members.alive()
        yield GaugeMetricFamily(
            "radsmith_members", "Servers and workers that share the database", value=len(alive)
        )
        yield GaugeMetricFamily(
            "radsmith_members_workers", "Workers of all of them", value=sum(alive.values())
        )
        yield GaugeMetricFamily("radsmith_workers_ready", "Workers", value=self._pool.ready)
        yield GaugeMetricFamily(
            "radsmith_worker_restarts", "Workers replaced since the start", self._pool.restarts
        )
        yield GaugeMetricFamily(
            "radsmith_image_seconds", "Moving mean for one image", self._pool.seconds
        )


class Metrics:
    """Counts answers as they leave."""

    def __init__(self, jobs: Jobs, pool: Pool, members: Members) -> None:
        self._registry = CollectorRegistry()
        labels = ["route", "method", "status"]
        self._answers = Counter(
            "radsmith_requests", "Answers by route and status", labels, registry=self._registry
        )
        self._seconds = Histogram(
            "radsmith_request_seconds",
            "Time to answer",
            ["route"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._registry.register(_State(jobs, pool, members))

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """One answer. route: the template, so that labels stay few."""
        self._answers.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self._registry)
