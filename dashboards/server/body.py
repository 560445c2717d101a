"""Small JSON bodies: bounded, typed, and an error that names what is wrong."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from starlette.requests import Request

from dashboards.server.problems import Problem

MAX_BYTES = 64_000
TIMEOUT_S = 10.0

T = TypeVar("T")


async def read_json(request: Request, kind: type[T]) -> T:
    """The body as ``kind``; an empty body counts as ``{}``. Problem 400, 408 or 413."""
    body = bytearray()
    try:
        async with asyncio.timeout(TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise Problem(413, f"at most {MAX_BYTES} bytes", title="Send a shorter body")
    except TimeoutError:
        raise Problem(408) from None
    try:
        return msgspec.json.decode(bytes(body).strip() or b"{}", type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Problem(400, str(error), title="Send a JSON object with the fields that the API names") from None
