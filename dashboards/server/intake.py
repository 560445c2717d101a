"""POST /events: the door for events. The body is bounded, alone and together with all others that are being read."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from dashboards.server.answers import json_answer
from dashboards.server.problems import Problem
from dashboards.server.services import services_of
from streams.log.errors import DiskFull, LogError

_log = logging.getLogger("fengsui.server")

#: A body that pauses for longer is given up.
CHUNK_TIMEOUT_S = 30.0
#: Bodies in memory at one time, all clients together.
MAX_PENDING_BYTES = 256_000_000
#: Accepting is work for one core and one disk; more threads only wait for each other, and some to share a commit.
ACCEPT_THREADS = 8


class Intake:
    """Reads bodies and hands them to the gateway in threads of its own."""

    def __init__(self, *, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        #: of all bodies that are being read or taken
        self.pending_bytes = 0
        self._threads = ThreadPoolExecutor(ACCEPT_THREADS, "intake")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def post(self, request: Request) -> Response:
        """202 with the fate of every line; 413, 415, 408, 503 for the body as a whole."""
        gateway = services_of(request).gateway
        held = _Held(self)
        try:
            body = await self._read(request, held)
            content_type = request.headers.get("content-type", "application/x-ndjson")
            receipt = await asyncio.get_running_loop().run_in_executor(
                self._threads, gateway.accept, body, content_type
            )
        except LogError as error:
            raise _no_room(error) from error
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        finally:
            held.release()
        answer: dict[str, object] = {
            "accepted": receipt.accepted,
            "duplicate": receipt.duplicate,
            "rejected": [{"line": r.line, "reason": r.reason, "detail": r.detail} for r in receipt.rejected],
        }
        if receipt.rejected_count > len(receipt.rejected):
            answer["rejected_count"] = receipt.rejected_count
        return json_answer(answer, 202)

    async def _read(self, request: Request, held: _Held) -> bytes:
        inflate = _inflater(request.headers.get("content-encoding", ""))
        length = request.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length) > self._max_body_bytes:
            raise self._too_large()
        pieces: list[bytes] = []
        chunks = request.stream().__aiter__()
        while True:
            try:
                chunk = await asyncio.wait_for(anext(chunks), CHUNK_TIMEOUT_S)
            except StopAsyncIteration:
                break
            except TimeoutError:
                raise Problem(408, f"no bytes for {CHUNK_TIMEOUT_S:.0f} s") from None
            for piece in inflate.feed(chunk) if inflate else (chunk,):
                held.take(len(piece))
                if held.size > self._max_body_bytes:
                    raise self._too_large()
                pieces.append(piece)
        if inflate:
            pieces.append(inflate.finish())
        return b"".join(pieces)

    def _too_large(self) -> Problem:
        return Problem(
            413,
            f"a body may have {self._max_body_bytes} bytes, inflated",
            title=f"Send the events in smaller bodies (at most {self._max_body_bytes // 1_000_000} MB each)",
        )


class _Held:
    """The memory that one body takes of the common budget."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self.size = 0

    def take(self, n: int) -> None:
        self.size += n
        self._intake.pending_bytes += n
        if self._intake.pending_bytes > MAX_PENDING_BYTES:
            raise Problem(503, "too many bodies are being read at the same time", retry_after_s=1)

    def release(self) -> None:
        self._intake.pending_bytes -= self.size
        self.size = 0


class _Gunzip:
    """Inflates in bounded pieces, so that a small body cannot become a large one unseen."""

    PIECE_BYTES = 1_000_000

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(zlib.MAX_WBITS | 16)

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The plain bytes, piece by piece: the caller may stop between two. Problem 400 where it is no gzip."""
        try:
            while chunk:
                if self._stream.eof:  # several members one after the other are one gzip file
                    self._stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
                yield self._stream.decompress(chunk, self.PIECE_BYTES)
                chunk = self._stream.unconsumed_tail or self._stream.unused_data
        except zlib.error as error:
            raise Problem(
                400, f"the body is no gzip: {error}", title="Send the body again, compressed by gzip"
            ) from None

    def finish(self) -> bytes:
        """What was still held back. Problem 400 where the stream is not at its end."""
        rest = self._stream.flush()
        if not self._stream.eof:
            raise Problem(400, "the gzip body ends too early", title="Send the whole body again")
        return rest


def _inflater(encoding: str) -> _Gunzip | None:
    word = encoding.strip().lower()
    if word in ("", "identity"):
        return None
    if word in ("gzip", "x-gzip"):
        return _Gunzip()
    raise Problem(415, f"Content-Encoding: {encoding[:40]}", headers={"Accept-Encoding": "gzip, identity"})


def _no_room(error: LogError) -> Problem:
    _log.error("events refused: %s", error)
    title = "Wait: the log is full or its disk is; the client must send these events again"
    if isinstance(error, DiskFull):
        title = "Free space on the disk of the data directory; the client must send these events again"
    return Problem(503, str(error), title=title, retry_after_s=error.retry_after_s or 5)
