"""The live state at its full size: what a board's questions take, and how long Redis takes to fill, load and follow.

    python -m benchmarks.live [--alerts N]

Starts a redis-server of its own (Debian: redis-server) on a free port. Questions are answered from the board's own copy, so
their times hold with and without Redis; each is the median and the worst of 50, by the clock.
"""

from __future__ import annotations

import argparse
import random
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from events.transition import Evidence, Transition, at
from sinks.filters import UNRESOLVED, Filter
from sinks.live.address import RedisAddress
from sinks.live.errors import LiveDown
from sinks.live.mirror import Mirror
from sinks.live.redis import RedisLive
from sinks.live.writer import LiveWriter
from streams.log.entry import transition_entry
from streams.log.sqlite import SqliteLog

_START_MS = 1_780_000_000_000
_TIMES = 50


def transition(draw: random.Random, number: int, n: int, seq: int) -> Transition:
    severity = draw.choices(["red", "orange", "yellow", "blue"], [1, 4, 15, 20])[0]
    return Transition(
        seq=seq,
        alert=f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}",
        n=n,
        type="opened" if n == 1 else "updated",
        at=at(_START_MS + seq * 100),
        rule=f"env.rule.{number % 60}",
        version="0123456789abcdef",
        domain=("environment", "market", "safety")[number % 3],
        severity=severity,
        key={"subject": f"91530100MA{number:08d}", "metric": "w01018"},
        region=f"53{number % 16:02d}{number % 9:02d}",
        subject=f"91530100MA{number:08d}",
        measures={"mean": 42.5, "limit": 30.0, "n": 58},
        evidence=Evidence("sensor", {"subject": f"91530100MA{number:08d}"}, at(_START_MS), at(_START_MS)),
        title={"zh": "化学需氧量小时均值超标", "en": "Hourly mean COD above the permit limit"},
        summary={"zh": "COD 小时均值 42.5 mg/L，限值 30", "en": "COD hourly mean 42.5 mg/L, limit 30"},
        state="open" if number % 10 else "acked",
        opened_at=at(_START_MS + number * 1_000),
    )


def timed(what: str, ask: Callable[[], object]) -> None:
    times = []
    for _ in range(_TIMES):
        begun_s = time.perf_counter()
        ask()
        times.append((time.perf_counter() - begun_s) * 1_000)
    print(f"{what}: {statistics.median(times):.2f} ms, worst {max(times):.1f} ms")


def once(what: str, do: Callable[[], object]) -> None:
    begun_s = time.perf_counter()
    do()
    print(f"{what}: {time.perf_counter() - begun_s:.2f} s")


def measure(address: RedisAddress, log: SqliteLog, alerts: int) -> None:
    draw = random.Random(1)
    numbers = list(range(alerts))
    draw.shuffle(numbers)
    for start in range(0, alerts, 10_000):
        some = [transition(draw, number, 1, start + k + 1) for k, number in enumerate(numbers[start : start + 10_000])]
        log.append([transition_entry(one, at_ms=0) for one in some])
    shared = RedisLive(address, log.identity)
    writer = LiveWriter(shared, log)
    once(f"rebuild of {alerts:,} alerts from the log", writer.check)
    board = Mirror(shared, log, clock=lambda: 0)
    once("a board starts (all alerts from Redis)", board.begin)
    assert len(board) == alerts
    deepest = Filter(limit=100, cursor=_deepest(board))
    for what, ask in (
        ("first page of 100", lambda: board.alerts(Filter(state=UNRESOLVED))),
        ("a page in the middle", lambda: board.alerts(deepest)),
        ("page of one subject among all", lambda: board.alerts(Filter(subject=f"91530100MA{alerts - 1:08d}"))),
        ("page by region, severity and time", lambda: board.alerts(_narrow())),
        ("counts", lambda: board.counts(Filter(state=UNRESOLVED))),
        ("counts by rule and time (one by one)", lambda: board.counts(Filter(rule="env.rule.7", from_ms=_START_MS))),
        ("counts for every rule", board.by_rule),
    ):
        timed(what, ask)
    made = [transition(draw, numbers[k], 2, alerts + k + 1) for k in range(min(alerts, 10_000))]
    log.append([transition_entry(one, at_ms=0) for one in made])
    once(f"writer: {len(made):,} more transitions into Redis", lambda: writer.handle(log.read(alerts)))
    once("board: takes them over from Redis", board.turn)
    assert board.newest_seq == log.newest
    print(f"Redis holds {shared.information().used_bytes / 1e6:,.0f} MB")


def _narrow() -> Filter:
    return Filter(region="5303", severity=frozenset({"red", "orange"}), from_ms=_START_MS, to_ms=_START_MS + 10**12)


def _deepest(board: Mirror) -> str | None:
    cursor = None
    for _ in range(len(board) // 2_000):
        cursor = board.alerts(Filter(limit=1_000, cursor=cursor)).next
    return cursor


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--alerts", type=int, default=100_000)
    alerts = parser.parse_args().alerts
    program = shutil.which("redis-server")
    if program is None:
        print("redis-server is not installed (Debian: apt-get install redis-server): nothing is measured")
        return
    with tempfile.TemporaryDirectory(prefix="fengsui-bench-") as kept:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        server = subprocess.Popen(
            [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", kept, "--save", ""],
            stdout=subprocess.DEVNULL,
        )
        try:
            address = RedisAddress.parse(f"redis://127.0.0.1:{port}/0")
            assert address is not None
            _wait(address)
            with SqliteLog(Path(kept) / "transitions.sqlite") as log:
                measure(address, log, alerts)
        finally:
            server.kill()
            server.wait()


def _wait(address: RedisAddress) -> None:
    for _ in range(200):
        try:
            RedisLive(address, "").information()
        except LiveDown:
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    main()
