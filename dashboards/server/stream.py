"""The alert stream: every transition to every client that asked for it, in order, none missing and none twice.

One task tails the transition log and encodes each batch once for each distinct filter. A client has a bounded queue and a
writer task of its own, so that one that does not read can neither hold up the others nor fill the memory: it is told and
cut off, and comes back with its last seq. A client that asks for the past reads the log at its own pace until it has
reached the tail, and joins it in the same turn of the event loop, so that no transition can fall between.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from dashboards.server.metrics import ServerMetrics
from dashboards.server.params import bad, filter_of, whole
from dashboards.server.problems import Problem
from dashboards.server.services import services_of
from events.transition import Transition
from sinks.filters import Filter, facets

_log = logging.getLogger("fengsui.server.stream")
_encoder = msgspec.json.Encoder()

#: After a frame the next one waits this long for company; the first after a pause goes at once.
BATCH_WINDOW_S = 0.1
FRAME_TRANSITIONS = 500
READ_TRANSITIONS = 2_000
SEND_TIMEOUT_S = 30.0
BYE_TIMEOUT_S = 30.0
CHECK_SESSION_EVERY_S = 15.0
CLOSE_WITHIN_S = 1.0

TOO_SLOW = "too slow: come back with after=<your last seq>"
SIGNED_OUT = "signed out"
GOING_DOWN = "the server is going down: come back with after=<your last seq>"


class Journal(Protocol):
    """The transition log as transitions. Both calls may block and are made in threads."""

    @property
    def newest(self) -> int: ...

    def read(self, after: int, limit: int) -> list[Transition]:
        """At most ``limit`` transitions with seq > after, in order."""

    def wait(self, after: int, timeout_s: float) -> None:
        """Returns when there is something after ``after``, or after the timeout."""


class _Client:
    """The queue between the hub and one writer. ``position``: seq up to which everything is sent or queued."""

    def __init__(self, wanted: Filter, position: int) -> None:
        self.wanted = wanted
        self.position = position
        self.frames: deque[str] = deque()
        self.queued_chars = 0
        self.wake = asyncio.Event()
        self.bye: str | None = None

    def dismiss(self, reason: str) -> None:
        """Nothing more is queued, and what is queued is dropped: the client will ask for it again."""
        self.bye = self.bye or reason
        self.frames.clear()
        self.queued_chars = 0
        self.wake.set()


class Hub:
    """All clients of the stream. :meth:`run` must be running for anyone to hear anything."""

    def __init__(
        self,
        journal: Journal,
        metrics: ServerMetrics,
        *,
        max_clients: int = 1_000,
        max_queued_frames: int = 512,
        max_queued_chars: int = 16_000_000,
        batch_window_s: float = BATCH_WINDOW_S,
    ) -> None:
        self._journal = journal
        self._metrics = metrics
        self._max_clients = max_clients
        self._max_queued_frames = max_queued_frames
        self._max_queued_chars = max_queued_chars
        self._batch_window_s = batch_window_s
        self._clients: set[_Client] = set()
        self._connected = 0
        #: of connections, by who signed in
        self._people: Counter[str] = Counter()
        self._empty = asyncio.Event()
        self._empty.set()
        self._position = journal.newest
        # Own threads: a pool that is full of event bodies must not hold up warnings.
        self._tail_thread = ThreadPoolExecutor(1, "stream-tail")
        self._replay_threads = ThreadPoolExecutor(2, "stream-replay")
        self._closing = threading.Event()

    @property
    def position(self) -> int:
        """Seq up to which the clients have been told."""
        return self._position

    def people(self) -> dict[str, int]:
        """Who is connected, and how often."""
        return {name: boards for name, boards in self._people.items() if boards > 0}

    # ------------------------------------------------------------------ the tail

    async def run(self) -> None:
        """Tails the transition log until cancelled."""
        loop = asyncio.get_running_loop()
        while not self._closing.is_set():
            try:
                batch = await loop.run_in_executor(self._tail_thread, self._next_batch)
            except RuntimeError:
                if self._closing.is_set():  # the pool was shut down
                    return
                raise
            except Exception:
                _log.exception("the transition log cannot be read; trying again in 1 s")
                await asyncio.sleep(1.0)
                continue
            if batch:
                self._publish(batch)
                if len(batch) < READ_TRANSITIONS:
                    await asyncio.sleep(self._batch_window_s)

    def _next_batch(self) -> list[Transition]:
        self._journal.wait(self._position, 0.5)
        return self._journal.read(self._position, READ_TRANSITIONS)

    def _publish(self, batch: Sequence[Transition]) -> None:
        first, last = batch[0].seq, batch[-1].seq
        shared: dict[Filter, list[str]] = {}
        for client in list(self._clients):
            if client.bye is not None or client.position >= last:
                continue
            if client.position < first:
                frames = shared.get(client.wanted)
                if frames is None:
                    frames = shared[client.wanted] = encode_frames(batch, client.wanted)
            else:  # it has read the first part of this batch from the log
                frames = encode_frames([t for t in batch if t.seq > client.position], client.wanted)
            client.position = last
            self._queue(client, frames)
        self._position = last
        self._metrics.transitions.inc(len(batch))

    def _queue(self, client: _Client, frames: Sequence[str]) -> None:
        for frame in frames:
            client.frames.append(frame)
            client.queued_chars += len(frame)
        if len(client.frames) > self._max_queued_frames or client.queued_chars > self._max_queued_chars:
            self._metrics.evicted.inc()
            client.dismiss(TOO_SLOW)
        elif frames:
            client.wake.set()

    async def close(self) -> None:
        """Tells every client that the server goes down, gives them a moment to hear it, and stops the threads."""
        self._closing.set()
        for client in list(self._clients):
            client.dismiss(GOING_DOWN)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), CLOSE_WITHIN_S)
        self._tail_thread.shutdown(wait=False, cancel_futures=True)
        self._replay_threads.shutdown(wait=False, cancel_futures=True)

    # ------------------------------------------------------------------ one client

    async def serve(
        self,
        websocket: WebSocket,
        *,
        wanted: Filter,
        after: int | None,
        still_valid: Callable[[], Awaitable[bool]],
        name: str = "",
    ) -> None:
        """Talks to one client until it goes or is sent away. Raises :class:`Problem` before the handshake where it is full."""
        if self._connected >= self._max_clients or self._closing.is_set():
            raise Problem(503, f"{self._connected} boards are connected already", retry_after_s=30)
        self._connected += 1
        self._people[name] += 1
        self._empty.clear()
        self._metrics.clients.set(self._connected)
        try:
            await websocket.accept()
            # A seq that this log has not reached comes from another log (a restored backup): only live makes sense then.
            position = self._position if after is None else min(after, max(self._position, self._journal.newest))
            client = _Client(wanted, position)
            reader = asyncio.create_task(_drain(websocket))
            writer = asyncio.create_task(self._write(websocket, client, live=after is None, still_valid=still_valid))
            try:
                await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._clients.discard(client)
                for task in (reader, writer):
                    task.cancel()
                for outcome in await asyncio.gather(reader, writer, return_exceptions=True):
                    if isinstance(outcome, Exception) and not isinstance(outcome, (WebSocketDisconnect, OSError)):
                        _log.error("fault in the alert stream", exc_info=outcome)
        finally:
            self._connected -= 1
            self._people[name] -= 1
            self._people += Counter()
            if not self._connected:
                self._empty.set()
            self._metrics.clients.set(self._connected)

    async def _write(
        self, websocket: WebSocket, client: _Client, *, live: bool, still_valid: Callable[[], Awaitable[bool]]
    ) -> None:
        if live:
            self._clients.add(client)  # before the hello goes out: what comes while it is sent is queued behind it
        newest = client.position if live else max(self._position, self._journal.newest)
        try:
            await _send(websocket, _encoder.encode({"hello": {"seq": newest}}).decode(), SEND_TIMEOUT_S)
            if not live:
                await self._catch_up(websocket, client)
            await self._follow(websocket, client, still_valid)
        except TimeoutError:
            self._metrics.evicted.inc()
            client.dismiss(TOO_SLOW)
        self._clients.discard(client)
        if client.bye is not None:
            with contextlib.suppress(TimeoutError):
                await _send(websocket, _encoder.encode({"bye": client.bye}).decode(), BYE_TIMEOUT_S)
                await asyncio.wait_for(websocket.close(1013 if client.bye == TOO_SLOW else 1001), 1.0)

    async def _catch_up(self, websocket: WebSocket, client: _Client) -> None:
        """From the log, at the client's pace; ends in the turn of the loop in which the client joins the tail."""
        loop = asyncio.get_running_loop()
        while client.position < self._position:
            batch = await loop.run_in_executor(
                self._replay_threads, self._journal.read, client.position, READ_TRANSITIONS
            )
            if not batch:  # the rest was trimmed away
                client.position = self._position
                break
            for frame in encode_frames(batch, client.wanted):
                await _send(websocket, frame, SEND_TIMEOUT_S)
            client.position = batch[-1].seq
        self._clients.add(client)
        if self._closing.is_set():
            client.dismiss(GOING_DOWN)

    async def _follow(self, websocket: WebSocket, client: _Client, still_valid: Callable[[], Awaitable[bool]]) -> None:
        while client.bye is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(client.wake.wait(), CHECK_SESSION_EVERY_S)
            if not await still_valid():
                client.dismiss(SIGNED_OUT)
                return
            client.wake.clear()
            while client.frames:
                frame = client.frames.popleft()
                client.queued_chars -= len(frame)
                await _send(websocket, frame, SEND_TIMEOUT_S)


