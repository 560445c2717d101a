"""Signing in and out: the one-time link, the token typed in by hand, and who one is."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dashboards.server.answers import json_answer
from dashboards.server.body import read_json
from dashboards.server.problems import Problem
from dashboards.server.services import services_of


class SignIn(msgspec.Struct, forbid_unknown_fields=True):
    token: str


async def show_me(request: Request) -> Response:
    """GET /me."""
    principal = request.state.principal
    return json_answer(_me(request, principal.name, principal.role, principal.via))


async def sign_in(request: Request) -> Response:
    """POST /session: the administrator's token for a cookie. Public; a page of another site may not do it."""
    auth = services_of(request).auth
    if "origin" in request.headers and not auth.same_origin(request):
        raise Problem(403, "the request comes from a page of another site", title="Sign in on the board's own page")
    body = await read_json(request, SignIn)
    await auth.may_try(request)
    if not auth.token.matches(body.token.strip()):
        raise Problem(401, "the token is not the one in admin.token", title="Enter the token from the data directory")
    response = json_answer(_me(request, "admin", "admin", "session"))
    await auth.sign_in(request, response)
    return response


async def sign_out(request: Request) -> Response:
    """DELETE /session."""
    response = Response(status_code=204)
    await services_of(request).auth.sign_out(request.state.principal, response)
    return response


async def follow_link(request: Request) -> Response:
    """GET /signin?code=: the one-time link. Whatever becomes of it, the board is where one lands."""
    auth = services_of(request).auth
    await auth.may_try(request)
    if await auth.signins.spend_code(request.query_params.get("code", "")):
        response = RedirectResponse("/", 303)
        await auth.sign_in(request, response)
        return response
    # A link that is followed twice, by one who is in already, is no reason to complain.
    return RedirectResponse("/" if await auth.principal(request) else "/?signin=expired", 303)


def _me(request: Request, name: str, role: str, via: str) -> dict[str, str]:
    settings = services_of(request).settings
    return {"name": name, "role": role, "via": via, "zone": settings.zone, "version": settings.version}
