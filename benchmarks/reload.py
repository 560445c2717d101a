"""A change of rules: how long the engine stands still for it, and what many changes cost.

    python -m benchmarks.reload

1,000 rules of mixed kinds with 10,000 keys; one threshold changes each time. Then a running system (``up``) whose rules change once
a second for a minute while events flow: acceptance, standstill and resident memory.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import polars as pl

from events.decode import Decoder
from events.record import Activation, EventBatch
from rules.load import load_rules
from streams.engine import Engine

RULES = 1_000
KEYS = 10_000
T0 = 1_772_380_800_000
KINDS = (
    "when: value > {n}",
    "window: {{tumbling: 1h}}\n    measure: {{m: avg(value)}}\n    when: m > {n}",
    "window: {{hopping: 1h, every: 10m}}\n    measure: {{c: count(*)}}\n    when: c > {n}",
    "window: {{sliding: 10m}}\n    measure: {{m: max(value)}}\n    when: m > {n}",
    "where: value > {n}\n    absent: 1h",
)


def texts(change: int, rules: int = RULES) -> dict[str, str]:
    """Files of 50 rules each; ``change`` is the threshold of the first one."""
    files = {}
    for first in range(0, rules, 50):
        lines = ["rules:"]
        for at in range(first, min(rules, first + 50)):
            body = KINDS[at % len(KINDS)].format(n=(900 + change if at == 0 else 900 + at % 97))
            lines.append(
                f"  - id: r{at}\n    title: {{zh: 试, en: Trial}}\n    domain: environment\n    feed: sensor\n"
                f"    severity: red\n    {body}"
            )
        files[f"r{first}.yaml"] = "\n".join(lines) + "\n"
    return files


def events(count: int, keys: int, at_ms: int, begin: int = 0) -> bytes:
    return b"".join(
        b'{"id":"e%d","feed":"sensor","source":"s","time":%d,"subject":"k%d","value":%d}\n'
        % (begin + n, at_ms + n // 10, (begin + n) % keys, n % 800)
        for n in range(count)
    )


def standstill() -> None:
    began = time.perf_counter()
    ruleset = load_rules(texts(0))
    print(f"{'load and check 1,000 rules':52s} {(time.perf_counter() - began) * 1e3:8.0f} ms")
    engine = Engine(ruleset)
    decoder = Decoder(ruleset.catalog)
    pos = 0
    for part in range(5):
        frame = decoder.decode(events(20_000, KEYS, T0 + part * 2_000, part * 20_000)).frame
        numbers = np.arange(pos + 1, pos + 1 + len(frame))
        engine.step([EventBatch(frame, pl.Series("pos", numbers))])
        pos += len(frame)
    took = []
    for change in range(1, 6):
        prepared = load_rules(texts(change))
        engine.load = lambda _, prepared=prepared: prepared  # as a running system does, which has just loaded it
        bundle = dict(prepared.bundle)
        pos += 1
        began = time.perf_counter()
        engine.step([Activation(pos, T0 + 60_000, bundle)])
        took.append(time.perf_counter() - began)
        began = time.perf_counter()
        frame = decoder.decode(events(2_000, KEYS, T0 + 70_000 + change, 1_000_000 * change)).frame
        engine.step([EventBatch(frame, pl.Series("pos", np.arange(pos + 1, pos + 1 + len(frame))))])
        pos += len(frame)
        took.append(time.perf_counter() - began)
    print(f"{'engine stands still for the change (median of 5)':52s} {sorted(took[::2])[2] * 1e3:8.0f} ms")
    print(f"{'first step of 2,000 events after it (median)':52s} {sorted(took[1::2])[2] * 1e3:8.0f} ms")


def resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def minute(folder: Path, rules: int, seconds: int) -> None:
    directory = folder / "rules"
    directory.mkdir()
    for name, text in texts(0, rules).items():
        (directory / name).write_text(text)
    command = [sys.executable, "-m", "fengsui", "up", "--data", str(folder / "data"), "--rules", str(directory)]
    with subprocess.Popen([*command, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        token = (folder / "data" / "admin.token").read_text().strip()
        client = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=60)
        done, waits = threading.Event(), []

        def flow() -> None:
            number = 0
            with httpx.Client(base_url=address, headers=dict(client.headers), timeout=60) as door:
                while not done.is_set():
                    body = events(500, 1_000, time.time_ns() // 1_000_000, number)
                    began = time.perf_counter()
                    door.post("/api/v1/events", content=body).raise_for_status()
                    waits.append(time.perf_counter() - began)
                    number += 500
                    time.sleep(0.1)

        thread = threading.Thread(target=flow)
        thread.start()
        time.sleep(5)
        before, activated, lag = resident_mb(server.pid), 0, 0.0
        ends = time.monotonic() + seconds
        for change in range(1, seconds + 1):
            (directory / "r0.yaml").write_text(texts(change, rules)["r0.yaml"])
            began = time.monotonic()
            activated += client.post("/api/v1/rules/reload").json()["position"] is not None
            lag = max(lag, client.get("/api/v1/board/summary").json()["engine"]["lag_s"])
            time.sleep(max(0.0, 1.0 - (time.monotonic() - began)))
            if time.monotonic() > ends:
                break
        after = resident_mb(server.pid)
        text = client.get("/metrics").text
        figures = {
            line.split()[0]: float(line.split()[1]) for line in text.splitlines() if line.startswith("fengsui_rules")
        }
        done.set()
        thread.join()
        server.terminate()
    count = figures["fengsui_rules_activation_seconds_count"]
    mean_ms = figures["fengsui_rules_activation_seconds_sum"] / count * 1e3
    print(
        f"up, {rules:,} rules, changed once a second for {seconds} s: {count - 1:.0f} activations of {change} changes"
    )
    print(f"{'  engine stands still for one, on average':52s} {mean_ms:8.0f} ms")
    print(f"{'  greatest lag of the engine seen':52s} {lag:8.1f} s")
    print(
        f"{'  events: p50 and greatest wait at the door':52s} {sorted(waits)[len(waits) // 2] * 1e3:8.0f} ms {max(waits) * 1e3:.0f} ms"
    )
    print(f"{'  resident before and after':52s} {before:8.0f} MB {after:.0f} MB")


if __name__ == "__main__":
    standstill()
    for rules in (50, RULES):
        with tempfile.TemporaryDirectory() as scratch:
            minute(Path(scratch), rules, int(sys.argv[1]) if len(sys.argv) > 1 else 60)
