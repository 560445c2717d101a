"""kill -9 at any moment: nothing accepted is lost, no alert is missing, doubled or renumbered."""

from __future__ import annotations

import json
import os
import queue
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from streams.log import entry as entries
from streams.log.sqlite import SqliteLog
from tests.small_world import batch, expected, read_all, written

ROOT = Path(__file__).parent.parent
STATEMENTS = ("BEGIN", "INSERT INTO entries", "marks", "UPDATE meta", "COMMIT", "page_count", "consumers")


class Killer:
    """Starts the child again and again, and kills it at moments drawn from the seed."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.directory = directory
        self.seed = seed
        self.rng = random.Random(seed)
        self.next_batch = 0
        self.acted: list[tuple[int, str, int, str]] = []
        #: what a board has seen: seq -> the bytes it was sent
        self.seen: dict[int, bytes] = {}
        self.moments: Counter[str] = Counter()

    def moment(self) -> str:
        """Half of the deaths are by the clock, half at a named step."""
        kind = self.rng.random()
        if kind < 0.5:
            return "-"
        if kind < 0.6:
            return f"rename:{self.rng.randint(1, 4)}"
        log = self.rng.choice(["events", "transitions"])
        return f"{log}:{self.rng.choice(STATEMENTS)}:{self.rng.randint(1, 25)}"

    def run(self, *, kill: bool) -> bool:
        """One life of the child; True when it came to its end."""
        moment = self.moment() if kill else "-"
        delay_s = self.rng.choice([0.0, self.rng.uniform(0, 0.2), self.rng.uniform(0, 1.5)])
        limit = self.next_batch + self.rng.randint(20, 60)
        child = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.crash_child",
                str(self.directory),
                str(self.seed),
                str(self.next_batch),
                str(limit),
                moment,
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "POLARS_MAX_THREADS": "1"},
        )
        assert child.stdout
        assert child.stderr
        lines: queue.Queue[str | None] = queue.Queue()
        reader = threading.Thread(target=_pump, args=(child.stdout, lines))
        reader.start()
        early = kill and moment == "-" and self.rng.random() < 0.15  # while it starts
        died_at: float | None = time.monotonic() + self.rng.uniform(0.2, 2.5) if early else None
        ended = False
        while True:
            try:
                line = lines.get(timeout=0.005 if died_at is not None else 60)
            except queue.Empty:
                line = ""
            if line is None:
                break
            ended |= line == "done"
            self.heard(line)
            if line == "ready" and kill and moment == "-" and died_at is None:
                died_at = time.monotonic() + delay_s
            if died_at is not None and time.monotonic() >= died_at:
                child.kill()
                died_at = None
        reader.join()
        code = child.wait(60)
        errors = child.stderr.read()
        child.stdout.close()
        child.stderr.close()
        assert code in (0, -9), f"seed {self.seed}, {moment}: {errors}"
        self.moments["killed" if code else "lived"] += 1
        self.look()
        return ended

    def heard(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == "acknowledged":
            self.next_batch = int(rest) + 1
        elif word == "acted":
            seq, alert, n, type_ = rest.split()
            self.acted.append((int(seq), alert, int(n), type_))

    def look(self) -> None:
        """A board reads on from its last seq: what it has seen before must still be there, byte for byte."""
        path = self.directory / "log" / "transitions.sqlite"
        if not path.exists():
            return
        with SqliteLog(path) as log:
            for entry in read_all(log):
                assert self.seen.setdefault(entry.pos, entry.payload) == entry.payload


def _pump(stream, lines: queue.Queue[str | None]) -> None:
    for line in stream:
        lines.put(line.strip())
    lines.put(None)


@pytest.mark.parametrize(
    ("seed", "kills"), [(1, 8), *(pytest.param(seed, 60, marks=pytest.mark.nightly) for seed in range(2, 6))]
)
def test_kill_at_any_moment(tmp_path, seed, kills):
    """Many lives end at seeded moments; the last one plays to the end, and the whole is as if there had been but one."""
    print(f"seed {seed}: python -m pytest 'tests/test_crash.py::test_kill_at_any_moment[{seed}-{kills}]'")
    killer = Killer(tmp_path, seed)
    for _ in range(kills):
        killer.run(kill=True)
    assert killer.run(kill=False)
    assert killer.moments["killed"] >= kills // 2
    with SqliteLog(tmp_path / "log" / "events.sqlite") as events:
        stored = Counter(
            (event["source"], event["id"])
            for entry in read_all(events)
            if entry.kind == "events"
            for event in map(json.loads, entries.event_lines(entry).splitlines())
        )
        sent = {
            (event["source"], event["id"])
            for number in range(killer.next_batch)
            for line in batch(seed, number)
            if line.endswith(b"}")
            for event in [json.loads(line)]
        }
        assert set(stored) == sent
        assert set(stored.values()) == {1}
        made = expected(events, cut=37)
    with SqliteLog(tmp_path / "log" / "transitions.sqlite") as transitions:
        found = written(transitions)
    assert [(t.seq, t.alert, t.n, t.type) for t in found] == [(t.seq, t.alert, t.n, t.type) for t in made]
    assert found == made
    assert {t.rule for t in found} == {"w.each", "w.mean", "w.hop", "w.slide", "w.silent", "w.follow"}
    by_seq = {t.seq: (t.seq, t.alert, t.n, t.type) for t in found}
    assert killer.acted, "no act was ever answered"
    assert all(by_seq[act[0]] == act for act in killer.acted)
