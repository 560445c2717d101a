"""The process that test_crash.py kills: plays the small world from a batch on, telling what was acknowledged.

``python -m tests.crash_child DIR SEED FIRST LAST KILL``. KILL names the moment at which it kills itself, exactly where a crash
would hurt: ``events:COMMIT:7`` is before the seventh COMMIT in the event log, ``transitions:page_count:3`` just after the third
commit in the transition log, ``rename:2`` before the second snapshot gets its name; ``-`` leaves that to the parent.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path

from events.transition import Transition
from streams.embedded import ActPending, SnapshotPolicy
from streams.log import entry as entries
from streams.log.sqlite import SqliteLog
from tests.small_world import T0_MS, System, batch


def main(directory: Path, seed: int, first: int, last: int, kill: str) -> None:
    if kill.startswith("rename:"):
        _die_at_rename(int(kill.partition(":")[2]))
    system = System(directory, snapshots=SnapshotPolicy(events=60, seconds=0.0, some=60), tick_ms=200)
    log, _, rest = kill.partition(":")
    if log in ("events", "transitions"):
        word, _, count = rest.partition(":")
        _die_at_statement(getattr(system, log), word, int(count))
    system.use()
    _tell("ready")
    rng = random.Random(f"{seed}/{first}")
    for number in range(first, last):
        system.now_ms = T0_MS + number * 1000 + rng.choice([300, 500, 900])
        system.post(batch(seed, number))
        _tell(f"acknowledged {number}")
        if number % 5 == 0:
            _act(system, rng)
    system.settle()
    system.close()
    _tell("done")


def _act(system: System, rng: random.Random) -> None:
    newest = system.transitions.newest
    if not newest:
        return
    (entry, *_) = system.transitions.read(rng.randrange(newest), 1)
    alert = entries.transition(entry).alert
    try:
        outcome = system.runner.act(
            alert, rng.choice(["ack", "note", "assign", "resolve", "reopen"]), "王", timeout_s=5
        )
    except ActPending:
        return
    if isinstance(outcome, Transition):
        _tell(f"acted {outcome.seq} {outcome.alert} {outcome.n} {outcome.type}")


def _tell(line: str) -> None:
    print(line, flush=True)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_at_statement(log: SqliteLog, word: str, count: int) -> None:
    left = count

    def traced(statement: str) -> None:
        nonlocal left
        if word in statement:
            left -= 1
            if left == 0:
                _die()

    assert log._writer is not None
    log._writer.set_trace_callback(traced)


def _die_at_rename(count: int) -> None:
    left = count

    def hook(event: str, args: tuple[object, ...]) -> None:
        nonlocal left
        if event == "os.rename" and str(args[0]).endswith(".partial"):
            left -= 1
            if left == 0:
                _die()

    sys.addaudithook(hook)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
