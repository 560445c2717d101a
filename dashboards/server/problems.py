"""Errors as RFC 9457 problem details: a title that says what to do, a detail that says what was wrong."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEDIA_TYPE = "application/problem+json"

_log = logging.getLogger("fengsui.server")

_TITLES = {
    400: "Correct the request",
    401: "Sign in, or send a valid token as Authorization: Bearer",
    403: "Ask an administrator for this right",
    404: "Check the address: there is nothing here",
    405: "Use one of the methods named in Allow",
    406: "Ask for application/json, text/csv or application/vnd.apache.parquet",
    408: "Send the body without long pauses",
    409: "Load the alert again: its state does not allow this",
    413: "Send the events in smaller bodies (at most 64 MB each)",
    415: "Send NDJSON, a JSON array or CloudEvents, plain or gzip",
    429: "Slow down, then try again",
    500: "Report this to the operators: it is a fault of the server",
    503: "Try again after the seconds named in Retry-After",
    507: "Free space on the disk of the data directory",
}


class Problem(Exception):
    """An answer other than 2xx. ``retry_after_s`` says that trying again can help, and when; ``extra`` are more members."""

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        title: str = "",
        retry_after_s: float | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail or title)
        self.status = status
        self.title = title or _TITLES.get(status, "Correct the request")
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})
        if retry_after_s is not None:
            self.headers["Retry-After"] = str(max(1, round(retry_after_s)))

    def response(self) -> Response:
        body: dict[str, Any] = {"type": "about:blank", "status": self.status, "title": self.title}
        if self.detail:
            body["detail"] = self.detail
        body.update(self.extra)
        return Response(msgspec.json.encode(body), self.status, headers=self.headers, media_type=MEDIA_TYPE)


async def on_problem(_request: Request, error: Exception) -> Response:
    """Handler for :class:`Problem`."""
    assert isinstance(error, Problem)
    return error.response()


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Handler for what the framework raises: no such route, no such method."""
    assert isinstance(error, HTTPException)
    detail = f"{request.method} {request.url.path[:200]}" if error.status_code in (404, 405) else str(error.detail)
    return Problem(error.status_code, detail, headers=error.headers).response()


class Shield:
    """The outermost layer: a fault of ours becomes a 500 problem, with the trace in the log and not in the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def watch(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception:
            _log.exception("fault while answering %s %s", scope["method"], scope["path"])
            if begun:
                raise
            await Problem(500).response()(scope, receive, send)
