"""Memory: a windowed rule over a million keys, and an idle ``fengsui up``.

    python -m benchmarks.memory

Each is measured in a process of its own: peak resident memory of a replay, resident memory of a server that waits.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RULE = """
rules:
  - id: bench.keys
    title: {zh: 一百万个键, en: a million keys}
    domain: environment
    feed: sensor
    by: [subject, metric]
    window: {tumbling: 1h}
    measure: {mean: avg(value), n: count(*)}
    when: mean > 999
    severity: orange
    summary: {zh: "{subject}", en: "{subject}"}
"""
KEYS = 1_000_000


def replay(path: str) -> None:
    """In the child: a replay of the file, then its peak."""
    from rules.load import load_rules
    from streams.replay import replay as run

    with Path(os.devnull).open("wb") as out:
        summary = run([path], load_rules({"bench.yaml": RULE}), out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{summary.accepted} {peak / 1024:.0f} {summary.pace:.0f}")


def keys(folder: str) -> None:
    from benchmarks.replay import write

    path = Path(folder, "keys.ndjson")
    write(path, 2 * KEYS, KEYS)
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", str(path)], check=True, capture_output=True, text=True
    ).stdout.split()
    print(f"{'windowed rule, 1,000,000 keys, 2 readings each':48s} {answer[1]:>6s} MB peak (ceiling 1000)")


def idle(folder: str) -> None:
    command = [sys.executable, "-m", "fengsui", "up", "--data", str(Path(folder, "data")), "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        server.stdout.readline()
        time.sleep(20)
        status = Path(f"/proc/{server.pid}/status").read_text()
        resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
        server.terminate()
    print(f"{'idle up, 20 s after its start':48s} {resident / 1024:6.0f} MB resident (ceiling 700)")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        replay(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as scratch:
            keys(scratch)
            idle(scratch)
