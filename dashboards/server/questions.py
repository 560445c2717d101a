"""Questions to the store: in threads of their own, so that a slow report holds up neither events nor warnings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from dashboards.server.problems import Problem
from sinks.store.errors import StoreError

T = TypeVar("T")

_threads = ThreadPoolExecutor(8, "questions")


async def ask(question: Callable[[], T]) -> T:
    """The answer of a call that may block."""
    return await asyncio.get_running_loop().run_in_executor(_threads, question)


async def on_store_error(_request: Request, error: Exception) -> Response:
    """Handler: the store is down, busy or full; the live list and the alert stream go on without it."""
    assert isinstance(error, StoreError)
    title = "Try again in a while: the store cannot answer now"
    if not error.retryable:
        title = "Tell the operators: the store cannot answer"
    return Problem(503, str(error), title=title, retry_after_s=error.retry_after_s or 30).response()
