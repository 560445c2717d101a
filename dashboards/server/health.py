"""GET /healthz and /readyz: for supervisors and load balancers, without a token; therefore without details."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from dashboards.server.answers import json_answer
from dashboards.server.heartbeat import take_pulse
from dashboards.server.services import services_of

#: While these stand still, events or alerts do not flow: others should be asked. A sink catches up by itself.
_ESSENTIAL = ("engine", "log")


async def show_liveness(_request: Request) -> Response:
    """200 as long as the process answers; an engine that stopped is told by /readyz, and cured by people, not by a restart."""
    return json_answer({"status": "ok"})


async def show_readiness(request: Request) -> Response:
    """200 where events are taken and judged, else 503; what is wrong but not essential is named with a 200, too."""
    pulse = await asyncio.to_thread(take_pulse, services_of(request))
    ready = not any(p.level == "stalled" and p.part in _ESSENTIAL for p in pulse.problems)
    reasons = [{"part": p.part, "level": p.level, "title": p.title["en"]} for p in pulse.problems]
    return json_answer({"ready": ready, "reasons": reasons}, 200 if ready else 503)
