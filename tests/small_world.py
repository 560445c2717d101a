"""A small world for tests of the running system: a rule of each kind, a seeded stream of events, and a system over real files."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import msgspec

from events.decode import Decoder
from events.transition import Transition
from rules.load import load_rules
from streams.embedded import EngineRunner, SnapshotPolicy
from streams.engine import Engine
from streams.gateway.gateway import Gateway
from streams.gateway.sqlite_door import SqliteDoor
from streams.log import entry as entries
from streams.log.entry import Entry
from streams.log.sqlite import SqliteLog
from streams.metrics import Metrics
from streams.records import RecordReader, stretches

T0_MS = 1_780_000_000_000
TITLE = "title: {zh: 试, en: test}\n    domain: environment"
RULES = f"""
rules:
  - id: w.each
    {TITLE}
    feed: sensor
    where: metric = 'ph'
    when: value > 9
    severity: {{red: value > 9.8, orange: true}}
  - id: w.mean
    {TITLE}
    feed: sensor
    by: [subject, metric]
    window: {{tumbling: 10s}}
    measure: {{mean: avg(value), n: count(*)}}
    when: mean > 5.5
    severity: yellow
  - id: w.hop
    {TITLE}
    feed: sensor
    window: {{hopping: 20s, every: 5s}}
    measure: {{peak: max(value)}}
    when: peak > 9.5
    severity: blue
  - id: w.slide
    {TITLE}
    feed: complaint
    by: [region]
    window: {{sliding: 15s}}
    measure: {{n: count(*)}}
    when: n >= 4
    severity: orange
  - id: w.silent
    {TITLE}
    feed: sensor
    absent: 8s
    severity: yellow
  - id: w.follow
    {TITLE}
    by: [region]
    sequence:
      - {{feed: complaint, where: category = '食品安全'}}
      - {{feed: inspection, where: result = '不合格'}}
    within: 30s
    clear_after: 1m
    severity: red
"""


def batch(seed: int, number: int) -> list[bytes]:
    """The events of one second of the stream, a few of them late, repeated, or broken: the same for the same numbers."""
    rng = random.Random(f"{seed}/{number}")
    lines: list[bytes] = []
    for at in range(rng.randint(1, 12)):
        time = T0_MS + number * 1000 + rng.randint(0, 999) - rng.choice([0, 0, 0, 2_000, 60_000])
        event: dict[str, object] = {"id": f"{number}-{at}", "source": rng.choice("ab"), "time": time}
        event["region"] = rng.choice(["530100", "530102"])
        kind = rng.random()
        if kind < 0.7:
            subject = f"站{rng.randint(0, 12)}"
            event |= {
                "feed": "sensor",
                "subject": subject,
                "metric": rng.choice(["ph", "cod"]),
                "value": rng.uniform(0, 10),
            }
        elif kind < 0.9:
            event |= {"feed": "complaint", "category": rng.choice(["食品安全", "噪声扰民"]), "text": "有人投诉"}
        else:
            event |= {"feed": "inspection", "result": rng.choice(["合格", "不合格"])}
        lines.append(json.dumps(event, ensure_ascii=False).encode())
    if rng.random() < 0.2:
        lines.append(rng.choice(lines))
    if rng.random() < 0.1:
        lines.insert(rng.randrange(len(lines)), b'{"id": ')
    return lines


class System:
    """The logs, the door and the engine in a directory. ``now_ms`` is its clock."""

    def __init__(
        self,
        directory: Path,
        *,
        snapshots: SnapshotPolicy | None = None,
        event_bytes: int = 1 << 30,
        transition_bytes: int = 1 << 30,
        tick_ms: int = 1_000,
        state: str = "state",
    ) -> None:
        self.directory = directory
        self.now_ms = T0_MS
        self.events = SqliteLog(directory / "log" / "events.sqlite", max_bytes=event_bytes)
        self.transitions = SqliteLog(directory / "log" / "transitions.sqlite", max_bytes=transition_bytes)
        self.dead = SqliteLog(directory / "log" / "dead.sqlite")
        self.metrics = Metrics()
        self.runner = EngineRunner(
            self.events,
            self.transitions,
            directory=directory / state,
            clock=self.clock,
            metrics=self.metrics,
            snapshots=snapshots,
            tick_ms=tick_ms,
        )
        self.runner.start()
        self.door = Gateway(
            self.runner.newest_rules().catalog,
            SqliteDoor(self.events, self.dead, directory / state),
            clock=self.clock,
            metrics=self.metrics,
        )

    def clock(self) -> int:
        return self.now_ms

    def use(self, text: str = RULES) -> None:
        """Puts a rule file in force where it is not."""
        rules = load_rules({"rules.yaml": text})
        if self.runner.newest_rules().bundle != rules.bundle:
            self.door.activate(rules)

    def post(self, lines: list[bytes]) -> None:
        self.door.accept(b"\n".join(lines))

    def settle(self) -> None:
        """Until the engine has come to the end of the log."""
        assert self.runner.wait_for(self.events.newest, 60), self.runner.health

    def close(self) -> None:
        self.door.close()
        self.runner.stop()
        for log in (self.events, self.transitions, self.dead):
            log.close()


def read_all(log: SqliteLog, after: int = 0) -> Iterator[Entry]:
    while read := log.read(after):
        yield from read
        after = read[-1].pos


def written(log: SqliteLog) -> list[Transition]:
    """The transitions of a log, each under the number it carries."""
    transitions = []
    for entry in read_all(log):
        transition = entries.transition(entry)
        assert transition.seq == entry.pos
        transitions.append(transition)
    return transitions


def expected(log: SqliteLog, *, cut: int = 1_000_000) -> list[Transition]:
    """What an engine makes of an event log in one go (or ``cut`` entries at a time), numbered from 1."""
    engine = Engine(load_rules({}))
    reader = RecordReader(Decoder(engine.ruleset.catalog))
    read = list(read_all(log))
    made: list[Transition] = []
    for start in range(0, len(read), cut):
        for stretch in stretches(read[start : start + cut]):
            made += engine.step(reader.records(stretch)).transitions
            reader = RecordReader(Decoder(engine.ruleset.catalog))
    return [msgspec.structs.replace(transition, seq=seq) for seq, transition in enumerate(made, 1)]
