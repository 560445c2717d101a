"""Replay: recorded events through the engine as fast as it goes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
import polars as pl

from events.decode import Decoder
from events.record import End, EventBatch
from events.transition import Transition, encode
from rules.arrays import NEVER
from rules.model import RuleSet
from streams.dedupe import Dedupe
from streams.engine import Engine
from streams.sources import chunks

#: path, bytes of it read so far (uncompressed)
Progress = Callable[[str, int], None]


@dataclass
class Summary:
    """What a replay did. ``seconds`` is wall time, all included."""

    read: int = 0
    accepted: int = 0
    duplicate: int = 0
    late: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    #: file, line (of Parquet: row) from 1, and what was wrong
    first_rejected: tuple[str, int, str] | None = None
    #: events after ``until_ms``
    after: int = 0
    keyless: dict[str, int] = field(default_factory=dict)
    transitions: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def pace(self) -> float:
        """Events a second."""
        return self.read / self.seconds if self.seconds else 0.0


def replay(
    files: Sequence[str | Path],
    ruleset: RuleSet,
    out: BinaryIO,
    *,
    until_ms: int | None = None,
    batch: int | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Events of ``files``, merged by time, through ``ruleset``; one transition a line to ``out``.

    ``batch``: events a step; it changes nothing in the result. Events after ``until_ms`` are not read.
    """
    began = time.perf_counter()
    run = _Run(ruleset, out, until_ms)
    decoder = Decoder(ruleset.catalog)
    streams = [_frames(str(path), decoder, run.summary, progress) for path in files]
    for frame in streams[0] if len(streams) == 1 else merged(streams):
        for piece in frame.iter_slices(batch) if batch else (frame,):
            run.take(piece)
    run.finish()
    run.summary.seconds = time.perf_counter() - began
    return run.summary


class _Run:
    """The state of a replay between chunks."""

    def __init__(self, ruleset: RuleSet, out: BinaryIO, until_ms: int | None) -> None:
        self.summary = Summary()
        self._engine = Engine(ruleset)
        self._dedupe = Dedupe()
        self._out = out
        self._until = until_ms
        self._pos = 0
        self._clock = NEVER
        self._seq = 0

    def take(self, frame: pl.DataFrame) -> None:
        if self._until is not None:
            whole = len(frame)
            frame = frame.filter(pl.col("time") <= self._until)
            self.summary.after += whole - len(frame)
        if not len(frame):
            return
        clock = np.maximum.accumulate(np.maximum(frame["time"].to_numpy(), self._clock))
        fresh = self._dedupe.fresh(frame, clock)
        self._clock = int(clock[-1])
        repeated = len(frame) - int(np.count_nonzero(fresh))
        if repeated:
            frame = frame.filter(fresh)
            self.summary.duplicate += repeated
        if not len(frame):
            return
        pos = pl.int_range(self._pos + 1, self._pos + 1 + len(frame), eager=True)
        self._pos += len(frame)
        self.summary.accepted += len(frame)
        self._step(EventBatch(frame, pos))

    def finish(self) -> None:
        self._step(End(self._pos + 1, self._until))
        self.summary.keyless = self._engine.keyless()

    def _step(self, record: EventBatch | End) -> None:
        outcome = self._engine.step([record])
        self.summary.late += sum(count for (_, _, fate), count in outcome.fates.items() if fate == "late")
        if outcome.transitions:
            self._write(outcome.transitions)

    def _write(self, transitions: Iterable[Transition]) -> None:
        lines = []
        for transition in transitions:
            self._seq += 1
            self.summary.transitions[transition.type] += 1
            lines.append(encode(msgspec.structs.replace(transition, seq=self._seq)))
        lines.append(b"")
        self._out.write(b"\n".join(lines))


def _frames(path: str, decoder: Decoder, summary: Summary, progress: Progress | None) -> Iterator[pl.DataFrame]:
    done = lines = 0
    for chunk in chunks(path):
        decoded = decoder.decode(chunk)
        summary.read += len(decoded.frame) + len(decoded.rejected)
        for rejected in decoded.rejected:
            summary.rejected[rejected.reason] += 1
        if summary.first_rejected is None:
            for rejected in decoded.rejected[:1]:
                summary.first_rejected = (path, lines + rejected.line, f"{rejected.reason}, {rejected.detail}")
            lines += decoded.count
        done += len(chunk)
        if progress is not None:
            progress(path, done)
        if len(decoded.frame):
            yield decoded.frame


_KEY = " merge key"


def merged(streams: Sequence[Iterator[pl.DataFrame]]) -> Iterator[pl.DataFrame]:
    """Several files as one, by time; each keeps its own order.

    Taking the file whose next event is the oldest is the same as sorting by each file's greatest time so far, then by file:
    that can be done in columns, as far as every file has been read.
    """
    heads: list[pl.DataFrame | None] = [None] * len(streams)
    greatest = [NEVER] * len(streams)
    done = [False] * len(streams)

    def more(i: int) -> None:
        frame = next(streams[i], None)
        if frame is None:
            done[i] = True
            return
        key = np.maximum.accumulate(np.maximum(frame["time"].to_numpy(), greatest[i]))
        greatest[i] = int(key[-1])
        frame = frame.with_columns(pl.Series(_KEY, key))
        head = heads[i]
        heads[i] = frame if head is None or not len(head) else pl.concat((head, frame))

    while True:
        for i in range(len(streams)):
            head = heads[i]
            while not done[i] and (head is None or not len(head)):
                more(i)
                head = heads[i]
        # what a file has not shown yet may still tie with its last key
        bound = min((greatest[i] for i in range(len(streams)) if not done[i]), default=None)
        parts = []
        for i, head in enumerate(heads):
            if head is None:
                continue
            ready = len(head) if bound is None else int(np.searchsorted(head[_KEY].to_numpy(), bound, side="left"))
            parts.append(head.head(ready))
            heads[i] = head.slice(ready)
        out = pl.concat(parts).sort(_KEY, maintain_order=True) if parts else None
        if out is not None and len(out):
            yield out.drop(_KEY)
        if bound is None:
            return
        for i in range(len(streams)):
            if not done[i] and greatest[i] == bound:
                more(i)
