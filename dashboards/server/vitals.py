"""The small server of a process that has no board: /metrics, /healthz and /readyz, for supervisors on the same machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from socket import socket

import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards.server.answers import json_answer
from dashboards.server.metrics import exposition
from dashboards.server.serve import uvicorn_config

#: What keeps the process from its work, by part; empty where nothing does.
Readiness = Callable[[], Mapping[str, str]]


def vitals_app(registry: CollectorRegistry, readiness: Readiness) -> Starlette:
    """Without tokens, so for a loopback address, or one that only supervisors reach."""

    async def metrics(_request: Request) -> Response:
        return Response(exposition(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def health(_request: Request) -> Response:
        return json_answer({"status": "ok"})

    async def ready(_request: Request) -> Response:
        reasons = [{"part": part, "title": title} for part, title in sorted(readiness().items())]
        return json_answer({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    return Starlette(routes=[Route("/metrics", metrics), Route("/healthz", health), Route("/readyz", ready)])


class Vitals:
    """Serves them in a thread. ``listener``: bound, and closed by whoever bound it, after :meth:`stop`."""

    def __init__(self, registry: CollectorRegistry, readiness: Readiness, listener: socket) -> None:
        self._listener = listener
        self._server = uvicorn.Server(uvicorn_config(vitals_app(registry, readiness)))
        self._thread = threading.Thread(target=self._serve, name="vitals", daemon=True)

    def _serve(self) -> None:
        self._server.run(sockets=[self._listener])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
