"""A system in a process of its own, as a person starts it, and an HTTP client for it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

ROOT = Path(__file__).parent.parent
PATIENCE_S = 90.0
T = TypeVar("T")


@dataclass
class Running:
    """``address`` has no slash at its end; ``link`` is the one-time sign-in."""

    process: subprocess.Popen[bytes]
    address: str
    link: str
    data: Path

    @property
    def token(self) -> str:
        return (self.data / "admin.token").read_text().strip()

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.address, headers={"Authorization": f"Bearer {self.token}"}, timeout=60)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


def environment() -> dict[str, str]:
    return {**{k: v for k, v in os.environ.items() if not k.startswith("FENGSUI_")}, "PYTHONPATH": str(ROOT)}


@contextlib.contextmanager
def running(command: str, data: Path, *args: object) -> Iterator[Running]:
    """``fengsui up`` or ``demo`` on a free port of loopback; killed at the end where it still runs."""
    errors = data.with_name(data.name + ".err")
    with errors.open("ab") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "fengsui", command, "--data", data, "--listen", "127.0.0.1:0", *map(str, args)],
            cwd=data.parent,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment(),
        )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline().decode().strip() for _ in range(2)]
        assert all(lines), f"it did not start: {errors.read_text()}"
        yield Running(process, lines[0].rstrip("/"), lines[1], data)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE_S)
        assert process.stdout is not None
        process.stdout.close()


def eventually(question: Callable[[], T | None], *, within_s: float = PATIENCE_S) -> T:
    """The first answer that is something."""
    deadline = time.monotonic() + within_s
    while True:
        answer = question()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.05)


def alerts(client: httpx.Client, **wanted: Any) -> list[dict[str, Any]]:
    answer = client.get("/api/v1/alerts", params=wanted)
    answer.raise_for_status()
    items: list[dict[str, Any]] = answer.json()["items"]
    return items
