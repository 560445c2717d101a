"""The store: how fast a million events go in, how long the board's and the desk's questions take, and what it costs to stand idle.

``python -m benchmarks.store [events] [directory]``
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from events.times import format_ms
from events.transition import Evidence, Key, Transition, alert_id, at
from sinks.filters import Filter
from sinks.store.store import Store
from streams.log.entry import Entry, events_entry, transition_entry

BATCH = 20_000
START_MS = 1_767_571_200_000


def main(total: int, directory: Path) -> None:
    """Prints one line a measurement."""
    print(f"idle process                    {_rss_mb():8.0f} MB")
    begun = time.perf_counter()
    store = Store.open(f"chdb://{directory}")
    print(f"open                            {time.perf_counter() - begun:8.2f} s   {_rss_mb():.0f} MB")
    _events(store, total)
    _alerts(store, 100_000)
    print(f"sizes                           {store.sizes()}")
    key = {"subject": "S17", "metric": "w01018"}
    end_ms = START_MS + total // 2_000 * 1_000
    _ask("events, newest 100", store.events)
    _ask("events of a subject", lambda: store.events(Filter(subject="S17")))
    _ask("evidence, an hour", lambda: store.evidence("sensor", key, end_ms - 3_600_000, end_ms, ["e17"]))
    _ask("series, all", lambda: store.series("sensor", key, "value", START_MS, end_ms, limit_field="limit"))
    _ask("alerts, first page", store.alerts)
    _ask("alerts, red and open", lambda: store.alerts(Filter(severity=frozenset({"red"}), state=frozenset({"open"}))))
    _ask("one alert", lambda: store.alert_history(_alert(77).alert))
    _ask("trend by hour", store.trend)
    _ask("subject", lambda: store.subject("S17"))
    print(f"after all that                  {_rss_mb():8.0f} MB")
    store.close()
    print(f"closed                          {_rss_mb():8.0f} MB")
    store = Store.open(f"chdb://{directory}")
    store.alerts()
    store.events()
    time.sleep(3)
    before = time.process_time()
    time.sleep(5)
    print(f"reopened, idle                  {_rss_mb():8.0f} MB   {(time.process_time() - before) / 5:.1%} of a core")
    store.close()


def _events(store: Store, total: int) -> None:
    draw = random.Random(1)
    batches = []
    for first in range(0, total, BATCH):
        made = []
        for number in range(first, first + BATCH):
            one = {
                "id": f"e{number}",
                "feed": "sensor",
                "source": "hj212",
                "time": format_ms(START_MS + number // 2 + draw.randrange(1000)),
                "region": f"53{number % 16:02d}02",
                "subject": f"S{number % 500}",
                "metric": ("w01018", "w21003", "w01001")[number % 3],
                "value": round(draw.gauss(40, 9), 2),
                "limit": 60,
                "quality": "N",
            }
            made.append(json.dumps(one, ensure_ascii=False).encode())
        new = events_entry(b"\n".join(made), count=BATCH, at_ms=START_MS + first // 2)
        batches.append(Entry(first + BATCH, BATCH, new.kind, new.at_ms, new.payload))
    begun, busy = time.perf_counter(), time.process_time()
    for batch in batches:
        store.insert_events([batch])
    took_s = time.perf_counter() - begun
    print(
        f"insert of {total:,} events      {total / took_s:8,.0f} /s   "
        f"{(time.process_time() - busy) / total * 1e6:.1f} us of a core each, {_rss_mb():.0f} MB"
    )


def _alert(number: int) -> Transition:
    opened_ms = START_MS + number * 1_000
    key: Key = {"subject": f"S{number % 500}"}
    severity = ("red", "orange", "yellow", "blue")[number % 4]
    return Transition(
        seq=number + 1,
        alert=alert_id("env.cod", key, opened_ms),
        n=1,
        type="opened",
        at=at(opened_ms),
        rule="env.cod",
        version="1c0ffee2",
        domain="environment",
        severity=severity,
        key=key,
        region="530102",
        subject=f"S{number % 500}",
        measures={"mean": 61.2, "limit": 60.0, "n": 58},
        evidence=Evidence("sensor", key, at(opened_ms - 3_600_000), at(opened_ms), (f"e{number}",)),
        title={"zh": "化学需氧量小时均值超标", "en": "Hourly mean COD above the permit limit"},
        summary={"zh": "S1 COD 小时均值 61.2 mg/L，限值 60", "en": "S1: hourly mean COD 61.2 mg/L, limit 60"},
        state="open",
        opened_at=at(opened_ms),
        count=1,
    )


def _alerts(store: Store, total: int) -> None:
    entries = []
    for number in range(total):
        new = transition_entry(_alert(number), at_ms=START_MS)
        entries.append(Entry(number + 1, 1, new.kind, new.at_ms, new.payload))
    begun = time.perf_counter()
    for first in range(0, total, BATCH):
        store.insert_transitions(entries[first : first + BATCH])
    print(f"insert of {total:,} transitions   {total / (time.perf_counter() - begun):8,.0f} /s")


def _ask(name: str, question: Callable[[], object]) -> None:
    took_ms = []
    for _ in range(7):
        begun = time.perf_counter()
        question()
        took_ms.append((time.perf_counter() - begun) * 1e3)
    print(f"{name:<32}{sorted(took_ms)[3]:8.1f} ms  (first {took_ms[0]:.1f}, worst {max(took_ms):.1f})")


def _rss_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


if __name__ == "__main__":
    place = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(tempfile.mkdtemp(prefix="fengsui-store-"))
    try:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000, place / "store")
    finally:
        shutil.rmtree(place, ignore_errors=True)
