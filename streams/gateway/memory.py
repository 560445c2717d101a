"""Which events have been seen: the dedupe state, and how it is had again from a snapshot and the log after a restart."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from streams.dedupe import Dedupe
from streams.log.entry import event_lines
from streams.log.errors import LogError
from streams.log.sqlite import SqliteLog
from streams.snapshot_directory import Snapshot, SnapshotDirectory

CONSUMER = "gateway"
#: Events read at a time on the way back.
_STRETCH = 100_000
#: The contract's horizon: what is older need not be read again where there is no snapshot.
_HORIZON_MS = 86_400_000
_HORIZON_IDS = 10_000_000


class _Id(msgspec.Struct):
    id: str
    source: str


class Memory:
    """The dedupe state of the events up to a position of the log. Used by one thread at a time.

    Its clock is the greatest receipt so far: an id is remembered for 24 h after it came in.
    """

    def __init__(self, log: SqliteLog, directory: Path, *, new: Callable[[], Dedupe] = Dedupe) -> None:
        self._log = log
        self._new = new
        self._files = SnapshotDirectory(directory, "dedupe")
        self._decoder = msgspec.json.Decoder(_Id)
        self._saver: threading.Thread | None = None
        self._at_ms = 0
        #: why a snapshot on the disk could not be used, for whoever tells people
        self.unusable: list[str] = []
        #: why the last snapshot could not be written; empty while all is well
        self.save_error = ""
        #: events remembered since the last snapshot
        self.unsaved = 0
        #: position that the newest usable snapshot covers
        self._saved_pos = 0
        log.register(CONSUMER)
        # The first call compiles: now, not while the first client waits.
        self._new().fresh(pl.DataFrame({"id": ["x"], "source": ["x"]}), 0)
        self.recall()

    @property
    def fallen(self) -> int:
        return int(self._dedupe.fallen)

    def fresh(self, frame: pl.DataFrame, at_ms: int) -> npt.NDArray[np.bool_]:
        """True for each row that is seen for the first time; from now on it has been seen."""
        self._at_ms = max(self._at_ms, at_ms)
        fresh: npt.NDArray[np.bool_] = np.asarray(self._dedupe.fresh(frame, self._at_ms), dtype=np.bool_)
        self.unsaved += int(np.count_nonzero(fresh))
        return fresh

    def recall(self) -> None:
        """Takes the state from the newest usable snapshot and what the log holds after it, forgetting all else."""
        after = None
        snapshots = self._files.load(log=self._log.identity, newest=self._log.newest)
        self.unusable = list(self._files.unusable)
        for snapshot in snapshots:
            if snapshot.pos < self._log.oldest - 1:
                self.unusable.append(f"dedupe snapshot at {snapshot.pos}: the log begins at {self._log.oldest}")
                continue
            try:
                self._dedupe = Dedupe.restore(snapshot.body)
            except Exception as error:  # whatever is wrong with it, the log has the same events
                self.unusable.append(f"dedupe snapshot at {snapshot.pos}: {error}")
                continue
            after, self._at_ms = snapshot.pos, int(snapshot.extra["at_ms"])
            self._saved_pos = snapshot.pos
            break
        if after is None:
            self._dedupe, self._at_ms = self._new(), 0
            begins = self._log.position_at(self._log.newest_at_ms - _HORIZON_MS)
            after = max(begins, self._log.newest - _HORIZON_IDS)
        self.unsaved = 0
        self._read_on(after)

    def _read_on(self, after: int) -> None:
        while entries := self._log.read(after, _STRETCH):
            for entry in entries:
                if entry.kind != "events":
                    continue
                ids = self._decoder.decode_lines(event_lines(entry))
                frame = pl.DataFrame(
                    {"id": [i.id for i in ids], "source": [i.source for i in ids]},
                    schema={"id": pl.String, "source": pl.String},
                )
                self.fresh(frame, entry.at_ms)
            after = entries[-1].pos

    def save(self, pos: int) -> None:
        """Writes a snapshot that covers the log to ``pos``, in a thread of its own; nothing while one is being written."""
        if self._saver is not None and self._saver.is_alive():
            return
        snapshot = Snapshot(pos, self._log.identity, self._dedupe.snapshot(), {"at_ms": self._at_ms})
        self.unsaved = 0
        self._saver = threading.Thread(target=self._write, args=(snapshot,), name="dedupe-snapshot")
        self._saver.start()

    def let_go(self) -> None:
        """Gives up the snapshot in reserve, and with it what only that one needs of the log."""
        if self._saver is None or not self._saver.is_alive():
            self._log.commit(CONSUMER, self._saved_pos)

    def _write(self, snapshot: Snapshot) -> None:
        try:
            floor = self._files.save(snapshot)
            self._saved_pos = snapshot.pos
            self._log.commit(CONSUMER, floor)
            self.save_error = ""
        except LogError as error:
            # The snapshot before it and the log still hold everything; the next one may find room.
            self.save_error = str(error)

    def close(self) -> None:
        """Waits for a snapshot that is being written."""
        if self._saver is not None:
            self._saver.join()
