"""GET /live and POST /live/rebuild: where current alerts come from, and how they are made again."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dashboards.server.answers import json_answer
from dashboards.server.body import read_json
from dashboards.server.feeds import instant
from dashboards.server.problems import Problem
from dashboards.server.services import Services, services_of


class RebuildBody(msgspec.Struct, forbid_unknown_fields=True):
    replace: bool = False


async def show_live(request: Request) -> Response:
    """GET /live."""
    return json_answer(_told(services_of(request)))


async def rebuild_live(request: Request) -> Response:
    """POST /live/rebuild: begins one; GET /live says how far it is. 202, 404 where nothing is shared, 409 where one runs."""
    services = services_of(request)
    if not request.state.principal.is_ops:
        raise Problem(403, "a rebuild is for operators")
    if services.live_rebuild is None:
        raise Problem(
            404, "the live state is kept in memory, and is made again at each start", title="Nothing needs to be done"
        )
    body = await read_json(request, RebuildBody)
    if not services.live_rebuild.begin(replace_other=body.replace):
        raise Problem(409, "a rebuild is under way", title="Wait for it: GET /live says how far it is")
    return json_answer(_told(services), 202)


def _told(services: Services) -> dict[str, Any]:
    followed = services.live_source()
    rebuild = services.live_rebuild.progress if services.live_rebuild else None
    return {
        "source": followed.source if followed else "memory",
        "error": (followed.error or None) if followed else None,
        "since": instant(followed.since_ms) if followed else None,
        "seq": services.live.newest_seq,
        "alerts": services.live.counts().total,
        "let_go": services.live.let_go,
        "rebuild": msgspec.to_builtins(rebuild) if rebuild else None,
    }
