"""What the server counts about itself, and the exposition of everything that the process counts."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboards.server.services import Services, services_of

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ServerMetrics:
    """Requests by route (never by path: paths are unbounded) and the alert stream."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "fengsui_http_requests", "Requests answered", ("method", "route", "status"), registry=registry
        )
        self.duration = Histogram(
            "fengsui_http_duration_seconds", "Time to answer", ("route",), buckets=_BUCKETS_S, registry=registry
        )
        self.clients = Gauge("fengsui_stream_clients", "Boards connected to the alert stream", registry=registry)
        self.evicted = Counter(
            "fengsui_stream_evicted", "Boards cut off because they read too slowly", registry=registry
        )
        self.transitions = Counter("fengsui_stream_transitions", "Transitions told to the boards", registry=registry)
        self._alerts = Gauge("fengsui_live_alerts", "Alerts in the live state", registry=registry)
        self._from_log = Gauge(
            "fengsui_live_from_log",
            "1 while a shared live state is read from the log, without its Redis",
            registry=registry,
        )

    def watch(self, services: Services) -> None:
        """What is asked for when metrics are."""
        self._alerts.set_function(lambda: len(services.live))
        self._from_log.set_function(
            lambda: (followed := services.live_source()) is not None and followed.source == "log"
        )


class Measured:
    """Counts and times each request under the route that answered it."""

    def __init__(self, app: ASGIApp, metrics: ServerMetrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, begun_s = 500, time.monotonic()

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            route = scope.get("fengsui.route", "other")
            method = scope["method"] if scope["method"] in ("GET", "POST", "DELETE", "HEAD", "OPTIONS") else "other"
            self.metrics.requests.labels(method, route, str(status)).inc()
            self.metrics.duration.labels(route).observe(time.monotonic() - begun_s)


def exposition(registry: CollectorRegistry) -> bytes:
    """All counters as OpenMetrics."""
    made: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]  # the library has no types here
    return made


async def show_metrics(request: Request) -> Response:
    """GET /metrics: OpenMetrics 1.0.0."""
    services = services_of(request)
    await services.auth.require(request)
    return Response(exposition(services.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
