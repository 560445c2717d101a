"""Rules change while events flow and the process is killed: one pass over the log gives the very same transitions."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from events.decode import Decoder
from events.transition import Transition
from rules.load import load_rules
from streams.engine import Engine
from streams.log.entry import transition
from streams.log.sqlite import SqliteLog
from streams.records import RecordReader, stretches
from tests.running import Running, alerts, eventually, running

HEAD = "rules:\n  - title: {zh: 试验, en: Trial}\n    domain: environment\n    feed: sensor\n"
EACH = HEAD + "    id: each\n    when: value > 50\n    severity: orange\n"
MEAN = (
    HEAD + "    id: mean\n    window: {hopping: 4s, every: 1s}\n    measure: {mean: avg(value), n: count(*)}\n"
    "    when: mean > 40\n    severity: {red: mean > 60, yellow: true}\n"
)
SEQUENCE = """
rules:
  - id: seq
    title: {zh: 试验, en: Trial}
    domain: environment
    sequence: [{feed: sensor, where: value > 60}, {feed: sensor, where: value < 30}]
    within: 20s
    severity: red
"""
LISTED = HEAD + "    id: listed\n    when: value > 20 AND subject IN list('watched.csv')\n    severity: blue\n"

#: Rule sets in their turn: what is written, None where a file is taken away, and whether it must take force.
CHANGES: list[tuple[dict[str, str | None], bool]] = [
    ({"b.yaml": MEAN.replace("Trial", "Renamed")}, True),
    ({"c.yaml": SEQUENCE, "a.yaml": EACH.replace("50", "70")}, True),
    ({"a.yaml": EACH.replace("value", "valeu")}, False),
    ({"a.yaml": EACH.replace("50", "70"), "b.yaml": None}, True),
    ({"d.yaml": LISTED, "watched.csv": "S1\nS2\n"}, True),
    ({"watched.csv": "S3\n"}, True),
    ({"a.yaml": EACH + "    enabled: shadow\n", "b.yaml": MEAN}, True),
    ({"a.yaml": EACH}, True),
]


@contextmanager
def flowing(up: Running, numbers: Iterator[int], seed: int) -> Iterator[None]:
    """Readings of a few subjects, somewhat out of order, as fast as the door takes them, until the block ends or the door dies."""
    done, rng = threading.Event(), random.Random(seed)

    def flow() -> None:
        with up.client() as client:
            while not done.is_set():
                body = b"".join(reading(next(numbers), rng) for _ in range(rng.randint(1, 20)))
                try:
                    client.post("/api/v1/events", content=body)
                except httpx.HTTPError:
                    return
                time.sleep(0.01)

    thread = threading.Thread(target=flow)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def reading(number: int, rng: random.Random) -> bytes:
    made = {
        "id": f"e{number}",
        "feed": "sensor",
        "source": "s",
        "time": time.time_ns() // 1_000_000 - rng.choice([0, 0, 0, 500, 3_000]),
        "subject": f"S{rng.randint(1, 4)}",
        "value": rng.choice([5, 25, 45, 65, 85]),
    }
    return json.dumps(made).encode() + b"\n"


def one_pass(log: SqliteLog) -> list[Transition]:
    """An engine that never stopped, over the whole log."""
    engine = Engine(load_rules({}))
    reader = RecordReader(Decoder(engine.ruleset.catalog))
    made: list[Transition] = []
    pos = 0
    while read := log.read(pos, 1_000_000, 1 << 30):
        for stretch in stretches(read):
            made += engine.step(reader.records(stretch)).transitions
            if stretch[-1].kind == "rules":
                reader = RecordReader(Decoder(engine.ruleset.catalog))
        pos = read[-1].pos
    return made


def in_force(client: httpx.Client) -> dict[str, Any]:
    body: dict[str, Any] = client.get("/api/v1/rules").json()
    return body


def change(client: httpx.Client, rules: Path, files: dict[str, str | None], good: bool) -> None:
    """Writes the files and waits until the system says what it should, and went on with alerts after that."""
    before = in_force(client)["in_force"]
    for name, text in files.items():
        if text is None:
            (rules / name).unlink()
        else:
            (rules / name).write_text(text)
    if good:
        eventually(lambda: in_force(client)["in_force"]["position"] > before["position"])
        eventually(lambda: in_force(client)["refused"] is None)
    else:
        eventually(lambda: in_force(client)["refused"])
        assert in_force(client)["in_force"] == before
    seq = client.get("/api/v1/board/summary").json()["seq"]
    eventually(lambda: client.get("/api/v1/board/summary").json()["seq"] > seq)


def test_changes_and_kills_replay_to_the_same(tmp_path: Path) -> None:
    """Every kind of change through the watched directory; a kill -9 after each few; then the log from its beginning."""
    data, rules = tmp_path / "data", tmp_path / "rules"
    rules.mkdir()
    (rules / "a.yaml").write_text(EACH)
    (rules / "b.yaml").write_text(MEAN)
    numbers, changes = iter(range(1_000_000)), iter(CHANGES)
    for life, several in enumerate([3, 2, 3]):
        with (
            running("up", data, "--rules", rules) as up,
            up.client() as client,
            flowing(up, numbers, seed=life),
        ):
            for _ in range(several):
                change(client, rules, *next(changes))
            up.stop(signal.SIGKILL)
    with running("up", data, "--rules", rules) as up, up.client() as client:
        assert in_force(client)["refused"] is None
        eventually(lambda: client.get("/api/v1/board/summary").json()["engine"]["lag"] == 0)
        assert not alerts(client, rule="each", state="open", limit=1) or all(
            not alert["shadow"] for alert in alerts(client, rule="each", state="open", limit=1000)
        )
        assert up.stop() == 0
    with (
        SqliteLog(data / "log" / "events.sqlite", read_only=True) as events,
        SqliteLog(data / "log" / "transitions.sqlite", read_only=True) as transitions,
    ):
        kept = [transition(entry) for entry in transitions.read(0, 1_000_000, 1 << 30)]
        expected = one_pass(events)
    assert [msgspec.structs.replace(t, seq=0) for t in kept] == expected
    assert [t.seq for t in kept] == sorted({t.seq for t in kept})
    ended = {(t.rule, t.reason) for t in kept if t.type == "closed" and t.reason}
    assert {("each", "rule_changed"), ("mean", "rule_removed")} <= ended
    assert {t.rule for t in kept} >= {"each", "mean", "seq", "listed"}
    # A new title is no change: the mean's first alerts were not closed by it.
    renamed = next(t.at for t in kept if t.rule == "mean" and t.title["en"] == "Renamed")
    assert not [t for t in kept if t.rule == "mean" and t.reason == "rule_changed" and t.at <= renamed]
    assert any(t.shadow for t in kept if t.rule == "each")
