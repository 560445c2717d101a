"""The application of a gateway: events in, rules reloaded, and its vitals. Everything else is a board's."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount

from dashboards.server import rules
from dashboards.server.answers import json_answer
from dashboards.server.app import API, route
from dashboards.server.intake import Intake
from dashboards.server.metrics import Measured, ServerMetrics, show_metrics
from dashboards.server.problems import Problem, Shield, on_http_exception, on_problem
from dashboards.server.security import SecurityHeaders

#: What keeps it from taking events, by part; empty where nothing does.
Readiness = Callable[[], Mapping[str, str]]


def create_intake_app(services: Any, readiness: Readiness) -> Starlette:
    """``services``: of :class:`dashboards.server.services.Services` only auth, registry, gateway, rules and settings."""
    metrics = ServerMetrics(services.registry)
    intake = Intake(max_body_bytes=services.settings.max_body_bytes)

    async def alive(_request: Request) -> Response:
        return json_answer({"status": "ok"})

    async def ready(_request: Request) -> Response:
        reasons = [{"part": part, "level": "stalled", "title": title} for part, title in sorted(readiness().items())]
        return json_answer({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            intake.close()

    api = [route("/events", {"POST": intake.post}), route("/rules/reload", {"POST": rules.reload_rules})]
    app = Starlette(
        routes=[
            Mount(API, routes=api),
            route("/metrics", {"GET": show_metrics}),
            route("/healthz", public={"GET": alive}),
            route("/readyz", public={"GET": ready}),
        ],
        lifespan=lifespan,
        exception_handlers={Problem: on_problem, HTTPException: on_http_exception},
        middleware=[Middleware(Measured, metrics=metrics), Middleware(SecurityHeaders), Middleware(Shield)],
    )
    app.state.services = services
    app.state.intake = intake
    return app
