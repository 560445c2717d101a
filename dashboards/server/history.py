"""GET /history...: stored events in the order of the log, for backtests that run elsewhere. For operators."""

from __future__ import annotations

import io
from collections.abc import Sequence

import msgspec
import polars as pl
from starlette.requests import Request
from starlette.responses import Response

from dashboards.server.answers import json_answer
from dashboards.server.params import bad, whole
from dashboards.server.problems import Problem
from dashboards.server.questions import ask
from dashboards.server.services import Services, services_of
from events.times import MAX_MS, MIN_MS, parse_instant

ARROW = "application/vnd.apache.arrow.stream"
#: Where the next page begins.
NEXT = "Fengsui-Next"
MAX_NAMES = 1_000
_MAX_POS = 1 << 62
_ROWS = 20_000
#: About 25 MB of usual events.
_MAX_ROWS = 100_000
_SPAN = 200_000


async def show_outline(request: Request) -> Response:
    """Where a stretch of event time lies in the log, with the acts and rule sets in it."""
    services = _services(request)
    feeds, (from_ms, to_ms) = _names(request, "feed"), _times(request)
    outline = await ask(lambda: services.store.history.outline(feeds, from_ms, to_ms))
    return json_answer(outline)


async def show_page(request: Request) -> Response:
    """Events after a position, as an Arrow stream of ``pos``, ``receipt_ms``, ``clock_ms`` and ``raw``; a page at a time."""
    services = _services(request)
    feeds = _names(request, "feed")
    after = whole(request, "after", default=0, least=0, most=_MAX_POS) or 0
    span = whole(request, "span", default=_SPAN, least=1, most=_MAX_POS) or _SPAN
    rows = min(whole(request, "rows", default=_ROWS, least=1, most=_MAX_POS) or _ROWS, _MAX_ROWS)
    before_ms = _instant(request, "before")
    page = await ask(lambda: services.store.history.page(feeds, after, span=span, rows=rows, before_ms=before_ms))
    return _arrow(page.frame, {NEXT: str(page.after)})


async def show_openings(request: Request) -> Response:
    """The alerts of some rules that opened in a time or stood when it began, as an Arrow stream."""
    services = _services(request)
    rules, (from_ms, to_ms) = _names(request, "rule"), _times(request)
    return _arrow(await ask(lambda: services.store.history.openings(rules, from_ms, to_ms)))


async def show_bundle(request: Request) -> Response:
    """The files of the rule set that was put in force at a position of the log."""
    services = _services(request)
    pos = whole(request, "pos", default=None, least=1, most=_MAX_POS)
    if pos is None:
        raise bad("pos", "is missing")
    text = await ask(lambda: services.store.history.bundle(pos))
    if text is None:
        raise Problem(404, f"no rule set was put in force at position {pos}", title="Take a position of the outline")
    return json_answer(msgspec.Raw(text.encode()))


def _services(request: Request) -> Services:
    """The services, for those who may read everything."""
    if not request.state.principal.is_ops:
        raise Problem(403, "the whole history is for operators")
    return services_of(request)


def _names(request: Request, name: str) -> Sequence[str]:
    found = request.query_params.getlist(name)
    if not 1 <= len(found) <= MAX_NAMES:
        raise bad(name, f"give 1 to {MAX_NAMES:,}, each as {name}=...")
    return found


def _times(request: Request) -> tuple[int, int]:
    from_ms, to_ms = _instant(request, "from"), _instant(request, "to")
    return MIN_MS if from_ms is None else from_ms, MAX_MS if to_ms is None else to_ms


def _instant(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if not text:
        return None
    if text.isascii() and text.removeprefix("-").isdigit() and len(text) < 19:
        return int(text)
    try:
        return parse_instant(text)
    except ValueError:
        raise bad(name, "must be RFC 3339 with an offset, or epoch milliseconds") from None


def _arrow(frame: pl.DataFrame, headers: dict[str, str] | None = None) -> Response:
    body = io.BytesIO()
    frame.write_ipc_stream(body, compression="lz4")
    return Response(body.getvalue(), headers=headers, media_type=ARROW)
