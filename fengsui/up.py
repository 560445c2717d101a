"""``fengsui up`` and ``fengsui demo``: the system with its web server, from the first line on stdout to an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from dashboards.server.app import create_app
from dashboards.server.auth import Auth
from dashboards.server.serve import give_up_stalled_peers, uvicorn_config
from fengsui.exits import InputFault, ServiceMissing
from fengsui.layout import DataDirectory
from fengsui.settings import Listen, Settings
from fengsui.system import System
from fengsui.version import __version__
from streams.log.sqlite import SqliteLog

_log = logging.getLogger("fengsui")

_BACKLOG = 512


def wall_ms() -> int:
    """Epoch milliseconds: the wall clock enters the program here."""
    return time.time_ns() // 1_000_000


def run_up(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT. InputFault where the settings name a cluster."""
    _alone(settings)
    configure_logging(settings.verbosity)
    listener = bind(settings.listen)
    with listener, System.open(settings, wall_ms) as system:
        serve(system, listener)


def _alone(settings: Settings) -> None:
    """Whoever names a cluster does not want a system of its own beside it."""
    if settings.log is not None:
        raise InputFault(
            f"设置里写了集群 · the settings name a cluster ({settings.origins['log']}): run `fengsui gateway`, `worker`, `sink` and `board` "
            "(docs/cluster.md), or leave log out for a system on this machine alone"
        )


def bind(listen: Listen) -> socket.socket:
    """The socket to listen on. ServiceMissing where it cannot be had."""
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((listen.host, listen.port))
        listener.listen(_BACKLOG)
        give_up_stalled_peers(listener)
    except OSError as error:
        listener.close()
        raise ServiceMissing(
            f"cannot listen on {listen} ({error.strerror or error}): give another address with --listen, or port 0 for a free one"
        ) from error
    return listener


def serve(
    system: System, listener: socket.socket, *, time_scale: float = 1.0, ready: Callable[[], None] | None = None
) -> None:
    """Serves until a signal; prints the board's address and a one-time sign-in link when it answers."""
    settings = system.settings
    auth = Auth(settings.data, wall_ms, behind_proxy=settings.behind_proxy, shared=system.shared())
    app = create_app(system.services(auth, version=__version__, time_scale=time_scale))
    address = address_of(listener, settings)

    def tell() -> None:
        # For commands about this directory, which go through the API while this process has it.
        system.directory.address_file.write_text(address + "\n", encoding="utf-8")
        print(f"{address}/", flush=True)
        print(f"{address}{auth.signin_path()}", flush=True)
        if ready is not None:
            ready()

    try:
        run_server(app, settings, listener, leave=app.state.hub.close, started=tell)
    finally:
        system.directory.address_file.unlink(missing_ok=True)


def run_server(
    app: Starlette,
    settings: Settings,
    listener: socket.socket,
    *,
    leave: Callable[[], object] = lambda: None,
    started: Callable[[], None] | None = None,
) -> None:
    """Serves an application until a signal. ``leave``: before connections are closed. ``started``: instead of printing the address."""
    config = uvicorn_config(app, cert=settings.tls_cert, key=settings.tls_key, behind_proxy=settings.behind_proxy)
    server = _Server(config, leave=leave)
    server.on_started = started or (lambda: print(f"{address_of(listener, settings)}/", flush=True))
    server.run(sockets=[listener])
    if not server.started:
        raise ServiceMissing("the web server did not start: see the messages above")


def address_of(listener: socket.socket, settings: Settings) -> str:
    """The address of what is served there."""
    return f"{'https' if settings.tls else 'http'}://{shown(listener)}"


def shown(listener: socket.socket) -> str:
    """HOST:PORT as it is listened on."""
    host, port = listener.getsockname()[:2]
    return str(Listen(host, port))


class _Server(uvicorn.Server):
    """Uvicorn that says when it answers, tells the boards before it goes, and ends with exit code 0 on SIGTERM."""

    def __init__(self, config: uvicorn.Config, *, leave: Callable[[], object]) -> None:
        super().__init__(config)
        self.on_started: Callable[[], None] = lambda: None
        self._leave = leave
        self._leaving: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.on_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Without raising them again at the end, as uvicorn would: an end that was asked for is no failure."""
        loop = asyncio.get_running_loop()
        handled = (signal.SIGINT, signal.SIGTERM)
        for number in handled:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in handled:
                loop.remove_signal_handler(number)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # uvicorn's signature
        """The boards first, then the server; a second signal does not wait for anyone."""
        if self._leaving is None:
            self._leaving = asyncio.ensure_future(self._go())
        else:
            self.force_exit = True

    async def _go(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                left = self._leave()
                if asyncio.iscoroutine(left):
                    await left
        self.should_exit = True


def configure_logging(verbosity: str) -> None:
    """To standard error."""
    logging.basicConfig(
        stream=sys.stderr,
        level=verbosity.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        force=True,
    )


def run_demo(settings: Settings, *, seed: int, speed: float, data: Path | None) -> None:
    """The system with the generated day played into it; without ``data`` in a directory that is taken away at the end."""
    _alone(settings)
    configure_logging(settings.verbosity)
    listener = bind(settings.listen)
    with listener, contextlib.ExitStack() as stack:
        if data is None:
            kept = stack.enter_context(TemporaryDirectory(prefix="fengsui-demo-", ignore_cleanup_errors=True))
            settings = replace(settings, data=Path(kept))
        _play(settings, listener, seed=seed, speed=speed)


def _play(settings: Settings, listener: socket.socket, *, seed: int, speed: float) -> None:
    from fengsui.demo.clock import DemoClock
    from fengsui.demo.day import Day
    from fengsui.demo.player import TICK_MS, Plan, Player

    plan = Plan.make(wall_ms(), speed, continue_ms=_played_to(DataDirectory(settings.data)))
    clock = DemoClock(plan.start_ms, wall_ms)
    with System.open(settings, clock, tick_ms=TICK_MS, wall=wall_ms) as system:
        player = Player(Day(seed), plan, clock, system.gateway.accept, monotonic_s=time.monotonic)

        def begin() -> None:
            player.start()
            print(
                f"演示数据在 {settings.data}，速度 {speed:g} 倍，Ctrl+C 结束 · "
                f"Demo data in {settings.data}, played {speed:g} times as fast as it happened; Ctrl+C ends it",
                file=sys.stderr,
                flush=True,
            )

        try:
            serve(system, listener, time_scale=speed, ready=begin)
        finally:
            player.stop()


def _played_to(directory: DataDirectory) -> int | None:
    """Receipt of the newest entry of an earlier demo's event log, epoch ms; None where there is none."""
    if not directory.event_log.is_file():
        return None
    with SqliteLog(directory.event_log, read_only=True) as log:
        return log.newest_at_ms or None
