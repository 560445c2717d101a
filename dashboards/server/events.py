"""GET /events and /dead-letters: what the store holds of what came in."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dashboards.server.answers import collection, wanted_form
from dashboards.server.params import filter_of
from dashboards.server.questions import ask
from dashboards.server.services import services_of

#: Of a table without rows; with rows, whatever the events hold.
EVENT_COLUMNS = ("id", "feed", "source", "time", "region", "subject", "lon", "lat", "pos", "receipt")
DEAD_COLUMNS = ("pos", "receipt", "reason", "detail", "feed", "source", "raw")


async def list_events(request: Request) -> Response:
    """Events, newest first."""
    wanted_form(request)  # a 406 before the work, not after it
    wanted = filter_of(request, request.state.principal)
    store = services_of(request).store
    page = await ask(lambda: store.events(wanted))
    return collection(request, "events", page.items, page.next, columns=EVENT_COLUMNS)


async def list_dead_letters(request: Request) -> Response:
    """Refused lines with their bytes and reasons, newest first; ``from`` and ``to`` are of the receipt."""
    wanted_form(request)
    wanted = filter_of(request, request.state.principal)
    store = services_of(request).store
    page = await ask(lambda: store.dead_letters(wanted))
    return collection(request, "dead-letters", page.items, page.next, columns=DEAD_COLUMNS)
