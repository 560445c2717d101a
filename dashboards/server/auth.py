"""Who asks: a bearer token or a session cookie; and whether a browser may do this from where it stands."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec
from starlette.requests import HTTPConnection
from starlette.responses import Response

from dashboards.server.attempts import Attempts, OwnAttempts, SharedAttempts, who_is
from dashboards.server.problems import Problem
from dashboards.server.sessions import SESSION_LIFE_MS, Sessions
from dashboards.server.shared import Shared
from dashboards.server.signins import OwnSignIns, SharedSignIns, SignIns
from dashboards.server.tokens import AdminToken

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Principal(msgspec.Struct, frozen=True):
    """Who an answer is for. ``secret`` is the session's, kept for signing out and for long connections."""

    name: str
    role: str
    via: Literal["token", "session"]
    secret: str = ""

    @property
    def is_ops(self) -> bool:
        """May see shadow rules, which notify nobody."""
        return self.role in ("admin", "ops")


class Auth:
    """Tokens, sessions and codes of one data directory. ``behind_proxy``: trust what the proxy says of scheme and host.

    ``shared``: a browser that is signed in at one board is signed in at all that share it (and have the same token).
    """

    def __init__(
        self,
        directory: Path,
        clock: Callable[[], int],
        *,
        behind_proxy: bool = False,
        shared: Shared | None = None,
    ) -> None:
        self.token = AdminToken(directory)
        self.sessions = Sessions(directory, clock)
        self.shared = shared
        self.signins: SignIns = SharedSignIns(self.sessions, shared, clock) if shared else OwnSignIns(self.sessions)
        self.attempts: Attempts = SharedAttempts(shared, clock) if shared else OwnAttempts(clock)
        self.behind_proxy = behind_proxy
        # Cookies do not tell ports apart: two systems on one machine must not sign each other out.
        scope = shared.scope if shared else hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:8]
        self.cookie = f"fengsui_{scope}"

    def signin_path(self) -> str:
        """``/signin?code=...``, good for one sign-in within 15 minutes."""
        return f"/signin?code={self.sessions.issue_code()}"

    async def principal(self, connection: HTTPConnection) -> Principal | None:
        """Who asks, or None. A wrong token does not fall back to the cookie."""
        header = connection.headers.get("authorization")
        if header is not None:
            scheme, _, candidate = header.partition(" ")
            if scheme.lower() == "bearer" and self.token.matches(candidate.strip()):
                return Principal(name="admin", role="admin", via="token")
            return None
        secret = connection.cookies.get(self.cookie)
        session = await self.signins.find(secret, epoch=self.token.epoch) if secret else None
        if session is None:
            return None
        return Principal(name=session.name, role=session.role, via="session", secret=secret or "")

    async def require(self, connection: HTTPConnection) -> Principal:
        """Who asks; a 401 where nobody does, a 403 where a page of another site makes the browser ask."""
        principal = await self.principal(connection)
        if principal is None:
            raise Problem(401, headers={"WWW-Authenticate": 'Bearer realm="fengsui"'})
        unsafe = connection.scope["type"] == "websocket" or connection.scope["method"] not in SAFE_METHODS
        if unsafe and principal.via == "session" and not self.same_origin(connection):
            raise Problem(
                403, "the request comes from a page of another site", title="Use the board's own page for this"
            )
        return principal

    def same_origin(self, connection: HTTPConnection) -> bool:
        """Browsers say where a request comes from; one that says nothing is no browser that we know."""
        site = connection.headers.get("sec-fetch-site")
        if site is not None and site != "same-origin":
            return False
        origin = connection.headers.get("origin")
        if origin is None:
            return site == "same-origin"
        host = connection.headers.get("host", "")
        if self.behind_proxy:
            host = connection.headers.get("x-forwarded-host", host)
        return bool(host) and urlsplit(origin).netloc.lower() == host.lower()

    async def still_valid(self, principal: Principal) -> bool:
        """For connections that live longer than a request."""
        if principal.via == "token":
            return True
        return await self.signins.find(principal.secret, epoch=self.token.epoch) is not None

    async def may_try(self, connection: HTTPConnection) -> None:
        """Before a token or a code is looked at: Problem 429 for an address that has tried too often."""
        wait_s = await self.attempts.take(_who(connection))
        if wait_s > 0:
            raise Problem(429, "too many tries to sign in", title="Wait, then sign in again", retry_after_s=wait_s)

    async def sign_in(self, connection: HTTPConnection, response: Response) -> None:
        """Begins an administrator's session and puts its cookie on the response."""
        await self.attempts.succeeded(_who(connection))
        secret = await self.signins.begin(name="admin", role="admin", epoch=self.token.epoch)
        secure = connection.url.scheme in ("https", "wss")
        if self.behind_proxy:
            secure = secure or connection.headers.get("x-forwarded-proto", "").split(",")[0].strip() == "https"
        response.set_cookie(
            self.cookie,
            secret,
            max_age=SESSION_LIFE_MS // 1000,
            path="/",
            httponly=True,
            samesite="strict",
            secure=secure,
        )

    async def sign_out(self, principal: Principal, response: Response) -> None:
        if principal.secret:
            await self.signins.end(principal.secret)
        response.delete_cookie(self.cookie, path="/", httponly=True, samesite="strict")


def _who(connection: HTTPConnection) -> str:
    return who_is(connection.client.host if connection.client else None)
