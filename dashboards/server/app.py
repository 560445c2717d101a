"""The application: every route, who may use it, and the layers around it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from dashboards.server import alerts, events, feeds, health, history, live, openapi, rules, session, subjects, trend
from dashboards.server.acts import Acts
from dashboards.server.board import Board
from dashboards.server.intake import Intake
from dashboards.server.journal import Journal
from dashboards.server.metrics import Measured, ServerMetrics, show_metrics
from dashboards.server.params import on_filter_error
from dashboards.server.presence import Presence
from dashboards.server.problems import Problem, Shield, on_http_exception, on_problem
from dashboards.server.questions import on_store_error
from dashboards.server.security import SecurityHeaders
from dashboards.server.series import show_series
from dashboards.server.services import Services, Verb, services_of
from dashboards.server.static import show_board
from dashboards.server.stream import Hub, StreamRoute
from sinks.filters import FilterError
from sinks.store.errors import StoreError

_log = logging.getLogger("fengsui.server")

API = "/api/v1"
VERBS: tuple[Verb, ...] = ("ack", "assign", "note", "resolve", "reopen")

Handler = Callable[[Request], Awaitable[Response]]


def create_app(services: Services) -> Starlette:
    """The ASGI application over running parts. Its lifespan runs the alert stream; the parts are started and stopped outside.

    ``app.state.hub.close()`` tells the boards that the server goes down: call it before the server closes its connections.
    """
    metrics = ServerMetrics(services.registry)
    metrics.watch(services)
    hub = Hub(Journal(services.transition_log), metrics, max_clients=services.settings.max_boards)
    intake, acts = Intake(max_body_bytes=services.settings.max_body_bytes), Acts()

    auth = services.auth
    presence = Presence(hub.people, auth.shared, auth.signins.keep)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        tail = asyncio.create_task(hub.run())
        sharing = asyncio.create_task(presence.run())
        tail.add_done_callback(_tell)
        try:
            yield
        finally:
            await hub.close()
            for task in (tail, sharing):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task
            await presence.leave()
            if auth.shared is not None:
                await auth.shared.close()
            intake.close()
            acts.close()

    app = Starlette(
        routes=routes(hub, intake, acts),
        lifespan=lifespan,
        exception_handlers={
            Problem: on_problem,
            HTTPException: on_http_exception,
            FilterError: on_filter_error,
            StoreError: on_store_error,
        },
        middleware=[Middleware(Measured, metrics=metrics), Middleware(SecurityHeaders), Middleware(Shield)],
    )
    app.state.services = services
    app.state.hub = hub
    app.state.presence = presence
    app.state.intake = intake
    return app


def _tell(tail: asyncio.Task[None]) -> None:
    if not tail.cancelled() and tail.exception() is not None:
        _log.critical("the alert stream has stopped", exc_info=tail.exception())


def routes(hub: Hub, intake: Intake, acts: Acts) -> Sequence[BaseRoute]:
    """Every route. What is not public asks for a token or a session before its handler is called."""
    api = [
        route("/events", {"GET": events.list_events, "POST": intake.post}),
        route("/dead-letters", {"GET": events.list_dead_letters}),
        route("/history", {"GET": history.show_page}),
        route("/history/outline", {"GET": history.show_outline}),
        route("/history/openings", {"GET": history.show_openings}),
        route("/history/rules", {"GET": history.show_bundle}),
        route("/alerts", {"GET": alerts.list_alerts}),
        WebSocketRoute("/alerts/stream", StreamRoute(hub).listen),
        route("/alerts/{id}", {"GET": alerts.show_alert}),
        route("/alerts/{id}/series", {"GET": show_series}),
        *(route(f"/alerts/{{id}}/{verb}", {"POST": partial(acts.post, verb=verb)}) for verb in VERBS),
        route("/rules", {"GET": rules.list_rules}),
        route("/rules/reload", {"POST": rules.reload_rules}),
        route("/rules/schema", public={"GET": rules.show_schema}),  # asks for a key or a token itself
        route("/rules/{id}", {"GET": rules.show_rule}),
        route("/live", {"GET": live.show_live}),
        route("/live/rebuild", {"POST": live.rebuild_live}),
        route("/feeds", {"GET": feeds.list_feeds}),
        route("/subjects/{id:path}", {"GET": subjects.show_subject}),
        route("/trend", {"GET": trend.show_trend}),
        route("/board/summary", {"GET": Board().show_summary}),
        route("/me", {"GET": session.show_me}),
        route("/session", {"DELETE": session.sign_out}, public={"POST": session.sign_in}),
        route("/openapi.json", {"GET": openapi.show_description}),
    ]
    return [
        Mount(API, routes=api),
        route("/metrics", {"GET": show_metrics}),
        route("/healthz", public={"GET": health.show_liveness}),
        route("/readyz", public={"GET": health.show_readiness}),
        route("/signin", public={"GET": session.follow_link}),
        route("/{path:path}", public={"GET": show_board}),
    ]


def route(path: str, handlers: dict[str, Handler] | None = None, *, public: dict[str, Handler] | None = None) -> Route:
    private, everyone = handlers or {}, public or {}

    async def answer(request: Request) -> Response:
        request.scope["fengsui.route"] = path
        method = "GET" if request.method == "HEAD" else request.method
        handler = everyone.get(method)
        if handler is None:
            request.state.principal = await services_of(request).auth.require(request)
            handler = private[method]
        return await handler(request)

    return Route(path, answer, methods=[*private, *everyone])
