"""A real redis-server on a free port of loopback, its data in a directory of the test."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from sinks.live.address import RedisAddress

PROGRAM = shutil.which("redis-server")
needs_redis = pytest.mark.skipif(
    PROGRAM is None, reason="redis-server is not installed (Debian: apt-get install redis-server)"
)
_PATIENCE_S = 15.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class RedisServer:
    """Not started yet. ``options`` are lines of its configuration, as ``("--appendonly", "yes")``."""

    def __init__(self, directory: Path, *options: str, password: str | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.port = free_port()
        self.password = password
        self._options = [*options, *(("--requirepass", password) if password else ())]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def address(self, prefix: str = "test") -> RedisAddress:
        made = RedisAddress.parse(f"{self.url}?prefix={prefix}", password=self.password)
        assert made is not None
        return made

    def client(self) -> Any:
        return redis.Redis(port=self.port, password=self.password, socket_timeout=5)

    def start(self) -> None:
        """Returns when it answers, with what it kept."""
        assert PROGRAM is not None
        assert self._process is None
        with (self.directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    PROGRAM,
                    *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory), "--save", ""),
                    *self._options,
                ],
                stdout=log,
                stderr=log,
            )
        deadline_s = time.monotonic() + _PATIENCE_S
        with self.client() as client:
            while True:
                with contextlib.suppress(redis.ConnectionError, redis.TimeoutError):
                    if client.ping():
                        return
                assert self._process.poll() is None, (self.directory / "redis.log").read_text()
                assert time.monotonic() < deadline_s, "redis-server does not answer"
                time.sleep(0.02)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """SIGKILL is the power cut; SIGSTOP (and SIGCONT) make it hang."""
        if self._process is None:
            return
        self._process.send_signal(number)
        if number in (signal.SIGTERM, signal.SIGKILL):
            self._process.wait(_PATIENCE_S)
            self._process = None


@contextlib.contextmanager
def redis_server(directory: Path, *options: str, password: str | None = None) -> Iterator[RedisServer]:
    """Running until the block ends."""
    server = RedisServer(directory, *options, password=password)
    server.start()
    try:
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            server.stop(signal.SIGCONT)
        server.stop(signal.SIGKILL)
