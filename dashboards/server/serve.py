"""How uvicorn runs the app: bounds on what a client may send, and patience with one that takes nothing."""

from __future__ import annotations

import contextlib
import logging
import socket
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

#: Boards say nothing, and a header is a line.
MAX_WS_MESSAGE_BYTES = 64_000
MAX_HEADER_BYTES = 64_000
PING_EVERY_S = 20.0
PING_PATIENCE_S = 40.0
#: A peer that takes no bytes for so long is gone, even where its machine still answers probes.
STALLED_PEER_MS = 90_000
GRACE_S = 10


def uvicorn_config(
    app: Starlette, *, cert: Path | None = None, key: Path | None = None, behind_proxy: bool = False
) -> uvicorn.Config:
    """For ``uvicorn.Server(config).run(sockets=[...])``. ``behind_proxy``: a proxy on this machine ends TLS."""
    logging.getLogger("uvicorn.error").addFilter(_no_fault)
    return uvicorn.Config(
        app,
        ws="websockets-sansio",
        ws_max_size=MAX_WS_MESSAGE_BYTES,
        ws_ping_interval=PING_EVERY_S,
        ws_ping_timeout=PING_PATIENCE_S,
        # One frame for all: compressing it for each would cost a core.
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=behind_proxy,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        ssl_certfile=cert,
        ssl_keyfile=key,
    )


def _no_fault(record: logging.LogRecord) -> bool:
    """Uvicorn takes a websocket that is refused with an answer for a fault: anybody without a token could fill the log."""
    return record.getMessage() != "ASGI callable returned without completing handshake."


def give_up_stalled_peers(listener: socket.socket) -> None:
    """Connections of this listener end when their peer takes nothing for 90 s; else what is sent to it would wait for ever."""
    with contextlib.suppress(AttributeError, OSError):  # not on every system
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_PEER_MS)
