"""Query parameters -> a filter; what cannot be used is a 400 that names it."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from dashboards.server.auth import Principal
from dashboards.server.problems import Problem
from events.times import parse_duration
from sinks.filters import Filter, FilterError

#: Of the answer, not of the list.
_ANSWER = frozenset({"format"})


def bad(parameter: str, message: str) -> Problem:
    return Problem(400, f"{parameter}: {message}", title="Correct the parameter", extra={"parameter": parameter})


def filter_of(connection: HTTPConnection, principal: Principal, *own: str) -> Filter:
    """The filter that the query asks for. ``own``: parameters that the caller reads itself. Shadow alerts are for ops only."""
    try:
        wanted = Filter.parse(connection.query_params.multi_items(), also=_ANSWER | frozenset(own))
    except FilterError as error:
        raise bad(error.parameter, error.message) from None
    return wanted if principal.is_ops else replace(wanted, shadow=False)


def whole(connection: HTTPConnection, name: str, *, default: int | None, least: int, most: int) -> int | None:
    """A whole number in a range; ``default`` where it is not given."""
    text = connection.query_params.get(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19 and least <= int(text) <= most):
        raise bad(name, f"must be a whole number from {least} to {most}")
    return int(text)


def duration_ms(connection: HTTPConnection, name: str, *, default_ms: int, least_ms: int, most_ms: int) -> int:
    """A duration such as 15m; ``default_ms`` where it is not given."""
    text = connection.query_params.get(name)
    if not text:
        return default_ms
    try:
        ms = parse_duration(text)
    except (ValueError, OverflowError):
        ms = -1
    if not least_ms <= ms <= most_ms:
        raise bad(name, "must be a duration such as 1m, 15m, 1h or 1d")
    return ms


async def on_filter_error(_request: Request, error: Exception) -> Response:
    """Handler for a filter that only the list itself could refuse, such as a cursor of another list."""
    assert isinstance(error, FilterError)
    return bad(error.parameter, error.message).response()
