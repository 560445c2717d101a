"""What a person does to an alert: it goes through the event log to the engine, and its answer is what the engine made of it."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dashboards.server.answers import json_answer
from dashboards.server.body import read_json
from dashboards.server.problems import Problem
from dashboards.server.services import Services, Verb, services_of
from events.transition import Transition
from streams.acts import ActPending, EngineStopped, Refused
from streams.log.errors import LogError

MAX_NOTE_CHARS = 4_000
MAX_TO_CHARS = 200
#: An answer waits this long for the lists to show it, so that one who looks right after sees what he did.
SHOWN_WITHIN_S = 1.0
_THREADS = 16


class ActBody(msgspec.Struct, forbid_unknown_fields=True):
    note: str | None = None
    to: str | None = None


class Acts:
    """POST /alerts/{id}/<verb>."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, "acts")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def post(self, request: Request, verb: Verb) -> Response:
        """200 and the alert; 400, 404, 409, 503."""
        alert = request.path_params["id"]
        body = await read_json(request, ActBody)
        note = _text("note", body.note, MAX_NOTE_CHARS)
        to = _text("to", body.to, MAX_TO_CHARS)
        if verb == "assign" and to is None:
            raise Problem(400, "to: is missing", title="Say in `to` whom the alert goes to")
        if verb == "note" and note is None:
            raise Problem(400, "note: is missing", title="Write the note in `note`")
        if verb != "assign" and to is not None:
            raise Problem(400, f"to: has no meaning for {verb}", title="Leave `to` out, or use assign")
        services, by = services_of(request), request.state.principal.name
        try:
            done = await asyncio.get_running_loop().run_in_executor(
                self._threads, _carry_out, services, alert, verb, by, note, to
            )
        except ActPending as error:
            raise Problem(
                503, str(error), title="Load the alert again in a while: the engine is behind", retry_after_s=10
            ) from error
        except EngineStopped as error:
            raise Problem(
                503, str(error), title="Tell the operators: the engine has stopped", retry_after_s=60
            ) from error
        except LogError as error:
            raise Problem(
                503, str(error), title="Try again: the log cannot take it now", retry_after_s=error.retry_after_s or 30
            ) from error
        return json_answer(done)


def _carry_out(services: Services, alert: str, verb: Verb, by: str, note: str | None, to: str | None) -> Transition:
    outcome = services.runner.act(alert, verb, by, note, to)
    if isinstance(outcome, Refused):
        known = services.live.get(alert)
        if known is None:
            raise Problem(404, outcome.reason, title="Check the alert's id")
        raise Problem(409, outcome.reason, extra={"state": known.state})
    deadline_s = time.monotonic() + SHOWN_WITHIN_S
    while services.live.newest_seq < outcome.seq and time.monotonic() < deadline_s:
        time.sleep(0.005)
    return outcome


def _text(name: str, text: str | None, most_chars: int) -> str | None:
    text = text.strip() if text else None
    if text and len(text) > most_chars:
        raise Problem(400, f"{name}: has {len(text)} characters, at most {most_chars}", title=f"Shorten the {name}")
    if text and "\0" in text:
        raise Problem(400, f"{name}: holds a NUL", title=f"Correct the {name}")
    return text or None
