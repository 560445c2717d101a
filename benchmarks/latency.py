"""From an event accepted over HTTP to its alert on a board: the whole system in a process of its own, an each rule, real sockets.

    python -m benchmarks.latency [--rate EVENTS_PER_S] [--seconds N] [--body EVENTS] [--boards N] [--alarms PART]

``accepted``: from the 202 (the event is on the disk) to the frame of the websocket; ``sent``: from the first byte of the POST.
The goal is 250 ms at p99 of ``accepted`` with 2,000 events/s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

import numpy as np
from websockets.asyncio.client import connect

RULES = """
rules:
  - id: bench.each
    title: {zh: 逐条, en: each}
    domain: environment
    feed: sensor
    where: metric = 'w01018'
    when: value > 999
    severity: orange
    summary: {zh: "{subject} {value:.0f}", en: "{subject} {value:.0f}"}
"""
WARM_UP_S = 2.0
#: What has not been shown by then is missing.
AFTERWARDS_S = 3.0


class Client:
    """One kept-open HTTP connection; as little as a sender needs."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str) -> None:
        self._reader = reader
        self._writer = writer
        self._head = f"POST /api/v1/events HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n"

    async def post(self, body: bytes) -> dict[str, Any]:
        """The receipt. AssertionError for anything but a 202."""
        self._writer.write(f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        answer = await self._reader.readexactly(length)
        assert b" 202 " in head.split(b"\r\n")[0], (head, answer)
        receipt: dict[str, Any] = json.loads(answer)
        return receipt


class Trial:
    """What was sent when, and when each board showed it. Seconds of one monotonic clock."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.sent_s: dict[str, float] = {}
        self.accepted_s: dict[str, float] = {}
        self.shown_s: list[dict[str, float]] = [{} for _ in range(options.boards)]
        self.events = 0
        self.late_s = 0.0
        self.numbers = iter(range(10**9))

    def body(self, chance: np.random.Generator) -> tuple[bytes, list[str]]:
        """Readings of 500 stations; some too high, each of those of a subject of its own so that each opens an alert."""
        lines, alarms = [], []
        now_ms = time.time_ns() // 1_000_000
        for _ in range(self.options.body):
            number = next(self.numbers)
            alarm = chance.random() < self.options.alarms
            subject = f"A{number}" if alarm else f"S{number % 500}"
            if alarm:
                alarms.append(subject)
            event = {"id": str(number), "feed": "sensor", "source": "bench", "time": now_ms, "subject": subject}
            event |= {"region": "530102", "metric": "w01018", "value": 1000.0 if alarm else 50.5, "quality": "N"}
            lines.append(json.dumps(event))
        return "\n".join(lines).encode(), alarms

    async def send(self, port: int, token: str) -> None:
        """At an even pace, on as many connections as it takes not to wait for the one before."""
        clients: asyncio.Queue[Client] = asyncio.Queue()
        for _ in range(16):
            clients.put_nowait(Client(*await asyncio.open_connection("127.0.0.1", port), token))
        chance = np.random.default_rng(1)
        pause_s = self.options.body / self.options.rate
        begun_s, tasks = time.monotonic(), set()
        warm_s = begun_s + WARM_UP_S
        for number in range(round((self.options.seconds + WARM_UP_S) / pause_s)):
            due_s = begun_s + number * pause_s
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            self.late_s = max(self.late_s, time.monotonic() - due_s)
            task = asyncio.create_task(self._one(clients, *self.body(chance), counted=due_s >= warm_s))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)

    async def _one(self, clients: asyncio.Queue[Client], body: bytes, alarms: list[str], *, counted: bool) -> None:
        client = await clients.get()
        sent_s = time.monotonic()
        receipt = await client.post(body)
        accepted_s = time.monotonic()
        clients.put_nowait(client)
        assert receipt["accepted"] == self.options.body, receipt
        self.events += receipt["accepted"]
        if counted:
            for subject in alarms:
                self.sent_s[subject], self.accepted_s[subject] = sent_s, accepted_s

    async def watch(self, board: int, port: int, token: str) -> None:
        """One board."""
        url = f"ws://127.0.0.1:{port}/api/v1/alerts/stream"
        headers = {"Authorization": f"Bearer {token}"}
        async with connect(url, additional_headers=headers, max_size=None, compression=None) as websocket:
            async for message in websocket:
                now_s = time.monotonic()
                for transition in json.loads(message).get("transitions", ()):
                    self.shown_s[board].setdefault(transition["subject"], now_s)

    async def run(self, port: int, token: str) -> None:
        boards = [asyncio.create_task(self.watch(n, port, token)) for n in range(self.options.boards)]
        await asyncio.sleep(0.5)
        await self.send(port, token)
        await asyncio.sleep(AFTERWARDS_S)
        for task in boards:
            task.cancel()
        await asyncio.gather(*boards, return_exceptions=True)

    def report(self, took_s: float) -> bool:
        """Prints the figures; True where nothing is missing and the goal is met."""
        options = self.options
        missing = sum(len(self.sent_s.keys() - shown.keys()) for shown in self.shown_s)
        print(
            f"{self.events / took_s:,.0f} events/s in bodies of {options.body}, {options.boards} boards, "
            f"{len(self.sent_s):,} alerts, {missing} missing; sender at most {self.late_s * 1000:.0f} ms behind its plan"
        )
        worst_ms = 0.0
        for name, since in (("accepted", self.accepted_s), ("sent", self.sent_s)):
            ms = np.array([(shown[s] - since[s]) * 1000 for shown in self.shown_s for s in since if s in shown])
            p50, p90, p99 = np.percentile(ms, [50, 90, 99])
            print(f"{name:>8} -> board: p50 {p50:.0f} ms, p90 {p90:.0f} ms, p99 {p99:.0f} ms, max {ms.max():.0f} ms")
            worst_ms = p99 if name == "accepted" else worst_ms
        met = missing == 0 and worst_ms <= 250
        print(f"goal (p99 of accepted <= 250 ms): {'met' if met else 'NOT met'}")
        return met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--body", type=int, default=10)
    parser.add_argument("--boards", type=int, default=5)
    parser.add_argument("--alarms", type=float, default=0.02)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fengsui-latency-") as place:
        directory = Path(place)
        (directory / "rules").mkdir()
        (directory / "rules" / "rules.yaml").write_text(RULES, encoding="utf-8")
        command = [sys.executable, "-m", "fengsui", "up", "--data", str(directory / "data")]
        command += ["--rules", str(directory / "rules"), "--listen", "127.0.0.1:0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as system:
            try:
                port = _port(system.stdout)
                token = (directory / "data" / "admin.token").read_text().strip()
                trial = Trial(options)
                begun_s = time.monotonic()
                asyncio.run(trial.run(port, token))
                return 0 if trial.report(min(time.monotonic() - begun_s, options.seconds + WARM_UP_S)) else 1
            finally:
                system.terminate()


def _port(lines: IO[str] | None) -> int:
    """The first line on stdout is the board's address."""
    assert lines is not None
    address = lines.readline().strip()
    assert address.startswith("http://127.0.0.1:"), f"the system did not start: {address!r}"
    return int(address.rstrip("/").rpartition(":")[2])


if __name__ == "__main__":
    sys.exit(main())