def encode_frames(batch: Sequence[Transition], wanted: Filter) -> list[str]:
    """The frames of a batch for one filter; none where nothing matches. A filter sees an alert as the transition leaves it."""
    matching = [transition for transition in batch if wanted.admits(facets(transition))]
    return [
        _encoder.encode({"transitions": matching[start : start + FRAME_TRANSITIONS]}).decode()
        for start in range(0, len(matching), FRAME_TRANSITIONS)
    ]


async def _send(websocket: WebSocket, text: str, timeout_s: float) -> None:
    if websocket.application_state is not WebSocketState.CONNECTED:
        raise WebSocketDisconnect(1006)
    await asyncio.wait_for(websocket.send_text(text), timeout_s)


async def _drain(websocket: WebSocket) -> None:
    """Clients have nothing to say; reading is how one learns that they went."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return


class StreamRoute:
    """WS /alerts/stream: who may listen, from where, and to what."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def listen(self, websocket: WebSocket) -> None:
        services = services_of(websocket)
        try:
            principal = await services.auth.require(websocket)
            wanted = filter_of(websocket, principal, "after")
            for name in ("limit", "cursor"):
                if name in websocket.query_params:
                    raise bad(name, "has no meaning for a stream")
            after = whole(websocket, "after", default=None, least=0, most=2**63 - 1)
            await self._hub.serve(
                websocket,
                wanted=wanted,
                after=after,
                still_valid=lambda: services.auth.still_valid(principal),
                name=principal.name,
            )
        except Problem as problem:
            await websocket.send_denial_response(problem.response())
