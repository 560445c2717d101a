"""kill -9 while the store is being filled: every event, transition and dead letter is there once after the next start."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from streams.log.entry import events_entry
from streams.log.sqlite import SqliteLog

BATCH = 200
BATCHES = 150

_FILL = """
import sys, time
from sinks.consumer import SinkThread
from sinks.store.store import Store
from streams.log.sqlite import SqliteLog
place = sys.argv[1]
with SqliteLog(place + "/events.sqlite") as log, Store.open("chdb://" + place + "/store") as store:
    store.bind("events", log.identity, log.newest)
    sink = SinkThread("store", log, lambda entries: store.insert_events(entries) and None, clock=lambda: 0, max_events=600)
    sink.start()
    print("filling", flush=True)
    done = sink.wait_for(log.newest, 120)
    sink.stop()
    with store._connections.reader() as client:
        rows = client.query("SELECT count(), uniqExact(pos), min(pos), max(pos), uniqExact(id) FROM events").result_rows
    print("done", done, *rows[0], flush=True)
"""


def _start(place: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _FILL, str(place)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )


def test_nothing_is_lost_or_doubled_by_kills(tmp_path: Path) -> None:
    """Seeded moments between two inserts, within one, and between an insert and its commit."""
    with SqliteLog(tmp_path / "events.sqlite") as log:
        for first in range(0, BATCH * BATCHES, BATCH):
            lines = b"".join(
                json.dumps({"id": f"e{n}", "feed": "sensor", "source": "s", "time": n}).encode() + b"\n"
                for n in range(first, first + BATCH)
            )
            log.append([events_entry(lines, count=BATCH, at_ms=1_767_571_200_000 + first)])
    draw = random.Random(20260105)
    kills = 0
    for _ in range(3):
        process = _start(tmp_path)
        assert process.stdout is not None
        assert process.stdout.readline() == "filling\n"
        time.sleep(draw.uniform(0.02, 0.4))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
    last = _start(tmp_path)
    out, _ = last.communicate(timeout=120)
    total = BATCH * BATCHES
    assert out.split("\n")[1] == f"done True {total} {total} 1 {total} {total}"
    assert last.returncode == 0
    assert kills >= 1, "no process was killed while it was filling: take more batches"
