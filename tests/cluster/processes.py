"""The cluster's processes, as a person starts them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.running import ROOT, eventually

PATIENCE_S = 90.0


class Process:
    """``fengsui ROLE ARGS`` with an address to ask. ``start`` it as often as wanted."""

    def __init__(self, directory: Path, role: str, *args: object) -> None:
        self.role = role
        self._args = [str(arg) for arg in args]
        self._errors = directory / f"{role}-{id(self):x}.err"
        self._process: subprocess.Popen[bytes] | None = None
        self.address = ""

    def start(self) -> Process:
        with self._errors.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fengsui", self.role, "--listen", "127.0.0.1:0", *self._args],
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**{k: v for k, v in os.environ.items() if not k.startswith("FENGSUI_")}, "PYTHONPATH": str(ROOT)},
            )
        return self

    def wait(self) -> Process:
        """Until it has said where it listens."""
        assert self._process is not None
        assert self._process.stdout is not None
        said = self._process.stdout.readline().decode().strip()
        assert said, f"{self.role} did not start: {self.errors}"
        self.address = said.rstrip("/")
        return self

    @property
    def errors(self) -> str:
        return self._errors.read_text(encoding="utf-8", errors="replace")[-6000:]

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def ended(self) -> int | None:
        """Its exit code; None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def ready(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.address}/readyz").status_code == 200
        return False

    def wait_ready(self) -> Process:
        eventually(self.ready, within_s=PATIENCE_S)
        return self

    def metrics(self) -> str:
        return httpx.get(f"{self.address}/metrics").text

    def stop(self) -> int:
        """An orderly end: its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """kill -9."""
        return self._end(signal.SIGKILL)

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def _end(self, how: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(how)
        assert process.stdout is not None
        process.stdout.close()
        return process.wait(PATIENCE_S)


@contextlib.contextmanager
def processes(*some: Process) -> Iterator[tuple[Process, ...]]:
    """Started together; killed at the end where they still run."""
    try:
        for one in some:
            one.start()
        for one in some:
            one.wait()
        yield some
    finally:
        for one in some:
            one.kill()
