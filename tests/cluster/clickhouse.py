"""A ClickHouse server for tests: the front of :mod:`tests.cluster.clickhouse_front` in a process that can be killed."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parent.parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ClickHouse:
    """Started on a free loopback port, and again on the same one and the same files after :meth:`kill`."""

    def __init__(self, path: Path, *options: str, scheme: str = "http") -> None:
        self.path = path
        self.port = free_port()
        self.scheme = scheme
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/fengsui"

    def start(self) -> None:
        assert self._process is None, "it runs"
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.cluster.clickhouse_front",
                self.path,
                "--port",
                str(self.port),
                *self._options,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == str(self.port)

    def tell(self, order: str) -> str:
        """A fault of the front (``lost 1``, ``half 1``, ``busy 2``, ``hang 1``, ``release``, ``refuse``, ``answer``, ``count``)."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    @property
    def inserts(self) -> int:
        """Statements that insert, as the front has seen them."""
        return int(self.tell("count").split()[0])

    def freeze(self) -> None:
        """It stands still, and its connections stay open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """As a power cut would."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()
        self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
